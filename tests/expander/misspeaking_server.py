"""A server that misbehaves byte by byte, and requests to it through the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import orjson
import pytest

from expander.endpoint import Reply, Request
from expander.errors import EndpointError
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.settings import EndpointSettings, SamplingSettings

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a server does after it has read a request."""

KEY = "sk-Ab12Cd34Ef56Gh78"
GATEWAY = "gateway-s3cret"
PROMPT = "我的求助：“睡不着”\n{qa} \\ \x00 😀"
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "求助者: 你好"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
COMPLETION = {"id": "x", "object": "chat.completion", "model": "served", "choices": [CHOICE], "usage": USAGE}
GOOD = orjson.dumps(COMPLETION)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("TEST_SECRET", GATEWAY)


class Server:
    """A TCP server on loopback that speaks just enough HTTP to misspeak it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._start, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.ensure_future(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((first, headers, body))
                await self._behaviour(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


def answering(body: bytes, status: str = "200 OK", **headers: str) -> Behaviour:
    """Says so, whole and at once."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        named = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        writer.write(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)

    return answer


def writing(*pieces: bytes, pause: float = 0.0, then: str = "close") -> Behaviour:
    """Sends these bytes with pauses between them, and then hangs, closes or resets the connection."""

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if then == "hang":
            await asyncio.sleep(60)
        if then == "reset":
            writer.transport.abort()
        writer.close()

    return write


def composed(url: str, system: str | None = None, sampling: Mapping[str, Any] | None = None, **endpoint: Any) -> Any:
    settings = EndpointSettings(**{"base_url": (url,), "model": "a/model", "api_key_env": "TEST_KEY"} | endpoint)
    return compose(
        base_url=url,
        model="a/model",
        endpoint=settings,
        sampling=SamplingSettings(**(sampling or {})),
        system=system,
    )


def asked(
    behaviour: Behaviour,
    request: Request = Request(PROMPT, None),  # noqa: B008 - immutable
    *,
    timeout: float = 5.0,
    **settings: Any,
) -> tuple[Reply, Server]:
    """The reply to one request, and the server that gave it."""
    server = Server(behaviour)

    async def ask() -> Reply:
        async with (
            server.serving() as url,
            OpenAIEndpoint(composed(url, **settings), connections=2, attempt_timeout=timeout) as endpoint,
        ):
            return await endpoint.complete(request)

    return asyncio.run(asyncio.wait_for(ask(), 20)), server


def failure(behaviour: Behaviour, **options: Any) -> EndpointError:
    """How one request fails; it must not tell what was sent."""
    with pytest.raises(EndpointError) as caught:
        asked(behaviour, header=("X-Gateway=env:TEST_SECRET",), **options)
    told = "".join(traceback.format_exception(caught.value)) + caught.value.detail + caught.value.hint
    for secret in (KEY, GATEWAY, "睡不着"):
        assert secret not in told
    return caught.value
