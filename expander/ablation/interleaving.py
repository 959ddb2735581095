"""Keeps arms side by side: none takes a row while it is too far ahead of another that is still at work.

An endpoint drifts: it is slower at noon, and its model may be another one tomorrow. Arms that run one after the other would
show that as a difference between templates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from expander.endpoint import ReplyContent
from expander.engine import Engine
from expander.rows import Row

SHARES_AHEAD = 2
"""How far ahead an arm may be, in what it may have in flight: one share is in flight, another keeps it busy while the
slowest arm's replies come in."""
_LOOK_EVERY = 0.005  # seconds; one waiting worker an arm looks so often, and a reply takes longer


@dataclass(slots=True)
class _Runner:
    engine: Engine
    stored: int
    """Rows that had an outcome when the session began: until the reading has passed as many, they count as passed."""
    ended: bool = False

    @property
    def taken(self) -> int:
        return max(self.engine.progress.rows, self.stored)

    @property
    def finished(self) -> int:
        progress = self.engine.progress
        return max(progress.done_before + progress.finished, self.stored)


class Convoy:
    """Says who may take a row: an arm that has taken fewer than `ahead` rows more than any other has brought to an end.

    So in the stores, at any time, no arm has replies to more than `ahead` rows more than another, unless that one has
    ended. No deadlock: once everything in flight has ended, the arm that has taken fewest is never held back.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._runners: dict[int, _Runner] = {}

    def join(self, engine: Engine, stored: int) -> None:
        self._runners[id(engine)] = _Runner(engine, stored)

    def leave(self, engine: Engine) -> None:
        """The arm has ended; nobody waits for it any more."""
        self._runners[id(engine)].ended = True

    def may_take(self, engine: Engine) -> bool:
        runner = self._runners[id(engine)]
        others = [each.finished for each in self._runners.values() if each is not runner and not each.ended]
        return not others or runner.taken < min(others) + self._ahead


class ArmEngine(Engine):
    """An engine that waits for its turn before it takes a row, and tells when tokens were spent."""

    convoy: Convoy
    on_tokens: Callable[[], None]

    async def _take(self, rows: Iterator[Row | None]) -> Row | None:
        if self._held_back():
            self._slots.release()  # the arm's own retries need it meanwhile
            try:
                while self._held_back():  # noqa: ASYNC110 - what is waited for are counters of all the others
                    await asyncio.sleep(_LOOK_EVERY)
            finally:
                await asyncio.shield(self._slots.acquire())
        return await super()._take(rows)

    def _held_back(self) -> bool:
        return self.stopped is None and not self.convoy.may_take(self)

    def _count_tokens(self, reply: ReplyContent) -> None:
        super()._count_tokens(reply)
        self.on_tokens()


def ahead_of(concurrencies: Sequence[int]) -> int:
    """Rows that an arm may be ahead, from what each may have in flight."""
    return SHARES_AHEAD * max(concurrencies)
