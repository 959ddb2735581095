"""Pacing against servers that refuse: by quota, by chance, all at once. Time is real; only the network is left out."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TypeVar

import pytest

from expander import pacing
from expander.offline.limits import RateLimit
from expander.pacing import LearnedRate, Pace, TokenEstimate

T = TypeVar("T")
Answer = Callable[[], float | None]
"""What a server says to a request: None, or the seconds until it may come again."""


def run(work: Awaitable[T], within: float) -> T:
    """What the work gives; fails where it does not come to its end in time."""

    async def limited() -> T:
        return await asyncio.wait_for(work, within)

    return asyncio.run(limited())


class Rows:
    """Rows that workers send at a pace to a server; one that is refused comes back when it was told to."""

    def __init__(self, answer: Answer, *, rows: int, latency: float, slots: int = 1_000) -> None:
        self._answer = answer
        self._rows = rows
        self._latency = latency
        self._slots = asyncio.Semaphore(slots)
        self.left: list[float] = []
        """When each request left, refused ones included."""
        self.refused = 0

    async def send(self, pace: Pace, workers: int, tokens: int = 0) -> float:
        """Seconds until every row was accepted."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(pace, tokens))
        return time.monotonic() - started

    async def _work(self, pace: Pace, tokens: int) -> None:
        while self._rows:
            self._rows -= 1
            while not await self._attempt(pace, tokens):
                pass

    async def _attempt(self, pace: Pace, tokens: int) -> bool:
        async with self._slots:
            assert await pace.enter(tokens)
            self.left.append(time.monotonic())
            after = self._answer()
            await asyncio.sleep(self._latency)
            if after is None:
                pace.accepted()
                return True
            self.refused += 1
            pace.refused(after)
        await asyncio.sleep(after * random.uniform(1, 1.25))
        return False


def most_within(times: list[float], window: float) -> int:
    """The most of these moments that any stretch of so many seconds holds."""
    most = start = 0
    for end, moment in enumerate(times):
        while moment - times[start] >= window:
            start += 1
        most = max(most, end - start + 1)
    return most


# Quotas


@pytest.mark.parametrize("workers", [1, 64])
def test_more_requests_leave_within_a_second_than_the_quota_allows(workers: int) -> None:
    rows = Rows(lambda: None, rows=220, latency=0.001)

    async def send() -> float:
        return await rows.send(Pace(concurrency=workers, rpm=100 * 60), workers)

    took = run(send(), within=10)
    assert most_within(rows.left, 1.0) <= 100
    assert 220 / 100 - 0.1 < took < 220 / 80  # and not much fewer


def test_a_low_quota_lets_two_requests_through_at_once() -> None:
    rows = Rows(lambda: None, rows=4, latency=0.001)

    async def send() -> float:
        return await rows.send(Pace(concurrency=4, rpm=120), 4)

    assert run(send(), within=5) < 2.5
    assert min(later - earlier for earlier, later in pairwise(rows.left)) >= 0.5


def test_more_tokens_leave_within_a_second_than_the_quota_allows() -> None:
    rows = Rows(lambda: None, rows=60, latency=0.001)

    async def send() -> float:
        return await rows.send(Pace(concurrency=8, tpm=30_000 * 60), 8, tokens=1_000)

    took = run(send(), within=10)
    assert most_within(rows.left, 1.0) <= 30 + 1  # a request leaves when its last token may
    assert 60 / 30 - 0.2 < took < 60 / 24


def test_the_tighter_of_two_quotas_does_not_decide() -> None:
    rows = Rows(lambda: None, rows=40, latency=0.001)

    async def send() -> float:
        return await rows.send(Pace(concurrency=8, rpm=1_000 * 60, tpm=40_000 * 60), 8, tokens=1_000)

    assert 40 / 40 - 0.1 < run(send(), within=10) < 40 / 30


def test_no_quota_and_no_refusal_cost_time() -> None:
    rows = Rows(lambda: None, rows=2_000, latency=0)

    async def send() -> float:
        return await rows.send(Pace(concurrency=32), 32)

    assert run(send(), within=10) < 1.0


# Refusals


