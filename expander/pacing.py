"""When the next request may leave: the user's quotas, and what the endpoint's own 429s teach.

Quotas use asyncio-throttle. It lets a window's whole quota through at once and its waiters do not queue, so one lock
stands in front of it and windows are short.

A lone 429 concerns its row alone: the row waits, the others go on. Many in a row mean that the endpoint takes no more
from anybody. Then everything waits as long as it asked, and from there on requests leave at the rate that it was seen
to accept, growing slowly until it refuses again. A row that was refused before is no evidence of that: when an input ends,
such rows alone are left, and all of them may be refused again by an endpoint that would take any other.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from asyncio_throttle import Throttler

_QUOTA_SHARE = 0.95  # of a quota: two clocks never agree on where a window begins
_WINDOW = 0.02  # seconds; an endpoint that counts over a sliding second sees one window more than fits in it
_TOKENS_A_UNIT = 100  # a throttle holds one entry per unit, so a unit is not one token

_SUSPICIOUS = 3  # refusals in a row after which new requests wait for the next answer
_SATURATED = 12  # refusals in a row that no share of sporadic ones explains: 0.3 ** 12 is below one in a million
_LOOK_UP_EVERY = 0.5  # seconds: how soon a pause notices that the run was stopped
_DEFAULT_PAUSE = 1.0  # seconds, where a saturated endpoint does not say how long, or says 0
_LONGEST_PAUSE = 300.0  # seconds; asked for more, rows fail at their own cap, and a look now and then costs little

_BACK_OFF = 0.9  # of a learned rate at which the endpoint is saturated all the same
_GROW_FAST = 1.10  # a second, until the first refusal at a learned rate
_GROW_SLOW = 1.03  # every quarter of a minute after that
_GROW_SLOW_EVERY = 15.0


class Pace:
    """Lets requests pass one after the other, as fast as quotas and the endpoint allow."""

    def __init__(self, *, concurrency: int, rpm: float | None = None, tpm: float | None = None) -> None:
        self._requests = _throttle(rpm * _QUOTA_SHARE / 60) if rpm else None
        self._tokens = _throttle(tpm * _QUOTA_SHARE / 60 / _TOKENS_A_UNIT) if tpm else None
        self._concurrency = concurrency
        self._saturated = max(_SATURATED, concurrency // 4)
        self._learned: LearnedRate | None = None
        self._learned_throttle: Throttler | None = None
        self._waited_at: Throttler | None = None
        self._lock = asyncio.Lock()
        self._open = asyncio.Event()  # closed while refusals in a row raise a suspicion that the next answer settles
        self._open.set()
        self._stopped = False
        self._in_flight = 0
        self._refused_in_a_row = 0
        self._waits_asked: list[float] = []
        self._paused_until = 0.0
        self.shortest_rest = 0.0
        """Seconds that every refusal asked for, or more, when the endpoint was last found to take nothing from anybody."""
        self._accepted = 0
        self._since = time.monotonic()

    async def enter(self, tokens: int) -> bool:
        """Return when a request of about so many tokens may leave; False once stopped: then none may.

        After True, exactly one of `accepted`, `refused` and `failed` must follow.
        """
        if self._requests or self._tokens or self._learned_throttle or not self._open.is_set():
            async with self._lock:
                await self._enter_in_turn(tokens)
        self._in_flight += not self._stopped
        return not self._stopped

    def stop(self) -> None:
        """Let nothing leave any more, and everything that waits here return."""
        self._stopped = True
        self._open.set()
        if self._waited_at:
            self._waited_at.rate_limit = math.inf  # it looks every few milliseconds, and knows no other way out

    async def _enter_in_turn(self, tokens: int) -> None:
        units = math.ceil(tokens / _TOKENS_A_UNIT) if self._tokens else 0
        for throttle in (self._requests, *[self._tokens] * units):
            if throttle and not self._stopped:
                await self._acquire(throttle)
        while not self._stopped:
            pause = self._paused_until - time.monotonic()
            if pause > 0:
                await asyncio.sleep(min(pause, _LOOK_UP_EVERY))
            elif not self._open.is_set():
                await self._open.wait()
            else:
                break
        if self._learned_throttle and not self._stopped:
            await self._acquire(self._learned_throttle)

    async def _acquire(self, throttle: Throttler) -> None:
        self._waited_at = throttle
        await throttle.acquire()

    def accepted(self) -> None:
        """The endpoint took the request, whatever came of it."""
        self._in_flight -= 1
        self._accepted += 1
        self._refused_in_a_row = 0
        self._waits_asked.clear()
        self._open.set()
        if self._learned and self._learned.grown(time.monotonic()):
            self._learned_throttle = _throttle(self._learned.rate)

    def refused(self, after: float | None, *, again: bool = False) -> None:
        """The endpoint answered 429, and asked for that many seconds of rest where it said so.

        `again` says that the same request was refused before.
        """
        self._in_flight -= 1
        if again and self._learned is None:
            if self._in_flight == 0:
                self._open.set()
            return
        self._refused_in_a_row += 1
        self._waits_asked.append(after or _DEFAULT_PAUSE)
        now = time.monotonic()
        if now < self._paused_until:
            return
        if self._learned and self._learned.shrunk(now):
            self._learned_throttle = _throttle(self._learned.rate)
        if self._refused_in_a_row >= self._saturated or (
            self._refused_in_a_row >= _SUSPICIOUS and self._in_flight == 0
        ):
            self._rest(now)
        elif self._refused_in_a_row >= _SUSPICIOUS:
            self._open.clear()

    def failed(self) -> None:
        """The request failed for another reason, which says nothing of rates."""
        self._in_flight -= 1
        if self._in_flight == 0:
            self._open.set()

    def _rest(self, now: float) -> None:
        first = self._learned is None
        asked = sorted(self._waits_asked)
        self.shortest_rest = asked[0]
        rest = min(asked[len(asked) * 3 // 4], _LONGEST_PAUSE)  # not the longest: one row's own may be without sense
        if self._learned is None:
            # Where nothing was accepted nothing is known, and a guess that is too low would take long to grow.
            rate = (self._accepted or self._concurrency) / (now - self._since + rest)
        else:
            rate = self._learned.rate * _BACK_OFF
        self._learned = LearnedRate(rate, now=now + rest, settled=not first)
        self._learned_throttle = _throttle(rate)
        self._paused_until = now + rest
        self._since = self._paused_until
        self._accepted = 0
        self._refused_in_a_row = 0
        self._waits_asked.clear()
        self._open.set()


class LearnedRate:
    """Requests a second that an endpoint was seen to accept; grows fast until the first refusal, then slowly."""

    def __init__(self, rate: float, *, now: float, settled: bool = False) -> None:
        self.rate = rate
        self._settled = settled
        self._grew_at = now
        self._before: float | None = None

    def grown(self, now: float) -> bool:
        """Whether the rate has just grown."""
        every, by = (_GROW_SLOW_EVERY, _GROW_SLOW) if self._settled else (1.0, _GROW_FAST)
        if now - self._grew_at < every:
            return False
        self._before, self.rate, self._grew_at = self.rate, self.rate * by, now
        return True

    def shrunk(self, now: float) -> bool:
        """Whether a refusal has just undone the last growth; each growth is undone once."""
        self._settled = True
        if self._before is None:
            return False
        self.rate, self._before, self._grew_at = self._before * 0.98, None, now
        return True


def _throttle(rate: float) -> Throttler:
    """A throttle for `rate` entries a second, in short windows that hold at least one entry."""
    entries = max(1, round(rate * _WINDOW))
    period = entries / rate
    return Throttler(rate_limit=entries, period=period, retry_interval=min(0.01, max(0.001, period / 20)))


class TokenEstimate:
    """About how many tokens a request will use, for the token quota: what replies have taken so far."""

    def __init__(self, first_guess: int, prompt_tokens: Callable[[str], int]) -> None:
        self._mean = float(first_guess)
        self._prompt_tokens = prompt_tokens

    def of(self, prompt: str) -> int:
        return self._prompt_tokens(prompt) + int(self._mean)

    def learn(self, completion_tokens: int) -> None:
        self._mean += 0.05 * (completion_tokens - self._mean)
