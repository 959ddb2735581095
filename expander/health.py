"""When nearly everything fails, stop rather than spend the night on it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from expander.errors import EndpointError

_FAILURES_WITHOUT_SUCCESS = 20  # attempts, when the run has had no reply at all: most likely a wrong setting
_FAILURES_SINCE_SUCCESS = 40  # attempts, and at the same time
_SECONDS_SINCE_SUCCESS = 60.0  # seconds: outlasts a restart of the endpoint
_ROWS_WATCHED = 200  # finished rows, of which fewer than
_ROWS_MUST_SUCCEED = 10  # these have a reply


class Health:
    """Notices when nearly everything fails. Being told to slow down is no failure."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._ever = False
        self._last_success = self._clock()
        self._failures: Counter[str] = Counter()
        self._rows: deque[bool] = deque(maxlen=_ROWS_WATCHED)

    def succeeded(self) -> None:
        self._ever = True
        if self._failures:
            self._failures.clear()
        self._last_success = self._clock()

    def attempt_failed(self, error: EndpointError) -> None:
        self._failures[f"{error.kind}: {error.detail}"] += 1

    def row_ended(self, *, failed: bool) -> None:
        self._rows.append(failed)

    def hopeless(self, in_flight: int) -> str | None:
        """Why going on is no use; None while there is hope, which slow answers still in flight are."""
        failures = self._failures.total()
        silence = self._clock() - self._last_success
        if not self._ever and failures >= max(_FAILURES_WITHOUT_SUCCESS, 4 * in_flight):
            return f"The first {failures} attempts all failed ({self._worst()})."
        if failures >= _FAILURES_SINCE_SUCCESS and silence >= _SECONDS_SINCE_SUCCESS:
            return f"No reply for {silence:.0f} s; {failures} attempts failed since ({self._worst()})."
        if len(self._rows) == _ROWS_WATCHED and sum(self._rows) > _ROWS_WATCHED - _ROWS_MUST_SUCCEED:
            return f"{sum(self._rows)} of the last {_ROWS_WATCHED} rows failed."
        return None

    def _worst(self) -> str:
        return ", ".join(f"{count} x {what}" for what, count in self._failures.most_common(2))
