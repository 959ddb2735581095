"""The offline endpoint over HTTP: what the openai client sends and reads, errors, rate limit, serving and closing."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import openai
import pytest

import prompts
from expander.offline import tokens
from expander.offline.app import OfflineSettings, make_app, serving
from expander.offline.limits import RateLimit
from prompts import Values

MODEL = "offline-extractive"
PROMPT = prompts.load("smile").render(
    Values(
        question="一上台就紧张，怎么办？我下周要做汇报，想到就手心出汗。",
        answer="你好，我能感受到你的紧张。很多人上台前都会这样，这很正常。你可以先对着镜子练几遍，再请朋友来听。"
        "上台前做几次深呼吸，把注意力放在要讲的内容上。即使讲错一句，也没有人会一直记得。祝你顺利！",
    )
)
T = TypeVar("T")


def asked(client: Callable[[openai.AsyncOpenAI], Awaitable[T]], **settings: Any) -> T:
    """What the plain openai client gets from a fresh server."""

    async def ask() -> T:
        async with (
            serving(OfflineSettings(**settings)) as url,
            openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as speaking,
        ):
            return await client(speaking)

    return asyncio.run(ask())


async def chat(client: openai.AsyncOpenAI, **options: Any) -> Any:
    return await client.chat.completions.create(
        **{"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], **options}
    )


def posted(body: bytes, path: str = "/chat/completions", method: str = "POST", **settings: Any) -> tuple[int, Any]:
    """Status and JSON of one raw request."""

    async def post() -> tuple[int, Any]:
        async with serving(OfflineSettings(**settings)) as url, aiohttp.ClientSession() as session:
            root = url.removesuffix("/v1")
            async with session.request(method, root + path, data=io.BytesIO(body)) as response:
                assert response.content_type == "application/json"
                return response.status, await response.json()

    return asyncio.run(post())


def test_a_chat_reply_has_the_published_shape_and_names_no_model_but_the_rewriter() -> None:
    reply = asked(lambda client: chat(client, model="gpt-x"), aliases=("gpt-x",))
    assert reply.model == MODEL
    assert reply.object == "chat.completion"
    assert reply.system_fingerprint.startswith(MODEL)
    [choice] = reply.choices
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert choice.message.content.startswith("求助者: 一上台就紧张，怎么办？")
    assert reply.usage.prompt_tokens == tokens.count(PROMPT)
    assert reply.usage.completion_tokens == tokens.count(choice.message.content)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_n_choices_differ_and_follow_the_seed() -> None:
    async def twice(client: openai.AsyncOpenAI) -> Any:
        return [await chat(client, n=4, seed=3), await chat(client, n=4, seed=3), await chat(client, n=4, seed=100)]

    one, same, other = ([choice.message.content for choice in reply.choices] for reply in asked(twice))
    assert one == same
    assert one != other
    assert len(set(one)) == 4


def test_temperature_zero_repeats_and_no_seed_varies() -> None:
    async def texts(client: openai.AsyncOpenAI) -> Any:
        cold = {(await chat(client, temperature=0)).choices[0].message.content for _ in range(4)}
        warm = {(await chat(client, temperature=0.7)).choices[0].message.content for _ in range(8)}
        return cold, warm

    cold, warm = asked(texts)
    assert len(cold) == 1
    assert len(warm) > 1


def test_stop_and_max_tokens_cut_the_text() -> None:
    async def texts(client: openai.AsyncOpenAI) -> Any:
        stopped = await chat(client, stop=["支持者"], seed=1)
        cut = await chat(client, max_tokens=40, seed=1)
        newer = await chat(client, max_completion_tokens=40, seed=1)
        return stopped.choices[0], cut, newer.choices[0]

    stopped, cut, newer = asked(texts)
    assert stopped.finish_reason == "stop"
    assert "支持者" not in stopped.message.content
    assert cut.choices[0].finish_reason == newer.finish_reason == "length"
    assert cut.usage.completion_tokens == 40
    assert newer.message.content == cut.choices[0].message.content


def test_a_stream_carries_the_same_text_and_the_usage() -> None:
    async def both(client: openai.AsyncOpenAI) -> Any:
        whole = await chat(client, seed=1, n=2)
        stream = await chat(client, seed=1, n=2, stream=True, stream_options={"include_usage": True})
        texts, finishes, used = {0: "", 1: ""}, {}, None
        async for event in stream:
            used = event.usage or used
            for choice in event.choices:
                texts[choice.index] += choice.delta.content or ""
                finishes[choice.index] = choice.finish_reason
        return whole, texts, finishes, used

    whole, texts, finishes, used = asked(both)
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert finishes == {0: "stop", 1: "stop"}
    assert used.completion_tokens == whole.usage.completion_tokens


def test_messages_with_parts_and_a_system_message_are_one_prompt() -> None:
    before, after = PROMPT.split("Single-turn dialogue:")
    messages = [
        {"role": "system", "content": before},
        {"role": "user", "content": [{"type": "text", "text": f"Single-turn dialogue:{after}"}]},
    ]
    reply = asked(lambda client: chat(client, messages=messages))
    assert reply.choices[0].message.content.startswith("求助者: 一上台就紧张")


def test_models_are_listed() -> None:
    async def names(client: openai.AsyncOpenAI) -> list[str]:
        found = [model.id async for model in client.models.list()]
        return [*found, (await client.models.retrieve("other")).id]

    assert asked(names, aliases=("other",)) == [MODEL, "other", "other"]


@pytest.mark.parametrize("dimensions", [None, 64])
def test_embeddings_come_as_floats_and_as_base64(dimensions: int | None) -> None:
    texts = ["我最近睡不好", "今天天气很好", "我最近睡不好"]
    size: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}

    async def both(client: openai.AsyncOpenAI) -> Any:
        return [
            await client.embeddings.create(model=MODEL, input=texts, encoding_format="float", **size),
            await client.embeddings.create(model=MODEL, input=texts, encoding_format="base64", **size),
            await client.embeddings.create(model=MODEL, input=texts, **size),
        ]

    plain, encoded, default = asked(both, dimensions=256)
    assert plain.model == MODEL
    assert plain.usage.total_tokens == sum(map(tokens.count, texts))
    vectors = [entry.embedding for entry in plain.data]
    assert {len(vector) for vector in vectors} == {dimensions or 256}
    assert vectors[0] == vectors[2] != vectors[1]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-5)
    assert isinstance(encoded.data[0].embedding, str)
    assert default.data[1].embedding == pytest.approx(vectors[1])


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        pytest.param(b"{", 400, None, id="no-json"),
        pytest.param(b'{"model": "\xff"}', 400, None, id="no-utf8"),
        pytest.param(b"[]", 400, None, id="no-object"),
        pytest.param(b'{"messages": []}', 400, "model", id="no-model"),
        pytest.param(b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}', 404, "model", id="model"),
        pytest.param({}, 400, "messages", id="no-messages"),
        pytest.param({"messages": []}, 400, "messages", id="empty-messages"),
        pytest.param({"messages": ["x"]}, 400, "messages[0]", id="text-for-a-message"),
        pytest.param({"messages": [{"role": "user"}]}, 400, "messages[0].content", id="no-content"),
        pytest.param({"n": 0}, 400, "n", id="n-0"),
        pytest.param({"n": True}, 400, "n", id="n-true"),
        pytest.param({"n": 129}, 400, "n", id="n-129"),
        pytest.param({"max_tokens": 0}, 400, "max_tokens", id="max-tokens-0"),
        pytest.param({"temperature": 3}, 400, "temperature", id="temperature-3"),
        pytest.param({"seed": "1"}, 400, "seed", id="seed-text"),
        pytest.param({"stop": [1]}, 400, "stop", id="stop-number"),
        pytest.param({"stream": "yes"}, 400, "stream", id="stream-text"),
    ],
)
def test_a_bad_chat_request_is_refused_in_openais_shape(
    body: bytes | dict[str, Any], status: int, param: str | None
) -> None:
    if isinstance(body, dict):
        whole = (
            {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
            if "messages" not in body and body
            else {"model": MODEL}
        )
        body = json.dumps({**whole, **body}).encode()
    got, reply = posted(body)
    assert got == status
    assert set(reply["error"]) == {"message", "type", "param", "code"}
    assert reply["error"]["param"] == param
    assert reply["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("given", ["", [], [""], [1, 2], {"a": 1}, None])
def test_a_bad_embedding_input_is_refused(given: object) -> None:
    status, reply = posted(json.dumps({"model": MODEL, "input": given}).encode(), "/v1/embeddings")
    assert (status, reply["error"]["param"]) == (400, "input")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/v1/completions", 404),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/health", 200),
    ],
)
def test_every_route_answers_in_json(method: str, path: str, status: int) -> None:
    assert posted(b"", path, method)[0] == status


def test_an_unknown_model_is_the_clients_not_found_error() -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        asked(lambda client: chat(client, model="gpt-4o"))
    assert caught.value.code == "model_not_found"


def test_a_request_over_the_size_limit_is_refused() -> None:
    assert posted(b" " * (17 * 2**20))[0] == 413


def test_the_rate_limit_answers_429_with_each_form_in_turn() -> None:
    async def burst() -> list[Any]:
        seen = []
        async with serving(OfflineSettings(rate_limit=3)) as url, aiohttp.ClientSession() as session:
            for _ in range(6):
                body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    seen.append((response.status, response.headers))
        return seen

    seen = asyncio.run(burst())
    assert [status for status, _ in seen] == [200] * 3 + [429] * 3
    assert seen[3][1]["retry-after"] == "1"
    assert parsedate_to_datetime(seen[4][1]["retry-after"]).timestamp() >= time.time() - 1
    assert 0 < int(seen[5][1]["retry-after-ms"]) <= 1000


@pytest.mark.parametrize(("rate", "most"), [(30, 30), (2.5, 2), (0.5, 1)])
def test_no_window_lets_more_through_than_the_rate(rate: float, most: int) -> None:
    clock = 0.0
    limit = RateLimit(rate, now=lambda: clock)
    passed = []
    while clock < 10:
        wait = limit.wait()
        if wait == 0:
            passed.append(clock)
        clock += wait or 0.001
    assert all(later - first >= most / rate - 1e-6 for first, later in zip(passed, passed[most:], strict=False))
    assert len(passed) >= 0.95 * rate * 10


def test_latency_and_jitter_delay_the_reply() -> None:
    async def waits(client: openai.AsyncOpenAI) -> list[float]:
        took = []
        for content in ("x", "x", "y"):
            start = time.perf_counter()
            await chat(client, messages=[{"role": "user", "content": content}])
            took.append(time.perf_counter() - start)
        return took

    first, again, other = asked(waits, latency=0.1, jitter=0.3)
    assert min(first, again, other) >= 0.1
    assert abs(first - again) < 0.2
    assert max(first, other) < 2  # what it may take on a machine with other work


@pytest.mark.parametrize(
    "settings",
    [{"faults": ("500=2",)}, {"faults": ("nonsense",)}, {"faults": ("500=0.6", "429=0.6")}, {"rate_limit": 0}],
)
def test_senseless_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"share|Fault|rate"):
        make_app(OfflineSettings(**settings))


def test_closing_cuts_off_a_request_in_flight() -> None:
    async def close() -> float:
        async with aiohttp.ClientSession() as session:
            async with serving(OfflineSettings(latency=60)) as url:
                body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
                waiting = asyncio.ensure_future(session.post(f"{url}/chat/completions", json=body))
                await asyncio.sleep(0.1)
                start = time.perf_counter()
            took = time.perf_counter() - start
            with contextlib.suppress(aiohttp.ClientError):
                await waiting
            return took

    assert asyncio.run(close()) < 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_blocking_server_prints_its_address_and_stops_on_a_signal(number: signal.Signals) -> None:
    code = "from expander.offline.app import *; serve(OfflineSettings(), port=0)"
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"{MODEL} " in line
        assert "http://127.0.0.1:" in line
        process.send_signal(number)
        assert process.wait(timeout=5) == 0
        assert process.stdout.read() == ""


def test_a_port_in_use_is_an_error() -> None:
    async def twice() -> None:
        async with serving(OfflineSettings()) as url:
            port = int(url.split(":")[-1].split("/")[0])
            async with serving(OfflineSettings(), port=port):
                pass

    with pytest.raises(OSError, match="address already in use"):
        asyncio.run(twice())
