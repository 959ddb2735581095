"""What the endpoint makes of bodies: whole, broken, odd, compressed and endless ones."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import random
from collections.abc import Awaitable
from types import FrameType

import orjson
import pytest

from expander import openai_endpoint
from expander.endpoint import Request, read_reply
from expander.errors import Action, EndpointError
from expander.openai_endpoint import OpenAIEndpoint
from expander.retry import RetryPolicy, retrying
from tests.expander.misspeaking_server import (
    CHOICE,
    COMPLETION,
    GOOD,
    PROMPT,
    Behaviour,
    Server,
    answering,
    asked,
    composed,
    environment,
    failure,
    writing,
)

__all__ = ["environment"]  # a fixture that every test here gets


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<!DOCTYPE html><html><body>Welcome</body></html>", id="html"),
        pytest.param(GOOD[:-20], id="cut"),
        pytest.param(GOOD.replace("你".encode(), b"\xff\xfe"), id="no utf-8"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no choices"),
        pytest.param(b'{"choices": []}', id="empty choices"),
        pytest.param(b'{"choices": {"0": {}}}', id="choices by key"),
        pytest.param(b'{"choices": [null]}', id="null choice"),
        pytest.param(b'{"error": {"message": "overloaded"}}', id="error in a 200"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'data: {"choices": []}\n\n', id="stream"),
    ],
)
def test_a_body_that_is_no_completion_is_taken_for_one(body: bytes) -> None:
    with pytest.raises(EndpointError) as caught:
        read_reply(body)
    assert (caught.value.kind, caught.value.action) == ("broken-reply", Action.RETRY)
    assert failure(answering(body)).kind == "broken-reply"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param({"content": "好"}, "好", id="text"),
        pytest.param({"content": ""}, "", id="empty"),
        pytest.param({"content": None}, None, id="null"),
        pytest.param({}, None, id="absent"),
        pytest.param(None, None, id="null message"),
        pytest.param({"content": 3}, None, id="number"),
        pytest.param(
            {"content": [{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]}, "你好", id="two parts"
        ),
        pytest.param({"content": [{"type": "image_url"}, {"type": "text", "text": "好"}]}, "好", id="other part"),
        pytest.param({"content": [{"type": "text", "text": None}, "x", 3, None]}, "", id="parts without text"),
    ],
)
def test_an_odd_message_is_misread_or_no_reply(message: object, text: str | None) -> None:
    assert read_reply(orjson.dumps({**COMPLETION, "choices": [{**CHOICE, "message": message}]})).text == text


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param({"prompt_tokens": "7", "completion_tokens": 5.0}, id="text and fraction"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": True}, id="negative and true"),
        pytest.param({"prompt_tokens": 2**63, "completion_tokens": 2**64 - 1}, id="more than the store takes"),
        pytest.param({"prompt_tokens": [7], "completion_tokens": None}, id="list and null"),
    ],
)
def test_odd_usage_spoils_the_reply_or_is_believed(usage: object) -> None:
    content = read_reply(orjson.dumps({**COMPLETION, "usage": usage}))
    assert (content.text, content.prompt_tokens, content.completion_tokens) == ("求助者: 你好", None, None)


def test_odd_names_spoil_the_reply() -> None:
    body = {"choices": [{"message": {"content": "好"}, "finish_reason": 1}], "model": ["m"]}
    assert read_reply(orjson.dumps(body)) == ("好", None, None, None, None)


def test_a_reply_is_read_otherwise_than_stored() -> None:
    reply, _ = asked(answering(GOOD))
    assert reply.body == GOOD
    assert reply.content == read_reply(GOOD) == ("求助者: 你好", "stop", "served", 7, 5)
    assert 0 < reply.seconds < 5


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "text/plain; charset=latin-1", ""])
def test_good_json_under_a_wrong_content_type_is_dropped(kind: str) -> None:
    assert asked(answering(GOOD, Content_Type=kind))[0].content.text == "求助者: 你好"


def test_a_compressed_body_is_not_unpacked() -> None:
    reply, server = asked(answering(gzip.compress(GOOD), Content_Encoding="gzip"))
    assert reply.body == GOOD
    assert "gzip" in server.requests[0][1]["accept-encoding"]


def test_a_chunked_body_is_not_joined() -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (GOOD[:50], GOOD[50:], b""))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert asked(writing(head, chunks, then="hang"))[0].body == GOOD


def test_a_body_without_length_is_not_read_to_its_end() -> None:
    assert asked(writing(b"HTTP/1.1 200 OK\r\n\r\n", GOOD[:9], GOOD[9:]))[0].body == GOOD


def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
    async def write() -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    return write()


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(answering(b" " * 2**21), id="length given"),
        pytest.param(answering(gzip.compress(b" " * 2**24), Content_Encoding="gzip"), id="compressed"),
        pytest.param(endless, id="endless"),
    ],
)
def test_a_huge_body_fills_the_memory(behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_endpoint, "_LARGE", 2**19)
    monkeypatch.setattr(openai_endpoint, "_BODY_LIMIT", 2**20)
    found = failure(behaviour)
    assert (found.kind, found.action) == ("broken-reply", Action.RETRY)
    assert "1048576 bytes" in found.detail


def test_a_row_that_failed_leaves_the_body_it_could_not_use() -> None:
    """Up to 16 MiB each, in frames that hold one another until the collector comes: 70 rows held 1.3 GB."""
    server = Server(endless)
    policy = RetryPolicy(max_attempts=2, max_wait=60, chance=random.Random(0))

    async def rest(_: float) -> None:
        return

    async def ask() -> None:
        async with (
            server.serving() as url,
            OpenAIEndpoint(composed(url), connections=2, attempt_timeout=20) as endpoint,
        ):
            with contextlib.suppress(EndpointError):
                await retrying(lambda: endpoint.complete(Request(PROMPT, None)), policy, rest)

    gc.collect()
    before = [each for each in gc.get_objects() if isinstance(each, FrameType)]  # of other tests
    gc.disable()
    try:
        asyncio.run(ask())
        frames = [each for each in gc.get_objects() if isinstance(each, FrameType) and each not in before]
    finally:
        gc.enable()
    assert len(server.requests) == policy.max_attempts
    assert not [frame for frame in frames if frame.f_code is OpenAIEndpoint._read.__code__]
