"""What an endpoint does with a constraint, against servers that obey, ignore, refuse and fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from expander.errors import UsageError
from expander.offline.app import OfflineSettings, serving
from expander.settings import EndpointSettings, SamplingSettings, StructuredSettings
from expander.structured.constraint import Constraint
from expander.structured.settling import settle
from filters.rules import RuleSet
from prompts import load

Answer = Callable[[dict[str, Any]], tuple[int, str | None, str]]
"""A request's body -> status, text, finish reason."""
KINDS = ("regex", "grammar", "json")


class Settled(NamedTuple):
    """What came of it: the constraint, the lines said, the bodies of the requests."""

    constraint: Constraint | None
    said: list[str]
    asked: list[dict[str, Any]]


def forced(body: dict[str, Any]) -> str:
    """What a server that obeys answers to the probe's rule, found in the rule itself; a dialogue's start for the run's."""
    rules = body.get("structured_outputs", {})
    if "regex" in rules:
        return rules["regex"] if rules["regex"].isdigit() else "求助者：我"
    if "grammar" in rules:
        return rules["grammar"].split('"')[1] if rules["grammar"].count("::=") == 1 else "求助者：我"
    schema = body["response_format"]["json_schema"]["schema"]
    key, value = next(iter(schema["properties"].items()))
    return json.dumps({key: value["enum"][0]}, indent=2) if "enum" in value else '{"dialogue'


def obeys(body: dict[str, Any]) -> tuple[int, str | None, str]:
    return 200, forced(body), "stop"


def ignores(_: dict[str, Any]) -> tuple[int, str | None, str]:
    return 200, "hello", "stop"


def refuses(body: dict[str, Any]) -> tuple[int, str | None, str]:
    return (400, None, "") if {"structured_outputs", "response_format"} & body.keys() else (200, "hello", "stop")


def refuses_the_runs_own(body: dict[str, Any]) -> tuple[int, str | None, str]:
    return (400, None, "") if "求助者" in json.dumps(body, ensure_ascii=False) else obeys(body)


def cut(body: dict[str, Any]) -> tuple[int, str | None, str]:
    return 200, forced(body)[:5], "length"


def thinks(_: dict[str, Any]) -> tuple[int, str | None, str]:
    return 200, None, "length"


def down(_: dict[str, Any]) -> tuple[int, str | None, str]:
    return 503, None, ""


def settled(
    answer: Answer, kind: Any, *, context: int | None = None, models: Any = None, sampling: Any = None, **options: Any
) -> Settled:
    said: list[str] = []
    asked: list[dict[str, Any]] = []

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body)
        status, text, finish = answer(body)
        if status != HTTPStatus.OK:
            return web.json_response({"error": {"message": "no, not 求助者", "code": 7}}, status=status)
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
        return web.json_response({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]})

    async def listed(_: web.Request) -> web.Response:
        entry = {"id": "a/model", "max_model_len": context}
        return web.json_response(models if models is not None else {"data": [{"id": "other"}, entry]})

    async def go() -> Constraint | None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        if context is not None or models is not None:
            app.router.add_get("/v1/models", listed)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            return await settle(
                StructuredSettings(structured=kind, **options),
                template=load("smile"),
                rules=RuleSet(),
                urls=(url,),
                model="a/model",
                endpoint=EndpointSettings(base_url=(url,), model="a/model"),
                sampling=sampling or SamplingSettings(),
                say=said.append,
            )
        finally:
            await runner.cleanup()

    return Settled(asyncio.run(asyncio.wait_for(go(), 30)), said, asked)


@pytest.mark.parametrize("answer", [obeys, cut], ids=["whole", "cut"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_that_obeys_is_not_believed(kind: Any, answer: Answer) -> None:
    constraint, said, asked = settled(answer, kind)
    assert constraint is not None
    assert constraint.kind == kind
    assert len(said) == 1
    assert "obeys" in said[0]
    # The small rule first, then the run's own; each in exactly one field, and no more tokens than a look takes.
    assert len(asked) == 2
    field = "response_format" if kind == "json" else "structured_outputs"
    assert asked[1][field] == constraint.body()[field]
    assert all(body["max_tokens"] <= 64 for body in asked)
    assert all(len({"structured_outputs", "response_format"} & body.keys()) == 1 for body in asked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("answer", "word"), [(ignores, "ignored"), (refuses, "refuses"), (refuses_the_runs_own, "refuses")]
)
def test_an_endpoint_that_does_not_obey_is_used_as_if_it_did(kind: Any, answer: Answer, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        settled(answer, kind)
    assert "--structured-fallback" in str(caught.value)
    assert "求助者" not in str(caught.value)
    constraint, said, _ = settled(answer, kind, structured_fallback=True)
    assert constraint is None
    assert len(said) == 1
    assert word in said[0]


@pytest.mark.parametrize("answer", [thinks, down], ids=["thinks", "down"])
def test_an_answer_that_shows_nothing_stops_the_run(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expander.structured.probe._PAUSE", 0.01)
    constraint, said, asked = settled(answer, "regex")
    assert constraint is not None
    assert "could not be seen" in said[0]
    assert len(asked) == (3 if answer is down else 1)


def test_without_a_constraint_anything_is_asked() -> None:
    assert settled(ignores, "off") == (None, [], [])


NO_LENGTHS: list[Any] = [
    [],
    {"data": None},
    {"data": [3]},
    {"data": [{"id": "a/model"}]},
    {"data": [{"id": "a/model", "max_model_len": "many"}]},
]


@pytest.mark.parametrize(
    ("options", "longest"),
    [
        ({}, None),
        ({"context": 32_768}, None),
        ({"context": 4096}, 100),
        ({"context": 3000}, 48),
        ({"context": 32_768, "sampling": SamplingSettings(max_tokens=1024)}, 54),
        ({"context": 4096, "structured_longest": 0}, None),
        *[({"models": models}, None) for models in NO_LENGTHS],
    ],
    ids=str,
)
def test_the_endpoints_context_is_overrun(options: dict[str, Any], longest: int | None) -> None:
    constraint = settled(obeys, "regex", **options).constraint
    assert constraint is not None
    if longest is None:
        assert constraint.bounds.longest is None
    else:
        assert constraint.bounds.longest is not None
        assert abs(constraint.bounds.longest - longest) <= 5
        assert constraint.tokens is not None
        assert constraint.tokens < options.get("context", 0)


def test_the_offline_endpoint_is_taken_for_one_that_obeys() -> None:
    async def go() -> None:
        async with serving(OfflineSettings(latency=0.0, rate_limit=None, faults=())) as url:
            await settle(
                StructuredSettings(structured="regex"),
                template=load("smile"),
                rules=RuleSet(),
                urls=(url,),
                model="offline-extractive",
                endpoint=EndpointSettings(),
                sampling=SamplingSettings(),
                say=print,
            )

    with pytest.raises(UsageError):
        asyncio.run(asyncio.wait_for(go(), 30))
