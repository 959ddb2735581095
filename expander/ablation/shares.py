"""What a server may have in flight, divided among the arms that are still at work with it."""

from __future__ import annotations

from collections.abc import Sequence

from expander.ablation.interleaving import Runner
from expander.service import Resizable


class Shares:
    """Several engines at one server, as one that has a number of requests in flight."""

    def __init__(self, members: Sequence[tuple[Resizable, Runner]]) -> None:
        """An engine, and its place among the arms."""
        self._members = members
        self._most: int | None = None

    def resize(self, most: int) -> None:
        """Have so many in flight together, one for each arm at least."""
        self._most = most
        self.divide()

    def divide(self) -> None:
        """Divide anew, as when an arm has ended. Nothing before the server's first number is known."""
        at_work = [member for member in self._members if not member[1].ended]
        if self._most is None or not at_work:
            return
        each, rest = divmod(self._most, len(at_work))
        for place, (engine, runner) in enumerate(at_work):
            runner.in_flight = max(1, each + (place < rest))
            engine.resize(runner.in_flight)
