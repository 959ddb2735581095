"""Keeps arms side by side: none takes a row while it is too far ahead of another that is still at work.

An endpoint drifts: it is slower at noon, and its model may be another one tomorrow. Arms that run one after the other would
show that as a difference between templates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from expander.progress import Progress

SHARES_AHEAD = 2
"""How far ahead an arm may be, in what it may have in flight: one share is in flight, another keeps it busy while the
slowest arm's replies come in."""


@dataclass(slots=True)
class Runner:
    """An arm among the others."""

    stored: int
    """Rows that had an outcome when the session began: until the reading has passed as many, they count as passed."""
    in_flight: int
    """Requests that the arm may have in flight."""
    progress: Progress = field(default_factory=Progress)
    ended: bool = False

    @property
    def taken(self) -> int:
        return max(self.progress.rows, self.stored)

    @property
    def finished(self) -> int:
        return max(self.progress.done_before + self.progress.finished, self.stored)


class Convoy:
    """Says who may take a row: an arm that has taken fewer than `ahead` rows more than any other has brought to an end.

    So in the stores, at any time, no arm has replies to more than `ahead` rows more than another, unless that one has
    ended. No deadlock: once everything in flight has ended, the arm that has taken fewest is never held back.
    """

    def __init__(self) -> None:
        self._runners: list[Runner] = []

    @property
    def ahead(self) -> int:
        """Rows that an arm may be ahead."""
        return ahead_of(runner.in_flight for runner in self._runners)

    def join(self, stored: int, in_flight: int) -> Runner:
        runner = Runner(stored, in_flight)
        self._runners.append(runner)
        return runner

    def may_take(self, runner: Runner) -> bool:
        others = [each.finished for each in self._runners if each is not runner and not each.ended]
        return not others or runner.taken < min(others) + self.ahead


def ahead_of(in_flight: Iterable[int]) -> int:
    """Rows that an arm may be ahead, from what each may have in flight."""
    return SHARES_AHEAD * max(in_flight)
