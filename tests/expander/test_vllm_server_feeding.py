"""Metrics, and the concurrency they lead to. The server below is simulated: its figures, not its answers, are what counts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace

import pytest

from expander.vllm_server.feeding import Feeder, Feeding, fed
from expander.vllm_server.metrics import Served, ServerMetrics, read_metrics

# As vLLM 0.32 words it, here with two engines.
TEXT = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 30.0
vllm:num_requests_running{engine="1",model_name="tiny"} 12.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 2.0
vllm:num_requests_waiting{engine="1",model_name="tiny"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny",reason="capacity"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="tiny"} 0.75
vllm:prefix_cache_queries_total{engine="0",model_name="tiny"} 4000.0
vllm:prefix_cache_queries_created{engine="0",model_name="tiny"} 1.7952537966457205e+09
vllm:prefix_cache_hits_total{engine="0",model_name="tiny"} 3000.0
vllm:num_preemptions_total{engine="0",model_name="tiny"} 1.0
vllm:prompt_tokens_total{engine="0",model_name="tiny"} 5000.0
vllm:generation_tokens_total{engine="0",model_name="tiny"} 1.2e+06
vllm:generation_tokens_total{engine="1",model_name="tiny"} 1.0
vllm:e2e_request_latency_seconds_sum{engine="1",model_name="tiny"} NaN
"""


def test_engines_are_not_summed() -> None:
    assert read_metrics(TEXT) == ServerMetrics(
        running=42,
        waiting=2,
        cache_use=0.75,
        preemptions=1,
        prefix_queries=4000,
        prefix_hits=3000,
        prompt_tokens=5000,
        generation_tokens=1_200_001,
    )


@pytest.mark.parametrize("text", ["", "<html>", "python_gc_objects_collected_total 1.0\n", "vllm:other 3\n"])
def test_another_servers_metrics_are_read(text: str) -> None:
    assert read_metrics(text) is None


def _reading(**changed: float) -> ServerMetrics:
    zero = ServerMetrics(
        running=0,
        waiting=0,
        cache_use=0.0,
        preemptions=0,
        prefix_queries=0,
        prefix_hits=0,
        prompt_tokens=0,
        generation_tokens=0,
    )
    return replace(zero, **changed)  # type: ignore[arg-type]


def test_a_restart_loses_what_was_served_before_it() -> None:
    lives = [
        _reading(prefix_queries=100, prefix_hits=50, generation_tokens=10),
        _reading(prefix_queries=200, prefix_hits=90, generation_tokens=20),
        _reading(prefix_queries=10, prefix_hits=5, generation_tokens=3),
    ]
    served, before = Served(), None
    for now in lives:
        served, before = served.and_then(before, now), now
    assert (served.prefix_queries, served.prefix_hits, served.generation_tokens) == (210, 95, 23)
    assert served.hit_rate == pytest.approx(95 / 210)
    assert Served().hit_rate is None


PREFILL = 20_000  # tokens a second: the order of a 7B model on one large GPU


@dataclass
class Simulated:
    """A server that decodes 40 tokens a second for each request that runs, with a cache of so many tokens."""

    most_running: int
    cache: int
    chance: random.Random = field(default_factory=lambda: random.Random(6))
    running: list[list[int]] = field(default_factory=list)
    """Tokens in the cache, and tokens when done."""
    waiting: list[list[int]] = field(default_factory=list)
    preemptions: int = 0
    done: int = 0
    tokens: int = 0
    computed: int = 0
    """Tokens put into the cache anew: a prompt's, or all of a request's that was preempted."""

    def in_flight(self) -> int:
        return len(self.running) + len(self.waiting)

    def used(self) -> int:
        return sum(request[0] for request in self.running)

    def second(self, concurrency: int) -> None:
        while self.in_flight() < concurrency:
            prompt = self.chance.randint(300, 1200)
            self.waiting.append([prompt, prompt + self.chance.randint(400, 1400)])
        while self.waiting and len(self.running) < self.most_running and self.used() + self.waiting[0][0] <= self.cache:
            self.running.append(self.waiting.pop(0))
            self.computed += self.running[-1][0]
        step = max(0, round(40 * (1 - self.computed / PREFILL)))  # the engine's time is shared
        self.computed = 0
        for request in self.running:
            request[0] += step
        self.tokens += step * len(self.running)
        ended = [request for request in self.running if request[0] >= request[1]]
        self.done += len(ended)
        self.running = [request for request in self.running if request[0] < request[1]]
        while self.used() > self.cache:
            self.waiting.insert(0, self.running.pop())
            self.preemptions += 1

    def reading(self) -> ServerMetrics:
        return _reading(
            running=len(self.running),
            waiting=len(self.waiting),
            cache_use=self.used() / self.cache,
            preemptions=self.preemptions,
        )


