"""What the user sees while arms go on, and when they end: a line an arm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from expander.ablation.arms import Arm
from expander.display import cost
from expander.engine import Engine
from expander.results import Funnel

_LIVE_EVERY = 0.25  # seconds
_PLAIN_EVERY = 10.0  # seconds between lines where nobody looks at a terminal
_COLUMNS = ("arm", "kept", "rejected", "failed", "replies", "tokens", "cost")


async def watch(console: Console, arms: Sequence[Arm], engines: Sequence[Engine]) -> None:
    """Show every arm's progress until cancelled."""

    def lines() -> Iterable[tuple[str, ...]]:
        for arm, engine in zip(arms, engines, strict=True):
            progress, tokens = engine.progress, engine.tokens_spent
            done = progress.done_before + progress.finished
            counted = [done, progress.kept, progress.rejected.total(), progress.failed.total(), progress.in_flight]
            yield (arm.name, *(f"{each:,}" for each in counted), f"{sum(tokens):,}", cost(arm.job.work, tokens))

    heads = ("arm", "done", "kept now", "rejected", "failed", "in flight", "tokens", "cost")
    if not console.is_terminal:
        while True:
            await asyncio.sleep(_PLAIN_EVERY)
            for line in lines():
                told = "  ".join(f"{head}: {cell}" for head, cell in zip(heads[1:], line[1:], strict=True))
                console.print(f"{line[0]}  {told}", markup=False, highlight=False, soft_wrap=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_table(heads, lines()), refresh=True)
            await asyncio.sleep(_LIVE_EVERY)


def summary(arms: Sequence[Arm], counts: Sequence[Funnel]) -> Table:
    """The whole ablation so far, a row an arm."""
    lines = []
    for arm, found in zip(arms, counts, strict=True):
        tokens = found.prompt_tokens, found.completion_tokens
        numbers = [found.kept, sum(found.rejected.values()), sum(found.failed.values()), found.replies, sum(tokens)]
        lines.append((arm.name, *(f"{each:,}" for each in numbers), cost(arm.job.work, tokens)))
    return _table(_COLUMNS, lines)


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    return table
