"""Answers that were paid for: none goes to another row, none is thrown away, and budgets count them all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from expander.endpoint import Request, read_reply
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.settings import EndpointSettings, SamplingSettings
from tests.expander.plain_server import answering, completion, dialogue_of, response
from tests.expander.running import accounted, query, run, write_posts


def test_what_came_over_an_idle_connection_answers_the_next_request() -> None:
    async def two(url: str) -> list[str | None]:
        composed = compose(
            base_url=url, model="m", endpoint=EndpointSettings(), sampling=SamplingSettings(), system=None
        )
        async with OpenAIEndpoint(composed, connections=1, attempt_timeout=10) as endpoint:
            first = await endpoint.complete(Request("one", None))
            await asyncio.sleep(0.3)
            second = await endpoint.complete(Request("two", None))
        return [first.content.text, second.content.text]

    with answering(lambda number: [completion(f"{number}"), 0.05, completion("stray")]) as (url, _):
        assert asyncio.run(two(url)) == ["0", "1"]


@pytest.mark.parametrize(
    "usage",
    [{}, {"usage": {"prompt_tokens": 100}}, {"usage": {"prompt_tokens": None, "completion_tokens": -1}}],
    ids=["none", "half", "nonsense"],
)
@pytest.mark.parametrize(
    "budget",
    [("--max-total-tokens", 1500), ("--max-cost", 0.0015, "--price-in", 1, "--price-out", 1)],
    ids=["tokens", "cost"],
)
def test_a_budget_is_blind_to_what_the_endpoint_does_not_count(
    tmp_path: Path, usage: dict[str, object], budget: tuple[object, ...]
) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 60), tmp_path / "run"
    with answering(lambda number: [0.02, completion(dialogue_of(number), **usage)]) as (url, met):
        options = ("--base-url", url, "--model", "m", "--concurrency", 2, "--out", out, *budget)
        first = run("expand", posts, *options, cwd=tmp_path)
        assert first.returncode == 4, first.stderr
        assert "about " in first.stderr
        assert 2 <= len(met) <= 8  # a prompt and a reply are some 800 tokens, and two may be in flight
        assert f"{len(met)} replies that the endpoint did not count" in first.stdout
        asked = len(met)
        again = run("expand", posts, *options, cwd=tmp_path)
        assert again.returncode == 4
        assert len(met) - asked <= 2  # what an earlier session used counts


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"message":{"content":"\\ud83d hello"}}]}',
        b'{"choices":[{"message":{"content":"hello","n":' + b"9" * 5000 + b"}}]}",
        b'{"choices":[{"message":{"content":"hello"},"score":NaN}]}',
        b'\xef\xbb\xbf{"choices":[{"message":{"content":"hello"}}]}',
    ],
    ids=["half a pair", "a long number", "NaN", "a byte-order mark"],
)
def test_what_is_nearly_json_is_thrown_away(body: bytes) -> None:
    text = read_reply(body).text
    assert text is not None
    assert text.endswith("hello")
    text.encode("utf-8")


def test_a_completion_with_another_status_is_asked_for_again(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 3), tmp_path / "run"

    def answer(number: int) -> list[bytes | float]:
        return [completion(dialogue_of(number)).replace(b"200 OK", b"201 Created")]

    with answering(answer) as (url, met):
        done = run("expand", posts, "--base-url", url, "--model", "m", "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(met) == 3
    assert len(accounted(out, 3)[0]) == 3
    assert query(out, "SELECT count(*) FROM reply") == [(3,)]


def test_no_content_is_taken_for_a_reply(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 2), tmp_path / "run"
    with answering(lambda _: [response(b"", "204 No Content")]) as (url, _):
        done = run("expand", posts, "--base-url", url, "--model", "m", "--out", out, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert query(out, "SELECT count(*) FROM reply") == [(0,)]
