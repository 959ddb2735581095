"""What a failed attempt means, and how long and how often a row is asked for again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from expander.errors import Action, EndpointError
from expander.retry import RATE_LIMITED, RetryPolicy, failure_of_status, retry_after, retrying, wait_seconds

NOW = 1_750_000_000.0  # seconds since the epoch; a whole second, as HTTP dates are
RETRY, FAIL, STOP = Action.RETRY, Action.FAIL_ROW, Action.STOP_RUN
KEY = "sk-Ab12Cd34Ef56Gh78"


def failure(status: int, body: bytes = b"", **headers: str) -> EndpointError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure_of_status(status, CIMultiDict(named), body, now=NOW)


def error(kind: str = "server-error", action: Action = RETRY, after: float | None = None) -> EndpointError:
    return EndpointError(kind, action, "for this test", after=after)


class Row:
    """One row that fails in the given ways, one an attempt, and then gets its reply; rests without waiting."""

    def __init__(self, *failures: EndpointError, always: EndpointError | None = None) -> None:
        self._failures = list(failures)
        self._always = always
        self.attempts = 0
        self.waits: list[float] = []

    async def attempt(self) -> str:
        self.attempts += 1
        if self._failures:
            raise self._failures.pop(0)
        if self._always:
            raise self._always
        return "reply"

    async def rest(self, seconds: float) -> None:
        self.waits.append(seconds)

    def run(self, *, max_attempts: int = 6, max_wait: float = 900.0) -> str:
        policy = RetryPolicy(max_attempts=max_attempts, max_wait=max_wait, chance=random.Random(1))
        return asyncio.run(retrying(self.attempt, policy, self.rest))


# What a status means


@pytest.mark.parametrize(
    ("status", "kind", "action"),
    [
        (401, "auth", STOP),
        (403, "auth", STOP),
        (402, "quota", STOP),
        (404, "not-found", STOP),
        *((status, "redirect", STOP) for status in (300, 301, 302, 303, 307, 308)),
        *((status, "refused", FAIL) for status in (201, 204, 400, 405, 413, 415, 422, 451)),
        (429, RATE_LIMITED, RETRY),
        *((status, "server-error", RETRY) for status in (408, 409, 425, 500, 501, 502, 503, 504, 520, 526, 529, 599)),
    ],
)
def test_a_status_means_something_else(status: int, kind: str, action: Action) -> None:
    found = failure(status)
    assert (found.kind, found.action, found.status) == (kind, action, status)
    assert found.detail == f"HTTP {status}"
    assert bool(found.hint) == (action is STOP)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}', id="code"),
        pytest.param(b'{"error": {"code": null, "type": "insufficient_quota"}}', id="type"),
        pytest.param(b'{"error": {"code": 429, "type": "insufficient_quota"}}', id="type beside a number"),
        pytest.param(b'{"error": {"code": "billing_hard_limit_reached"}}', id="hard limit"),
    ],
)
@pytest.mark.parametrize("status", [400, 429])
def test_an_empty_account_is_asked_again_and_again(status: int, body: bytes) -> None:
    found = failure(status, body, retry_after="1")
    assert (found.kind, found.action) == ("quota", STOP)


def test_a_rate_limit_is_taken_for_an_empty_account() -> None:
    found = failure(429, b'{"error": {"code": "rate_limit_exceeded", "type": "requests"}}', retry_after="2")
    assert (found.kind, found.action, found.after) == (RATE_LIMITED, RETRY, 2.0)
    assert found.detail == "HTTP 429 (rate_limit_exceeded)"


@pytest.mark.parametrize("status", [503, 529])
def test_an_overloaded_server_is_not_given_the_time_it_asks_for(status: int) -> None:
    assert failure(status, retry_after="7").after == 7.0


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(KEY, id="key"),
        pytest.param("0123456789abcdef0123456789abcdef", id="hex key"),
        pytest.param("我最近睡不好", id="a post's words"),
        pytest.param("My name is Li", id="a sentence"),
        pytest.param("x" * 61, id="too long"),
        pytest.param("invalid_api_key\n" + KEY, id="second line"),
        pytest.param([KEY], id="list"),
        pytest.param({"key": KEY}, id="object"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
    ],
)
@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_body_is_quoted(status: int, field: str, code: object) -> None:
    import orjson

    body = orjson.dumps({"error": {field: code, "message": f"Incorrect API key provided: {KEY}", "param": KEY}})
    found = failure(status, body)
    assert found.detail == f"HTTP {status}"
    assert str(found) == f"{found.kind}: {found.detail}"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"3", b'"error"', b'{"error": "overloaded"}', b'{"error": []}', b"[" * 5000],
    ids=["empty", "cut", "no-utf8", "list", "number", "text", "text-error", "list-error", "deep"],
)
def test_an_unreadable_error_body_raises(body: bytes) -> None:
    assert failure(500, body).detail == "HTTP 500"


@given(status=st.integers(201, 999), body=st.binary(max_size=50), header=st.text(max_size=20))
def test_an_odd_answer_raises(status: int, body: bytes, header: str) -> None:
    found = failure(status, body, retry_after=header)
    assert found.after is None or found.after >= 0


# When to come back


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="absent"),
        pytest.param({"Retry-After": "3"}, 3.0, id="seconds"),
        pytest.param({"RETRY-AFTER": " 1.5 "}, 1.5, id="fraction in spaces"),
        pytest.param({"Retry-After-Ms": "250"}, 0.25, id="milliseconds"),
        pytest.param({"retry-after": "9", "retry-after-ms": "250"}, 0.25, id="milliseconds are finer"),
        pytest.param({"retry-after": "9", "retry-after-ms": "soon"}, 9.0, id="garbage milliseconds"),
        pytest.param({"retry-after": formatdate(NOW + 7, usegmt=True)}, 7.0, id="date"),
        pytest.param({"retry-after": formatdate(NOW - 7, usegmt=True)}, 0.0, id="past date"),
        pytest.param({"retry-after": "0"}, 0.0, id="zero"),
        pytest.param({"retry-after": "86400"}, 86400.0, id="a day"),
        pytest.param({"retry-after": "1e308"}, 1e308, id="huge"),
        pytest.param({"retry-after": "1e309"}, None, id="infinite"),
        pytest.param({"retry-after": "nan"}, None, id="not a number"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after-ms": "-5"}, None, id="negative milliseconds"),
        pytest.param({"retry-after": ""}, None, id="empty"),
        pytest.param({"retry-after": "a while"}, None, id="words"),
        pytest.param({"retry-after": "Wed, 99 Foo 99999 99:99:99 GMT"}, None, id="no such date"),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00 +9999999999"}, None, id="no such zone"),
    ],
)
def test_retry_after_is_misread(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(CIMultiDict(headers), now=NOW) == seconds


@pytest.mark.parametrize("wrong", [-3600.0, 0.0, 3600.0], ids=["slow", "right", "fast"])
def test_a_clock_that_is_wrong_here_changes_a_wait(wrong: float) -> None:
    headers = CIMultiDict({"Retry-After": formatdate(NOW + 7, usegmt=True), "Date": formatdate(NOW, usegmt=True)})
    assert retry_after(headers, now=NOW + wrong) == 7.0


def test_an_unreadable_date_of_the_answer_hides_retry_after() -> None:
    headers = CIMultiDict({"Retry-After": formatdate(NOW + 7, usegmt=True), "Date": "today"})
    assert retry_after(headers, now=NOW) == 7.0


def test_a_date_without_a_zone_is_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert retry_after({"retry-after": "Fri Jun 13 15:00:00 2025"}, now=1_749_826_800 - 4) == 4.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_date_names_another_instant_east_of_greenwich() -> None:
    assert retry_after({"retry-after": "Fri, 13 Jun 2025 23:00:00 +0800"}, now=1_749_826_800 - 4) == 4.0


@pytest.mark.parametrize("after", [0.02, 1.0, 30.0])
def test_a_wait_ignores_retry_after(after: float) -> None:
    chance = random.Random(2)
    waits = [wait_seconds(error(RATE_LIMITED, after=after), failures, chance) for failures in range(1, 200)]
    assert min(waits) >= after  # before its time is a wasted request
    assert max(waits) <= after * 1.25 + 0.05


@pytest.mark.parametrize("after", [None, 0.0], ids=["not asked", "asked for none"])
def test_waits_do_not_grow_or_have_no_end(after: float | None) -> None:
    chance = random.Random(3)
    means = [
        sum(wait_seconds(error(after=after), failures, chance) for _ in range(400)) / 400 for failures in range(1, 12)
    ]
    assert means[:6] == pytest.approx([1, 2, 4, 8, 16, 32], rel=0.05)
    assert means[6:] == pytest.approx([60] * 5, rel=0.05)


@pytest.mark.parametrize("after", [None, 2.0])
def test_rows_refused_together_come_back_together(after: float | None) -> None:
    chance = random.Random(4)
    waits = [wait_seconds(error(after=after), 1, chance) for _ in range(200)]
    assert len(set(waits)) == 200
    assert max(waits) - min(waits) > 0.2 * (after or 1.0)
    assert min(waits) > 0
    assert max(waits) <= 60 * 1.25


def test_many_failures_overflow_the_wait() -> None:
    assert wait_seconds(error(), 1000, random.Random(5)) <= 60 * 1.25


# Asking again


@pytest.mark.parametrize("failures", [0, 1, 5])
def test_a_reply_after_failures_is_lost(failures: int) -> None:
    row = Row(*(error() for _ in range(failures)))
    assert row.run(max_attempts=6) == "reply"
    assert row.attempts == failures + 1
    assert len(row.waits) == failures
    assert row.waits == sorted(row.waits)  # 0.75 to 1.25 of a wait that doubles
    assert all(wait > 0.5 for wait in row.waits)


@pytest.mark.parametrize("most", [1, 2, 6])
def test_attempts_have_no_cap(most: int) -> None:
    row = Row(always=error())
    with pytest.raises(EndpointError) as caught:
        row.run(max_attempts=most, max_wait=1e9)
    assert caught.value.kind == "server-error"
    assert row.attempts == most
    assert len(row.waits) == most - 1


def test_being_told_to_slow_down_counts_as_an_attempt() -> None:
    row = Row(*(error(RATE_LIMITED, after=0.001) for _ in range(50)), error(), error())
    assert row.run(max_attempts=3) == "reply"
    assert row.attempts == 53


def test_being_told_to_slow_down_hides_failed_attempts() -> None:
    slow, broken = error(RATE_LIMITED, after=0.001), error("broken-reply")
    row = Row(slow, broken, slow, slow, broken, slow, broken)
    with pytest.raises(EndpointError) as caught:
        row.run(max_attempts=3)
    assert caught.value is broken
    assert row.attempts == 7


def test_being_told_to_slow_down_has_no_end() -> None:
    asked = 0

    async def attempt() -> str:
        nonlocal asked
        asked += 1
        raise error(RATE_LIMITED, after=0.05)

    policy = RetryPolicy(max_attempts=1, max_wait=0.4, chance=random.Random(1))
    started = time.monotonic()
    with pytest.raises(EndpointError) as caught:
        asyncio.run(retrying(attempt, policy, asyncio.sleep))
    assert caught.value.kind == RATE_LIMITED
    assert 3 <= asked <= 8
    assert 0.25 <= time.monotonic() - started <= 0.6


@pytest.mark.parametrize("after", [900.0, 86400.0, 1e308])
@pytest.mark.parametrize("kind", [RATE_LIMITED, "server-error"])
def test_a_row_waits_longer_than_it_may(kind: str, after: float) -> None:
    row = Row(always=error(kind, after=after))
    with pytest.raises(EndpointError) as caught:
        row.run(max_wait=900.0)
    assert caught.value.after == after
    assert (row.attempts, row.waits) == (1, [])


def test_time_spent_on_attempts_is_not_counted() -> None:
    async def hang() -> str:
        await asyncio.sleep(0.15)
        raise error("timeout", after=0.01)

    waits: list[float] = []

    async def rest(seconds: float) -> None:
        waits.append(seconds)

    policy = RetryPolicy(max_attempts=99, max_wait=0.4, chance=random.Random(1))
    with pytest.raises(EndpointError):
        asyncio.run(retrying(hang, policy, rest))
    assert len(waits) == 2  # at 0.15 and 0.30 s; at 0.45 s time is up


@pytest.mark.parametrize("action", [FAIL, STOP])
@pytest.mark.parametrize("before", [0, 2])
def test_what_may_not_be_asked_again_is_asked_again(before: int, action: Action) -> None:
    last = error("refused", action, after=1.0)
    row = Row(*(error() for _ in range(before)), last)
    with pytest.raises(EndpointError) as caught:
        row.run()
    assert caught.value is last
    assert (row.attempts, len(row.waits)) == (before + 1, before)


@pytest.mark.parametrize("make", [KeyError, asyncio.CancelledError], ids=["a bug", "cancelled"])
def test_another_exception_is_retried_or_changed(make: Callable[[str], BaseException]) -> None:
    mistake = make("mistake")
    attempts = 0

    async def attempt() -> str:
        nonlocal attempts
        attempts += 1
        raise error() if attempts == 1 else mistake

    async def rest(seconds: float) -> None:
        assert seconds > 0

    policy = RetryPolicy(max_attempts=9, max_wait=900, chance=random.Random(1))
    with pytest.raises(type(mistake)):
        asyncio.run(retrying(attempt, policy, rest))
    assert attempts == 2


def test_a_stop_while_resting_is_swallowed() -> None:
    stopped = error("stopped", STOP)

    async def attempt() -> str:
        raise error()

    async def rest(seconds: float) -> None:
        raise stopped

    policy = RetryPolicy(max_attempts=9, max_wait=900, chance=random.Random(1))
    with pytest.raises(EndpointError) as caught:
        asyncio.run(retrying(attempt, policy, rest))
    assert caught.value is stopped