def _simulate(server: Simulated, seconds: int, *, fixed: int | None = None) -> list[int]:
    state, chosen = Feeding(), []
    for second in range(seconds):
        server.second(fixed or state.concurrency)
        if second % 2:
            state = fed(state, server.reading())
            chosen.append(state.concurrency)
    return chosen


@pytest.mark.parametrize(
    ("most_running", "cache", "capacity"),
    [(256, 10**7, 256), (64, 10**7, 64), (8, 10**7, 8), (1024, 200_000, 165)],
    ids=["256 sequences", "64 sequences", "8 sequences", "a small cache"],
)
def test_a_server_starves_or_chokes(most_running: int, cache: int, capacity: int) -> None:
    """Within a minute the number is near what the server can run at once (a cache: over the mean request), and stays."""
    chosen = _simulate(Simulated(most_running, cache), 600)
    settled = chosen[30:]
    assert min(settled) >= 0.75 * capacity
    assert max(settled) <= 1.5 * capacity + 2


@pytest.mark.parametrize(("most_running", "cache"), [(256, 10**7), (1024, 200_000), (1024, 1_000_000), (32, 40_000)])
def test_a_fixed_number_does_better(most_running: int, cache: int) -> None:
    """Nearly as many dialogues as the best fixed number makes, found without trying them all."""
    found = Simulated(most_running, cache)
    _simulate(found, 600)
    best = 0
    for fixed in (32, 150, 256, 320, 1024):
        server = Simulated(most_running, cache)
        _simulate(server, 600, fixed=fixed)
        best = max(best, server.done)
    assert found.done >= 0.92 * best


def test_a_full_cache_goes_on_preempting() -> None:
    server = Simulated(1024, 200_000)
    _simulate(server, 600)
    greedy = Simulated(1024, 200_000)
    _simulate(greedy, 600, fixed=1024)
    assert server.preemptions < 0.25 * greedy.preemptions


def test_an_idle_server_is_given_more() -> None:
    """Where posts run out, or a quota holds requests back, what may be in flight does not bound the server."""
    state = Feeding(concurrency=64)
    for _ in range(20):
        state = fed(state, _reading(running=10, cache_use=0.05))
    assert state.concurrency == 64


def test_the_number_leaves_its_bounds() -> None:
    state = Feeding(concurrency=1)
    for preemptions in range(50):
        state = fed(state, _reading(running=1, waiting=9, cache_use=1.0, preemptions=preemptions))
        assert state.concurrency >= 1
    state = Feeding()
    for _ in range(100):
        state = fed(state, _reading(running=state.concurrency, cache_use=0.001), most=100)
    assert state.concurrency == 100


def test_a_server_that_is_being_started_again_changes_the_number() -> None:
    readings: list[ServerMetrics | None] = [
        _reading(running=32, cache_use=0.1),
        None,
        _reading(running=48, cache_use=0.1),
    ]
    sizes: list[int] = []

    async def read() -> ServerMetrics | None:
        return readings.pop(0)

    async def go() -> Feeder:
        feeder = Feeder(read, sizes.append)
        for _ in range(3):
            await feeder.look()
        return feeder

    feeder = asyncio.run(go())
    assert sizes == [48, 72]
    assert feeder.state.concurrency == 72
