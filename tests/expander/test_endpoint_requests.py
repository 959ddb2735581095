"""What the endpoint sends: bodies, headers, keys, and by which proxy."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import orjson
import pytest

from expander.endpoint import Request
from expander.errors import Action, EndpointError, UsageError
from expander.openai_endpoint import OpenAIEndpoint
from tests.expander.misspeaking_server import (
    GATEWAY,
    GOOD,
    KEY,
    PROMPT,
    Server,
    answering,
    asked,
    composed,
    environment,
    failure,
)

__all__ = ["environment"]  # a fixture that every test here gets


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
