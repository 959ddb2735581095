"""Connections of the endpoint that hang, break, are refused, or are more than were asked for."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from expander.endpoint import Reply, Request
from expander.errors import Action, EndpointError
from expander.openai_endpoint import OpenAIEndpoint
from tests.expander.misspeaking_server import (
    GATEWAY,
    GOOD,
    KEY,
    PROMPT,
    Behaviour,
    Server,
    answering,
    composed,
    environment,
    failure,
    writing,
)

__all__ = ["environment"]  # a fixture that every test here gets


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(writing(then="hang"), id="before the headers"),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\nContent-Le", then="hang"), id="amid the headers"),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", then="hang"), id="before the body"),
        pytest.param(
            writing(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b" "] * 100, pause=0.03), id="trickling body"
        ),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * 100, pause=0.03), id="trickling headers"),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\n\r\n", *[b" "] * 100, pause=0.03), id="trickle without length"),
    ],
)
def test_an_attempt_has_no_end(behaviour: Behaviour) -> None:
    found = failure(behaviour, timeout=0.4)
    assert (found.kind, found.action) == ("timeout", Action.RETRY)
    assert "0.4 s" in found.detail


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(writing(), id="closed before the headers"),
        pytest.param(writing(then="reset"), id="reset before the headers"),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), id="closed amid the body"),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", then="reset"), id="reset in the body"),
        pytest.param(
            writing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"), id="closed amid a chunk"
        ),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), id="no chunk"),
        pytest.param(writing(b"SSH-2.0-OpenSSH_9.6\r\n"), id="another protocol"),
        pytest.param(writing(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000), id="endless header"),
        pytest.param(answering(b"no gzip at all", Content_Encoding="gzip"), id="not compressed after all"),
    ],
)
def test_a_broken_connection_ends_a_row(behaviour: Behaviour) -> None:
    found = failure(behaviour)
    assert (found.kind, found.action) == ("connection", Action.RETRY)


def test_a_refused_connection_ends_a_row() -> None:
    async def ask() -> None:
        async with Server(answering(GOOD)).serving() as url:
            pass
        async with OpenAIEndpoint(composed(url), connections=1, attempt_timeout=5) as endpoint:
            await endpoint.complete(Request("x", None))

    with pytest.raises(EndpointError) as caught:
        asyncio.run(ask())
    assert (caught.value.kind, caught.value.action) == ("connection", Action.RETRY)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", "auth"),
        ("302 Found", "redirect"),
        ("429 Too Many", "rate-limited"),
        ("500 X", "server-error"),
    ],
)
def test_a_refusal_tells_the_key_or_is_followed(status: str, kind: str) -> None:
    body = orjson.dumps({"error": {"code": KEY, "message": f"{KEY} {GATEWAY} {PROMPT}"}})
    found = failure(answering(body, status, Retry_After="3", Location="/elsewhere"))
    assert (found.kind, found.detail) == (kind, f"HTTP {status[:3]}")
    assert found.after == (3.0 if found.action is Action.RETRY else None)


@pytest.mark.parametrize("connections", [1, 3])
def test_more_connections_are_open_than_configured(connections: int) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await answering(GOOD)(reader, writer)

    server = Server(slowly)

    async def ask() -> None:
        async with (
            server.serving() as url,
            OpenAIEndpoint(composed(url), connections=connections, attempt_timeout=5) as endpoint,
        ):
            await asyncio.gather(*(endpoint.complete(Request("x", None)) for _ in range(12)))

    asyncio.run(ask())
    assert len(server.requests) == 12
    assert server.most_open == server.connections == connections  # and each is used again


def test_a_timeout_leaves_its_connection_to_the_next_request() -> None:
    seen = 0

    async def first_hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            await asyncio.sleep(0.4)
        await answering(GOOD.replace(b"served", b"first!" if seen == 1 else b"second"))(reader, writer)

    async def ask() -> Reply:
        async with (
            Server(first_hangs).serving() as url,
            OpenAIEndpoint(composed(url), connections=1, attempt_timeout=0.2) as endpoint,
        ):
            with pytest.raises(EndpointError):
                await endpoint.complete(Request("x", None))
            return await endpoint.complete(Request("x", None))

    assert asyncio.run(ask()).content.model == "second"
