"""The endpoint against a server that misbehaves byte by byte, and what it sends to one that does not."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import FrameType
from typing import Any, TypeVar

import orjson
import pytest

from expander import openai_endpoint
from expander.endpoint import Reply, Request, read_reply
from expander.errors import Action, EndpointError, UsageError
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.retry import RetryPolicy, retrying
from expander.settings import EndpointSettings, SamplingSettings

T = TypeVar("T")
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


# Bodies


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


# Connections


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


# What is sent


def sent(request: Request = Request(PROMPT, None), **settings: Any) -> tuple[dict[str, Any], dict[str, str]]:  # noqa: B008
    _, server = asked(answering(GOOD), request, **settings)
    [(first, headers, body)] = server.requests
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert headers["content-type"] == "application/json"
    document: dict[str, Any] = orjson.loads(body)
    return document, headers


def test_a_plain_request_holds_something_else() -> None:
    document, headers = sent()
    assert document == {
        "model": "a/model",
        "messages": [{"role": "user", "content": PROMPT}],
        "temperature": 1.0,
        "top_p": 1.0,
    }
    assert headers["authorization"] == f"Bearer {KEY}"


def test_an_option_is_not_sent_as_asked() -> None:
    document, _ = sent(
        Request("问", 12345),
        system="系统",
        sampling={"temperature": 0.0, "top_p": 0.5, "max_tokens": 9, "stop": ("完", "。")},
        extra_body='{"top_k": 20, "chat_template_kwargs": {"enable_thinking": false}}',
    )
    assert document == {
        "model": "a/model",
        "messages": [{"role": "system", "content": "系统"}, {"role": "user", "content": "问"}],
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 9,
        "stop": ["完", "。"],
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": False},
        "seed": 12345,
    }


def test_a_header_is_not_sent_as_asked() -> None:
    _, headers = sent(header=("X-Team=research=1", "X-Gateway=env:TEST_SECRET", "User-Agent=mine"))
    assert (headers["x-team"], headers["x-gateway"], headers["user-agent"]) == ("research=1", GATEWAY, "mine")


@pytest.mark.parametrize(("value", "bearer"), [(f" {KEY}\r\n", KEY), ("", "EMPTY"), (None, "EMPTY")])
def test_a_key_is_sent_with_its_line_end_or_from_elsewhere(
    value: str | None, bearer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    if value is None:
        monkeypatch.delenv("TEST_KEY")
    else:
        monkeypatch.setenv("TEST_KEY", value)
    assert sent()[1]["authorization"] == f"Bearer {bearer}"


@pytest.mark.parametrize("key", ["sk-密钥", "sk-a\nb", "sk-a\x07b"])
def test_a_key_that_no_header_takes_is_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    with pytest.raises(UsageError) as caught:
        composed("http://127.0.0.1:1/v1")
    assert "$TEST_KEY" in str(caught.value)
    assert "sk-" not in "".join(traceback.format_exception(caught.value))


def test_half_a_surrogate_pair_ends_the_run() -> None:
    found = failure(answering(GOOD), request=Request("睡不着\ud83d", None))
    assert (found.kind, found.action) == ("unsendable", Action.FAIL_ROW)


@pytest.mark.parametrize("url", ["http://h\x07/v1", "http://h/v1\x7f"])
def test_an_impossible_url_is_a_bug(url: str) -> None:
    with pytest.raises(UsageError):
        composed(url)


def through_a_proxy(url: str | None, exempt: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Server, Server, str]:
    """A proxy and a server with what they were asked, and how it ended; `url` None is the server's own."""
    proxy, server, ended = Server(answering(GOOD)), Server(answering(GOOD)), "answered"

    async def ask() -> None:
        nonlocal ended
        async with server.serving() as own, proxy.serving() as through:
            monkeypatch.setenv("HTTP_PROXY", through.replace("http://", "http://user:pass@").removesuffix("/v1"))
            monkeypatch.setenv("NO_PROXY", exempt)
            async with OpenAIEndpoint(composed(url or own), connections=1, attempt_timeout=5) as endpoint:
                try:
                    await endpoint.complete(Request("x", None))
                except EndpointError as error:
                    ended = error.kind

    asyncio.run(ask())
    return proxy, server, ended


def test_the_environments_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, _, ended = through_a_proxy("http://models.invalid:8000/v1", "", monkeypatch)
    assert ended == "answered"
    first, headers, _ = proxy.requests[0]
    assert first.startswith("POST http://models.invalid:8000/v1/")
    assert headers["proxy-authorization"].startswith("Basic ")


def test_a_host_that_needs_no_proxy_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, _, ended = through_a_proxy("http://models.invalid:8000/v1", "localhost, models.invalid", monkeypatch)
    assert (len(proxy.requests), ended) == (0, "connection")


def test_a_server_on_this_machine_is_looked_for_by_a_proxy_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server, ended = through_a_proxy(None, "", monkeypatch)
    assert (len(proxy.requests), len(server.requests), ended) == (0, 1, "answered")


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
