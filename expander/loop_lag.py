"""How late the event loop comes to what is due: the sign that this machine, not the endpoint, is at its limit."""

from __future__ import annotations

import asyncio
from collections import Counter

_EVERY = 0.05  # seconds between looks: 20 a second cost nothing that can be measured
_LONGEST = 10_000  # milliseconds told apart, so that memory is bounded
_FEWEST = 100  # looks, 5 s: of fewer, the worst hundredth is one
_TOO_LATE = 250  # milliseconds: as long as a short answer takes


class LoopLag:
    """Wakes up at fixed times and notes how late. `listen` runs beside what is measured until it is cancelled."""

    def __init__(self) -> None:
        self._late: Counter[int] = Counter()
        """Looks by how late they came, in whole milliseconds."""

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY
            await asyncio.sleep(_EVERY)
            self.note(loop.time() - due)

    def note(self, seconds: float) -> None:
        self._late[min(_LONGEST, max(0, round(seconds * 1000)))] += 1

    def within(self, share: float) -> int:
        """Milliseconds that so large a share of the looks came late at most; 0 where there was none."""
        passed = 0
        for milliseconds, count in sorted(self._late.items()):
            passed += count
            if passed >= share * self._late.total():
                return milliseconds
        return 0

    def told(self) -> str | None:
        """One line for the end of a run; None where it was too short to say."""
        if self._late.total() < _FEWEST:
            return None
        late, worst = self.within(0.99), max(self._late)
        more = f"{_LONGEST:,} ms or more" if worst == _LONGEST else f"{worst:,} ms"
        line = f"Event loop: at most {late:,} ms late 99 % of the time, {more} at worst."
        if late < _TOO_LATE:
            return line
        return f"{line} This machine is at its limit: a lower --concurrency will be no slower."
