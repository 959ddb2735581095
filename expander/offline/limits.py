"""Rate limiting and what a 429 says about when to come back."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Literal

RetryAfter = Literal["rotate", "seconds", "date", "ms", "none", "past", "negative", "garbage", "far"]
"""How a 429 says when to come back; `rotate` takes seconds, date and milliseconds in turn, the last four make no sense."""
FORMS: tuple[RetryAfter, ...] = ("seconds", "date", "ms")
NONSENSE: Mapping[RetryAfter, str] = {"negative": "-1", "garbage": "soon", "far": "1000000000"}


class Waits:
    """The header for each 429 in turn."""

    def __init__(self, form: RetryAfter) -> None:
        self._forms = itertools.cycle(FORMS if form == "rotate" else (form,))

    def next(self, seconds: float) -> dict[str, str]:
        return retry_after(next(self._forms), seconds)


def retry_after(form: RetryAfter, seconds: float) -> dict[str, str]:
    """The header, if any, that asks for a wait of at least that long; seconds and dates are whole, so they round up.

    A form that makes no sense asks for something else: an hour ago, -1 s, a word, 1e9 s.
    """
    if form == "ms":
        return {"retry-after-ms": str(math.ceil(seconds * 1000))}
    if form == "date":
        return {"retry-after": formatdate(math.ceil(time.time() + seconds), usegmt=True)}
    if form == "past":
        return {"retry-after": formatdate(time.time() - 3600, usegmt=True)}
    if form in NONSENSE:
        return {"retry-after": NONSENSE[form]}
    return {"retry-after": str(math.ceil(seconds))} if form == "seconds" else {}


class RateLimit:
    """Lets `rate` requests through in any window of one second; a rate below 1 lets one through in 1/rate seconds."""

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        if not rate > 0:
            raise ValueError(f"A rate limit must be above 0 requests a second, not {rate:g}.")
        self._most = max(1, int(rate))
        self._window = self._most / rate
        self._now = now
        self._passed: deque[float] = deque(maxlen=self._most)

    def wait(self) -> float:
        """0 and the request counts, or the seconds until one more may pass."""
        now = self._now()
        if len(self._passed) == self._most and (wait := self._passed[0] + self._window - now) > 0:
            return wait
        self._passed.append(now)
        return 0.0
