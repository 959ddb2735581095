"""An endpoint for tests, independent of the project's own: counts what it is asked, and misbehaves as it is told.

`python -m tests.expander.rogue_server MODE LOG` prints its port. It appends a line to LOG for every request it answers
(or leaves), so that what was sent outlives a killed client.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter, deque
from pathlib import Path

LIMIT = 30  # requests in any second, in mode `limited`

DIALOGUE = "".join(
    f"求助者：这是第{n}次说起这件事，我心里还是乱的。\n支持者：第{n}次说起它也没关系，乱的时候先从哪里说起都可以。\n"
    for n in range(1, 9)
)


def completion(text: str | None = DIALOGUE) -> bytes:
    return json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "rogue-1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        }
    ).encode()


def answer(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Rogue:
    """State of one server: what it saw, and how it answers."""

    def __init__(self, mode: str, log: Path) -> None:
        self.mode = mode
        self.log = log.open("a", buffering=1)
        self.seen: Counter[str] = Counter()
        self.in_flight = 0
        self.recent: deque[float] = deque()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                prompt = json.loads(await reader.readexactly(length))["messages"][-1]["content"]
                name = hashlib.sha256(prompt.encode()).hexdigest()[:16]
                self.seen[name] += 1
                await self.reply(name, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def reply(self, name: str, writer: asyncio.StreamWriter) -> None:
        self.in_flight += 1
        most = self.in_flight
        kind, data = await self.decide(name)
        self.in_flight -= 1
        self.log.write(f"{kind} {name} {time.time():.4f} {most}\n")
        writer.write(data)
        await writer.drain()
        if kind in {"truncated", "reset"}:
            writer.close()
        if kind == "hang":
            await asyncio.sleep(3600)

    async def decide(self, name: str) -> tuple[str, bytes]:
        share = int(name, 16) / 16**16
        good = answer(200, completion())
        if self.mode == "slow":
            await asyncio.sleep(0.02 + 0.03 * random.random())
        elif self.mode == "limited":
            now = time.monotonic()
            while self.recent and now - self.recent[0] > 1:
                self.recent.popleft()
            if len(self.recent) >= LIMIT:
                return "refused", answer(429, b"{}", "Retry-After: 1\r\n")
            self.recent.append(now)
        elif self.mode == "faulty":
            if share < 0.04:
                return "broken", answer(500, b'{"error": {"code": "boom"}}')
            if share < 0.07:
                return "hang", b""
            if share < 0.17 and self.seen[name] == 1:
                return "truncated", good[: len(good) // 2]
        elif self.mode in {"steady", "sporadic"}:
            if self.mode == "sporadic" and share < 0.2 and self.seen[name] <= 2:
                return "refused", answer(429, b"{}", "Retry-After: 1\r\n")
            await asyncio.sleep(0.05)
        elif self.mode == "empty":
            return "empty", answer(200, completion("" if share < 0.5 else DIALOGUE))
        elif self.mode == "improving":
            if self.seen[name] <= 2:
                return "short", answer(200, completion("求助者：你好\n支持者：你好"))
        elif self.mode.isdigit():
            code = "insufficient_quota" if self.mode == "429" else "some_code"
            body = json.dumps({"error": {"code": code, "message": f"your key sk-secret and prompt {name}"}}).encode()
            return "refused", answer(int(self.mode), body)
        return "good", good


async def main(mode: str, log: Path) -> None:
    server = await asyncio.start_server(Rogue(mode, log).serve, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
