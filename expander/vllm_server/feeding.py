"""How many requests a vLLM server should have in flight, from what its metrics say. Pure, apart from the loop below.

Enough is when the server always has one more request to begin: a short queue and a cache that is nearly full. More only
lengthens the queue, or makes the server preempt: it throws out what it has computed and computes it again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from expander.vllm_server.metrics import Served, ServerMetrics

FIRST = 32  # requests in flight to begin with: the job's own default for any endpoint
MOST = 1024  # requests in flight: vLLM begins 256 at once by default, 1,024 on GPUs of 80 GB (`--max-num-seqs`)
READ_EVERY = 2.0  # seconds between readings: a dialogue takes ten or more, so some have ended and begun meanwhile

# Chosen on a simulated server that runs 32 to 1,024 requests, bound by their number or by its cache (the tests have it):
# 93 to 99 % of the dialogues that the best fixed number makes in ten minutes, the climb from 32 included.
_RAISE = 1.5  # times, while there is room: from 32 to 256 in six readings
_BUSY = 0.9  # of what may be in flight is running: only then does the number bound the server
_CACHE_FULL = 0.95  # of the KV cache: requests in flight still grow, and the rest is theirs
_QUEUE = 0.1  # of what is running may wait, so that none who ends leaves a gap
_LEAST_QUEUE = 2  # requests
_LOWER = 0.95  # times, on preemptions, at each reading that has some
_HOLD = 5  # readings (10 s, most of a dialogue) before it is raised again


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    """What has been learnt of a server so far."""

    concurrency: int = FIRST
    """Requests that should be in flight."""
    held: int = 0
    """Readings for which it is not raised."""
    last: ServerMetrics | None = None


def fed(state: Feeding, now: ServerMetrics, *, most: int = MOST) -> Feeding:
    """The state after one more reading.

    Raised while nothing waits and the cache has room, as far as the cache would reach at what a request takes now;
    lowered on preemptions, and to what runs and a short queue where more waits.
    """
    current, held = state.concurrency, max(0, state.held - 1)
    before = state.last.preemptions if state.last else now.preemptions
    queue = max(_LEAST_QUEUE, math.ceil(_QUEUE * now.running))
    if now.preemptions > before:
        lowered = min(current, now.running + now.waiting or current)
        return replace(state, concurrency=max(1, int(lowered * _LOWER)), held=_HOLD, last=now)
    if now.waiting > queue and now.running:
        return replace(state, concurrency=max(1, min(current, now.running + queue)), held=_HOLD, last=now)
    busy = now.running + now.waiting >= _BUSY * current
    if busy and not held and now.waiting == 0 and now.cache_use < _CACHE_FULL:
        room = int(now.running * _CACHE_FULL / now.cache_use) if now.cache_use > 0 else most
        raised = min(most, max(current + 1, int(current * _RAISE)), max(current, room))
        return replace(state, concurrency=raised, held=held, last=now)
    return replace(state, concurrency=current, held=held, last=now)


@dataclass(slots=True)
class Feeder:
    """Reads a server's metrics and sets the concurrency, until it is cancelled."""

    read: Callable[[], Awaitable[ServerMetrics | None]]
    resize: Callable[[int], None]
    most: int = MOST
    state: Feeding = field(default_factory=Feeding)
    served: Served = field(default_factory=Served)
    """What the server did since the feeder began, for the report: prefix cache, tokens, preemptions."""

    async def run(self, every: float = READ_EVERY) -> None:
        while True:
            await self.look()
            await asyncio.sleep(every)

    async def look(self) -> None:
        """One reading. A server that does not answer, because it is being started again, changes nothing."""
        now = await self.read()
        if now is None:
            return
        self.served = self.served.and_then(self.state.last, now)
        before = self.state.concurrency
        self.state = fed(self.state, now, most=self.most)
        if self.state.concurrency != before:
            self.resize(self.state.concurrency)