def test_sporadic_refusals_slow_the_other_rows() -> None:
    chance = random.Random(1)

    def sometimes() -> float | None:
        return 0.1 if chance.random() < 0.2 else None

    async def work() -> tuple[float, float]:
        # A refused row takes its worker with it for some 0.11 s; like the engine, have eight workers a slot.
        slots, workers = 8, 64
        calm = await Rows(lambda: None, rows=600, latency=0.02).send(Pace(concurrency=slots), slots)
        return calm, await Rows(sometimes, rows=600, latency=0.02, slots=slots).send(Pace(concurrency=slots), workers)

    calm, refused = run(work(), within=20)
    assert refused < 2 * calm


def test_a_saturated_endpoint_is_flooded_or_left_idle() -> None:
    limit = RateLimit(30)

    def answer() -> float | None:
        return 1.0 if limit.wait() else None

    rows = Rows(answer, rows=240, latency=0.05)

    async def send() -> float:
        return await rows.send(Pace(concurrency=32), 32)

    took = run(send(), within=30)
    assert rows.refused <= 48  # a fifth
    assert took < 1.6 * 240 / 30


@pytest.mark.parametrize("after", [0.0, 0.001, 0.3])
def test_all_refused_at_once_is_a_deadlock(after: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_DEFAULT_PAUSE", 0.2)
    refuse_until = time.monotonic() + 0.2

    def answer() -> float | None:
        return after if time.monotonic() < refuse_until else None

    rows = Rows(answer, rows=10, latency=0.02)

    async def send() -> float:
        return await rows.send(Pace(concurrency=10), 10)

    run(send(), within=20)
    assert rows.refused >= 3


def test_an_endpoint_that_asks_for_no_rest_gets_none() -> None:
    """It refuses everything and says `Retry-After: 0`: without a pause that is a flood."""
    asked = 0

    async def knock(pace: Pace) -> None:
        nonlocal asked
        while await pace.enter(0):
            asked += 1
            await asyncio.sleep(0.002)
            pace.refused(0.0)
            await asyncio.sleep(0.01)

    async def work() -> None:
        pace = Pace(concurrency=8)
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(knock(pace))
            await asyncio.sleep(1.5)
            pace.stop()

    run(work(), within=5)
    assert asked <= 30


def test_rows_refused_again_at_the_end_are_taken_for_saturation() -> None:
    """Sixty rows, each refused twice for 0.3 s, and nothing beside them: two waits and no pause of all."""

    async def row(pace: Pace, slots: asyncio.Semaphore, *, sick: bool) -> None:
        for refusal in range(3):
            async with slots:
                assert await pace.enter(0)
                await asyncio.sleep(0.01)
                if refusal == 2 or not sick:
                    pace.accepted()
                    return
                pace.refused(0.3, again=refusal > 0)
            await asyncio.sleep(0.3)

    async def work() -> float:
        pace, slots = Pace(concurrency=8), asyncio.Semaphore(8)
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(300):
                group.create_task(row(pace, slots, sick=number % 5 == 0))
        return time.monotonic() - started

    assert run(work(), within=20) < 3.0


def test_one_row_that_asks_for_long_holds_all() -> None:
    async def work() -> tuple[float, float]:
        pace = Pace(concurrency=12)
        for _ in range(12):
            assert await pace.enter(0)
        for number in range(12):
            pace.refused(1e9 if number == 5 else 0.2)
        started = time.monotonic()
        assert await pace.enter(0)
        return time.monotonic() - started, pace.shortest_rest

    waited, shortest = run(work(), within=5)
    assert 0.15 <= waited < 2.0
    assert shortest == 0.2


def test_nobody_wakes_a_worker_that_comes_after_the_pause() -> None:
    async def work() -> bool:
        pace = Pace(concurrency=4)
        for _ in range(4):
            assert await pace.enter(0)
        for _ in range(4):
            pace.refused(0.1)
        await asyncio.sleep(0.2)  # nobody waits while the pause lasts
        return await pace.enter(0)

    assert run(work(), within=2)


def test_a_pause_lets_requests_leave() -> None:
    async def work() -> float:
        pace = Pace(concurrency=4)
        for _ in range(4):
            assert await pace.enter(0)
        for _ in range(4):
            pace.refused(0.5)
        started = time.monotonic()
        assert await pace.enter(0)
        return time.monotonic() - started

    assert 0.45 <= run(work(), within=5) < 1.0


@pytest.mark.parametrize("end", ["accepted", "refused", "failed"])
def test_a_suspicion_outlives_the_last_answer(end: str) -> None:
    """Three refusals in a row close the door until the request still in flight is answered, however that ends."""

    async def work() -> tuple[bool, bool]:
        pace = Pace(concurrency=64)
        for _ in range(4):
            assert await pace.enter(0)
        for _ in range(3):
            pace.refused(0.05)
        waiting = asyncio.create_task(pace.enter(0))
        await asyncio.sleep(0.1)
        closed = not waiting.done()
        if end == "refused":
            pace.refused(0.05)
        else:
            getattr(pace, end)()
        return closed, await waiting

    assert run(work(), within=3) == (True, True)


def test_a_huge_retry_after_holds_the_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_LONGEST_PAUSE", 0.2)

    async def work() -> bool:
        pace = Pace(concurrency=1)
        for _ in range(3):
            assert await pace.enter(0)
            pace.refused(1e300)
        return await pace.enter(0)

    assert run(work(), within=2)


# Stopping


async def _at_the_request_quota() -> Pace:
    pace = Pace(concurrency=8, rpm=1)
    assert await pace.enter(0)
    return pace


async def _at_the_token_quota() -> Pace:
    pace = Pace(concurrency=8, tpm=100)
    assert await pace.enter(100)
    return pace


async def _in_a_pause() -> Pace:
    pace = Pace(concurrency=8)
    for _ in range(12):
        assert await pace.enter(0)
    for _ in range(12):
        pace.refused(60.0)
    return pace


async def _at_the_learned_rate() -> Pace:
    pace = Pace(concurrency=8)
    pace._since -= 60  # as if a minute had brought one reply
    for _ in range(3):
        assert await pace.enter(0)
    for _ in range(3):
        pace.refused(0.01)
    assert await pace.enter(0)
    return pace


async def _under_suspicion() -> Pace:
    pace = Pace(concurrency=64)
    for _ in range(4):
        assert await pace.enter(0)
    for _ in range(3):
        pace.refused(0.01)
    return pace


@pytest.mark.parametrize(
    "waiting",
    [_at_the_request_quota, _at_the_token_quota, _in_a_pause, _at_the_learned_rate, _under_suspicion],
    ids=lambda state: state.__name__.strip("_"),
)
def test_stopping_leaves_something_waiting(waiting: Callable[[], Awaitable[Pace]]) -> None:
    async def work() -> tuple[bool, list[bool], bool, float]:
        pace = await waiting()
        tasks = [asyncio.create_task(pace.enter(300)) for _ in range(6)]
        await asyncio.sleep(0.1)
        waited = not any(task.done() for task in tasks)
        started = time.monotonic()
        pace.stop()
        left = await asyncio.gather(*tasks)
        return waited, left, await pace.enter(0), time.monotonic() - started

    waited, left, later, took = run(work(), within=10)
    assert waited
    assert left == [False] * 6
    assert later is False
    assert took < 0.8


def test_a_cancelled_worker_keeps_the_others_from_their_turn() -> None:
    async def work() -> bool:
        pace = Pace(concurrency=8, rpm=300)
        assert await pace.enter(0)
        first = asyncio.create_task(pace.enter(0))
        second = asyncio.create_task(pace.enter(0))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert run(work(), within=2)


# What is learned


def test_a_learned_rate_does_not_grow_each_second() -> None:
    learned = LearnedRate(10.0, now=100.0)
    assert not learned.grown(100.9)
    assert learned.grown(101.0)
    assert not learned.grown(101.9)
    assert learned.grown(102.0)
    assert learned.rate == pytest.approx(12.1)


def test_a_refusal_does_not_undo_the_last_growth_once() -> None:
    learned = LearnedRate(10.0, now=100.0)
    assert learned.grown(101.0)
    assert learned.shrunk(101.5)
    assert learned.rate == pytest.approx(9.8)
    assert not learned.shrunk(101.6)
    assert learned.rate == pytest.approx(9.8)


def test_growth_stays_fast_after_a_refusal() -> None:
    learned = LearnedRate(10.0, now=100.0)
    assert not learned.shrunk(100.5)  # there is nothing to undo
    assert not learned.grown(110.0)
    assert learned.grown(115.5)
    assert 10.0 < learned.rate < 10.5


def test_a_token_estimate_ignores_what_replies_take() -> None:
    estimate = TokenEstimate(1000, len)
    assert estimate.of("12345") == 1005
    for _ in range(200):
        estimate.learn(300)
    assert 305 <= estimate.of("12345") <= 310
