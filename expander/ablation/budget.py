"""One budget for all arms: tokens and money are counted over the whole ablation, earlier sessions included."""

from __future__ import annotations

from collections.abc import Sequence

from expander.engine import Engine
from expander.progress import Stop, StopReason
from expander.settings import WorkSettings


class Budget:
    """Stops every arm once the bounds of `work` are reached; prices are each arm's own."""

    def __init__(self, work: WorkSettings) -> None:
        self._work = work
        self._arms: Sequence[tuple[Engine, WorkSettings]] = ()

    def watch(self, arms: Sequence[tuple[Engine, WorkSettings]]) -> None:
        self._arms = arms

    def spent(self) -> None:
        """Something was spent: stop where it was too much."""
        work = self._work
        if work.max_total_tokens is not None:
            tokens = sum(sum(engine.tokens_charged) for engine, _ in self._arms)
            if tokens >= work.max_total_tokens:
                self._stop(f"{tokens:,} tokens used; --max-total-tokens is {work.max_total_tokens:,}.")
        if work.max_cost is not None:
            costs = [own.cost(*engine.tokens_charged) for engine, own in self._arms]
            if (cost := sum(each or 0.0 for each in costs)) >= work.max_cost:
                self._stop(f"{cost:.4f} {work.currency} spent; --max-cost is {work.max_cost:g}.")

    def _stop(self, why: str) -> None:
        for engine, _ in self._arms:
            engine.drain(StopReason(Stop.BUDGET, why))
