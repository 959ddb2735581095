"""A chat endpoint that costs next to nothing: one prepared reply after a fixed latency, on a loopback port.

`python benchmarks/loopback_server.py LATENCY [SHORT_EVERY]` prints its port and serves until it is told to end. With
SHORT_EVERY, every so many replies are a dialogue of too few turns, so that a run has rejected rows too. `GET /arrivals`
says how many requests came, and when the first since the last such question did (`time.monotonic()`, which all
processes of a machine share). It keeps nothing of a request, so its memory does not grow.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson

_EXCHANGE = (
    "求助者：我最近总是睡不好，一躺下就开始想工作上的事，越想越清醒，这是第{n}个晚上了。\n"
    "支持者：听起来这些念头到了夜里格外吵。第{n}个晚上还在撑着，确实很累，能说说最常冒出来的是哪一件事吗？\n"
)
_TURNS = 11  # about the 926 characters of SMILE's Table 3
_FEW_TURNS = 3  # the rules of every template that asks for turns want more


def _answer(turns: int) -> bytes:
    """A whole HTTP answer with a dialogue of so many turns."""
    text = "".join(_EXCHANGE.format(n=n) for n in range(1, turns + 1))
    return _http(
        {
            "id": "chatcmpl-loopback",
            "object": "chat.completion",
            "created": 0,
            "model": "loopback",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}},
            ],
            "usage": {"prompt_tokens": 900, "completion_tokens": 900, "total_tokens": 1800},
        }
    )


def _http(content: object) -> bytes:
    body = orjson.dumps(content)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class _Counts:
    """What came so far; one for all connections."""

    def __init__(self, short_every: int) -> None:
        self._whole, self._short = _answer(_TURNS), _answer(_FEW_TURNS)
        self._short_every = short_every
        self._requests = 0
        self._first: float | None = None

    def answer(self) -> bytes:
        """Count a request that has arrived, and give what it gets."""
        if self._first is None:
            self._first = time.monotonic()
        self._requests += 1
        short = self._short_every and self._requests % self._short_every == 0
        return self._short if short else self._whole

    def told(self) -> bytes:
        said = _http({"requests": self._requests, "first": self._first})
        self._first = None
        return said


class _Connection(asyncio.Protocol):
    """Just enough HTTP: finds where a request ends, and answers."""

    def __init__(self, latency: float, counts: _Counts) -> None:
        self._latency = latency
        self._counts = counts
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
            if head.startswith(b"get /arrivals "):
                self._transport.write(self._counts.told())
                continue
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, self._counts.answer())


async def _main(latency: float, short_every: int) -> None:
    loop = asyncio.get_running_loop()
    counts = _Counts(short_every)
    server = await loop.create_server(lambda: _Connection(latency, counts), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
