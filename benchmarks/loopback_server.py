"""A chat endpoint that costs next to nothing: one prepared reply after a fixed latency, on a loopback port.

`python benchmarks/loopback_server.py LATENCY` prints its port and serves until it is told to end.
"""

from __future__ import annotations

import asyncio
import sys

import orjson

_EXCHANGE = (
    "求助者：我最近总是睡不好，一躺下就开始想工作上的事，越想越清醒，这是第{n}个晚上了。\n"
    "支持者：听起来这些念头到了夜里格外吵。第{n}个晚上还在撑着，确实很累，能说说最常冒出来的是哪一件事吗？\n"
)
_TEXT = "".join(_EXCHANGE.format(n=n) for n in range(1, 12))  # 11 turns, about the 926 characters of SMILE's Table 3
_BODY = orjson.dumps(
    {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "created": 0,
        "model": "loopback",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _TEXT}},
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 900, "total_tokens": 1800},
    }
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class _Connection(asyncio.Protocol):
    """Just enough HTTP: finds where a request ends, and answers."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._held) < end + 4 + length:
                return
            self._held = self._held[end + 4 + length :]
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, _ANSWER)


async def _main(latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(latency), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1])))
