"""Faults on request: specs, shares, how often a prompt is hit, and what each kind looks like on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import zlib
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

import prompts
from expander.offline.app import OfflineSettings, serving
from expander.offline.faults import (
    BROKEN_CONNECTION,
    KINDS,
    RULES,
    TOO_LARGE,
    Fault,
    FaultPlan,
    assigned,
    parse_fault,
    parse_faults,
    prompt_key,
)
from expander.offline.reading import read_prompt
from expander.offline.rewriter import rewrite
from expander.offline.spoiling import SPOILERS
from prompts import Values

QUESTION = "总和室友吵架，怎么办？我们作息不同，她半夜打电话，我睡不着。我说过几次，她都不听。"
ANSWER = (
    "你好，被吵得睡不好，确实很难受。你愿意先去沟通，这很好。可以挑一个两人都平静的时候，说说你的感受。"
    "比如告诉她，你第二天要早起，希望十二点以后安静一些。也可以问问她有什么难处。若还是不行，可以请辅导员帮忙。愿你早日睡个好觉。"
)
PROMPT = prompts.load("smile").render(Values(question=QUESTION, answer=ANSWER))
BODY = {"model": "offline-extractive", "messages": [{"role": "user", "content": PROMPT}], "seed": 1}


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def choice(self) -> dict[str, Any]:
        [choice] = json.loads(self.body)["choices"]
        assert isinstance(choice, dict)
        return choice


async def post(session: aiohttp.ClientSession, url: str) -> Got:
    async with session.post(f"{url}/chat/completions", json=BODY) as response:
        return Got(
            response.status, {key.lower(): value for key, value in response.headers.items()}, await response.read()
        )


def met(spec: str, times: int = 1, **settings: Any) -> list[Got]:
    """Replies to the same request, sent in turn to a server with that fault for every prompt."""

    async def ask() -> list[Got]:
        async with serving(OfflineSettings(faults=(spec,), **settings)) as url, aiohttp.ClientSession() as session:
            return [await post(session, url) for _ in range(times)]

    return asyncio.run(ask())


async def raw(url: str, seconds: float) -> tuple[bytes, str]:
    """The bytes that arrive within that time on a plain socket, and how it ended: open, closed or reset."""
    port = int(url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(BODY).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    received = b""
    end = "open"
    try:
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65536):
                received += chunk
            end = "closed"
    except TimeoutError:
        pass
    except ConnectionResetError:
        end = "reset"
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return received, end


def on_the_socket(spec: str, seconds: float = 0.5) -> tuple[bytes, str]:
    async def ask() -> tuple[bytes, str]:
        async with serving(OfflineSettings(faults=(spec,))) as url:
            return await raw(url, seconds)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("429=0.2x2", Fault("429", 0.2, 2)),
        ("500=0.04xalways", Fault("500", 0.04, None)),
        ("truncated=.1", Fault("truncated", 0.1, 1)),
        ("rule-english=1", Fault("rule-english", 1.0, None)),
        ("rule-english=0.5x3", Fault("rule-english", 0.5, 3)),
        ("bad-utf8=0.1x10", Fault("bad-utf8", 0.1, 10)),
    ],
)
def test_a_spec_is_read(spec: str, fault: Fault) -> None:
    assert parse_fault(spec) == fault


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("", "KIND=SHARE"),
        ("500", "KIND=SHARE"),
        ("500=", "KIND=SHARE"),
        ("500=0.1x", "KIND=SHARE"),
        ("500=-0.1", "KIND=SHARE"),
        ("500=0", "above 0"),
        ("500=1.5", "at most 1"),
        ("500=0.1x0", "at least 1"),
        ("200=0.1", "no kind"),
        ("explode=0.1", "rule-no-label"),
    ],
)
def test_a_bad_spec_says_what_to_write(spec: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_fault(spec)


def test_shares_may_not_exceed_one() -> None:
    assert len(parse_faults(["500=0.5", "hang=0.5"])) == 2
    with pytest.raises(ValueError, match="add up"):
        parse_faults(["500=0.5", "hang=0.6"])


def test_shares_are_met_by_the_same_prompts_each_time() -> None:
    faults = parse_faults(["500=0.04xalways", "429=0.2x2", "truncated=0.1"])
    texts = [f"prompt {number}" for number in range(20_000)]
    first = [assigned(faults, 7, text) for text in texts]
    assert first == [assigned(faults, 7, text) for text in texts]
    assert first != [assigned(faults, 8, text) for text in texts]
    for fault in faults:
        assert first.count(fault) / len(texts) == pytest.approx(fault.share, rel=0.1)


def test_a_prompt_is_hit_as_often_as_told_and_then_heals() -> None:
    plan = FaultPlan(parse_faults(["429=1x2"]), 0)
    assert [plan.meet("a") is not None for _ in range(4)] == [True, True, False, False]
    assert plan.meet("b") is not None
    forever = FaultPlan(parse_faults(["500=1xalways"]), 0)
    assert all(forever.meet("a") for _ in range(10))


def test_every_rule_has_its_spoiler() -> None:
    assert set(SPOILERS) == RULES


@pytest.mark.parametrize("kind", [*sorted(KINDS - BROKEN_CONNECTION - TOO_LARGE - RULES), "429", "500"])
def test_a_sporadic_fault_heals_on_the_next_try(kind: str) -> None:
    first, second = met(f"{kind}=1", times=2)
    assert second.status == 200
    assert second.choice["message"]["content"] == rewrite(PROMPT, 1)
    assert first.body != second.body or first.headers["content-type"] != "application/json"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529])
def test_a_status_comes_with_an_error_in_openais_shape(status: int) -> None:
    [got] = met(f"{status}=1")
    assert got.status == status
    assert set(json.loads(got.body)["error"]) == {"message", "type", "param", "code"}


def test_429_says_when_to_come_back_in_three_forms() -> None:
    one, two, three = met("429=1xalways", times=3)
    [seconds], [date], [ms] = met("429-seconds=1"), met("429-date=1"), met("429-ms=1")
    for got in (one, seconds):
        assert got.headers["retry-after"] == "1"
    for got in (two, date):
        assert 0 <= parsedate_to_datetime(got.headers["retry-after"]).timestamp() - time.time() + 1 < 3.5
    for got in (three, ms):
        assert got.headers["retry-after-ms"] == "1000"
    [none] = met("429=1", retry_after="none")
    assert not {"retry-after", "retry-after-ms"} & set(none.headers)


@pytest.mark.parametrize(
    ("kind", "header"), [("none", None), ("negative", "-1"), ("garbage", "soon"), ("far", "1000000000")]
)
def test_429_says_something_useful(kind: str, header: str | None) -> None:
    [got] = met(f"429-{kind}=1")
    assert got.status == 429
    assert got.headers.get("retry-after") == header
    assert "retry-after-ms" not in got.headers


def test_429_names_a_date_to_come() -> None:
    [got] = met("429-past=1")
    assert parsedate_to_datetime(got.headers["retry-after"]).timestamp() < time.time() - 3000


def test_a_fault_asks_for_another_wait_than_the_settings() -> None:
    [seconds], [ms] = met("429-seconds=1", refusal_wait=7), met("429-ms=1", refusal_wait=0.25)
    assert seconds.headers["retry-after"] == "7"
    assert ms.headers["retry-after-ms"] == "250"


def test_quota_is_a_429_that_no_wait_heals() -> None:
    [got] = met("quota=1")
    assert got.status == 429
    assert json.loads(got.body)["error"]["code"] == "insufficient_quota"
    assert "retry-after" not in got.headers


def test_truncated_is_whole_for_http_and_broken_for_json() -> None:
    [got] = met("truncated=1")
    assert got.status == 200
    assert int(got.headers["content-length"]) == len(got.body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(got.body)


def test_bad_utf8_is_not_decodable() -> None:
    [got] = met("bad-utf8=1")
    with pytest.raises(UnicodeDecodeError):
        got.body.decode()
    json.loads(got.body.decode("utf-8", "replace"))


def test_html_comes_with_status_200() -> None:
    [got] = met("html=1")
    assert (got.status, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert got.body.startswith(b"<!DOCTYPE html>")


def test_content_type_is_wrong_over_a_sound_body() -> None:
    [got] = met("content-type=1")
    assert got.headers["content-type"].startswith("text/plain")
    assert got.choice["message"]["content"] == rewrite(PROMPT, 1)


@pytest.mark.parametrize(
    ("kind", "content", "finish"),
    [("empty", "", "stop"), ("null", None, "stop")],
)
def test_content_is_missing(kind: str, content: str | None, finish: str) -> None:
    [got] = met(f"{kind}=1")
    assert (got.choice["message"]["content"], got.choice["finish_reason"]) == (content, finish)


@pytest.mark.parametrize("kind", ["length", "content_filter"])
def test_content_is_cut_with_its_reason(kind: str) -> None:
    [got] = met(f"{kind}=1")
    content = got.choice["message"]["content"]
    assert got.choice["finish_reason"] == kind
    assert rewrite(PROMPT, 1).startswith(content)
    assert 0 < len(content) < len(rewrite(PROMPT, 1))


def test_no_choices_is_an_empty_list() -> None:
    [got] = met("no-choices=1")
    assert json.loads(got.body)["choices"] == []


def test_huge_is_five_megabytes() -> None:
    [got] = met("huge=1")
    assert 5_000_000 < len(got.body) < 6_000_000


def test_reset_comes_in_mid_body() -> None:
    received, end = on_the_socket("reset=1")
    head, _, body = received.partition(b"\r\n\r\n")
    assert end == "reset"
    promised = re.search(rb"Content-Length: (\d+)", head)
    assert promised is not None
    assert 0 < len(body) < int(promised.group(1))


def test_drop_sends_something() -> None:
    assert on_the_socket("drop=1") == (b"", "reset")


def test_oversized_is_not_a_sound_reply_of_eighty_megabytes() -> None:
    [got] = met("oversized=1")
    assert len(got.body) > 80 * 2**20
    assert got.choice["message"]["content"] == rewrite(PROMPT, 1)


def test_a_bomb_is_large_on_the_way_or_small_on_arrival() -> None:
    """Read as it comes, it is small; unpacked to its end, it is one sound reply after 256 MiB of white space."""

    async def ask() -> Got:
        settings = OfflineSettings(faults=("gzip-bomb=1",))
        async with serving(settings) as url, aiohttp.ClientSession(auto_decompress=False) as session:
            return await post(session, url)

    got = asyncio.run(ask())
    assert got.headers["content-encoding"] == "gzip"
    packed = got.body
    assert len(packed) < 2**19
    reader, size, last = zlib.decompressobj(31), 0, b""
    while packed:
        last = (last + reader.decompress(packed, 2**20))[-(2**20) :]
        size += 2**20
        packed = reader.unconsumed_tail
    assert reader.eof  # the checksum was right
    assert 256 * 2**20 <= size <= 260 * 2**20
    assert json.loads(last)["choices"][0]["message"]["content"] == rewrite(PROMPT, 1)


def test_hang_sends_nothing() -> None:
    assert on_the_socket("hang=1") == (b"", "open")


def test_hang_body_sends_headers_only() -> None:
    received, end = on_the_socket("hang-body=1")
    assert end == "open"
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")
    assert b"Content-Length: " in received


def test_trickle_drips() -> None:
    received, end = on_the_socket("trickle=1", seconds=1.0)
    assert end == "open"
    drops = received.partition(b"\r\n\r\n")[2]
    assert 3 <= drops.count(b"\r\n1\r\n") + drops.startswith(b"1\r\n") <= 8


def test_a_server_with_hung_requests_closes_at_once() -> None:
    async def hang() -> float:
        async with serving(OfflineSettings(faults=("hang=1xalways",))) as url:
            waiting = [asyncio.create_task(raw(url, 5)) for _ in range(20)]
            await asyncio.sleep(0.2)
            start = time.perf_counter()
        took = time.perf_counter() - start
        assert [await task for task in waiting] == [(b"", "closed")] * 20
        return took

    assert asyncio.run(hang()) < 2


def test_the_record_misses_a_request_or_quotes_a_prompt(tmp_path: Path) -> None:
    served = tmp_path / "served.jsonl"
    met("500=1x2", times=3, served=served)
    met("500=1", times=2, served=served, rate_limit=1)
    lines = [json.loads(line) for line in served.read_text().splitlines()]
    key = prompt_key(PROMPT).hex()
    assert [(line["prompt"], line["met"]) for line in lines] == [
        *((key, met) for met in ("500", "500", None)),
        (key, "500"),
        (None, "rate-limit"),
    ]
    times = [line["at"] for line in lines[:3]]
    assert times == sorted(times)
    assert "室友" not in served.read_text()


def test_a_record_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        met("500=1", served=tmp_path / "nowhere" / "served.jsonl")


def test_faults_of_the_wire_hit_embeddings_and_those_of_content_pass() -> None:
    async def status(spec: str) -> int:
        async with serving(OfflineSettings(faults=(spec,))) as url, aiohttp.ClientSession() as session:
            body = {"model": "offline-extractive", "input": "x"}
            async with session.post(f"{url}/embeddings", json=body) as response:
                await response.read()
                return response.status

    assert asyncio.run(status("503=1")) == 503
    assert asyncio.run(status("rule-english=1")) == 200


@pytest.mark.parametrize("template", ["smile", "empathy", "standard"])
@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_rule_is_broken_always_and_only_so(kind: str, template: str) -> None:
    text = prompts.load(template).render(Values(question=QUESTION, answer=ANSWER))
    reading = read_prompt(text)
    labels = (reading.client, reading.counselor)

    async def ask() -> list[str]:
        async with serving(OfflineSettings(faults=(f"{kind}=1",))) as url, aiohttp.ClientSession() as session:
            body = {**BODY, "messages": [{"role": "user", "content": text}]}
            replies = []
            for _ in range(2):
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    replies.append((await response.json())["choices"][0]["message"]["content"])
            return replies

    reply, again = asyncio.run(ask())
    sound = rewrite(text, 1)
    assert reply == again
    if kind == "rule-copied" and template == "standard":
        assert reply == sound
        return
    assert reply != sound
    lines = reply.split("\n")
    said = [line for line in lines if line.startswith(labels)]
    turns = len([line for line in sound.split("\n") if line.startswith(labels)]) // 2
    match kind:
        case "rule-no-label":
            assert len(said) == 2 * turns - 1
        case "rule-one-line":
            assert len(lines) == 1
        case "rule-english":
            assert re.search(r"[A-Za-z ]+\.$", lines[-1])
        case "rule-few-turns":
            assert len(said) == 6
        case "rule-markdown":
            assert sum(line.startswith("**") for line in lines) == 2 * turns
        case "rule-third-speaker":
            assert sum(bool(re.match(r"旁白[:：]", line)) for line in lines) == 1
            assert len(said) == 2 * turns
        case "rule-same-speaker":
            assert len(said) == 2 * turns - 1
            assert any(
                one.startswith(reading.counselor) and two.startswith(reading.counselor) for one, two in pairwise(said)
            )
        case "rule-empty-utterance":
            assert said.count(reading.client) == 1
        case "rule-ai-voice":
            assert sum("作为一个人工智能" in line for line in said) == 1
        case "rule-copied":
            assert any(ANSWER in line for line in said)
            assert len(said) >= 10
        case "rule-preamble":
            assert not lines[0].startswith(labels)
            assert reply.endswith(sound)
        case "rule-leak":
            assert any(reading.instructions[:40] in line for line in said)
        case "rule-literal-newline":
            assert "\\n" in reply
            assert len(lines) == 1
