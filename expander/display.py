"""What the user sees while a run goes on and when it ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from expander.progress import Progress
from expander.results import DIALOGUES, REJECTED, Funnel
from expander.settings import WorkSettings

if TYPE_CHECKING:
    from expander.vllm_server.feeding import Feeder

_LIVE_EVERY = 0.25  # seconds
_PLAIN_EVERY = 10.0  # seconds between lines where nobody looks at a terminal
_RATE_OVER = 30.0  # seconds; replies come in waves, and a rate over one wave says little


class Clock:
    """Rate and time left, from how many rows were finished when."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque([(self.started, 0)])

    def rate(self, finished: int) -> float:
        """Rows a second over the last half minute."""
        now = time.monotonic()
        self._seen.append((now, finished))
        while now - self._seen[0][0] > _RATE_OVER:
            self._seen.popleft()
        then, before = self._seen[0]
        return (finished - before) / (now - then) if now > then else 0.0


def fields(progress: Progress, work: WorkSettings, tokens: tuple[int, int], clock: Clock) -> dict[str, str]:
    """Everything the live display and the plain lines say, by name."""
    rate = clock.rate(progress.finished)
    total = progress.total_rows
    done = progress.finished + progress.done_before
    left = (max(0, total - done) / rate) if total is not None and rate > 0 else None
    return {
        "done": f"{done:,}" + (f" of {'' if progress.input_ended else 'about '}{total:,}" if total is not None else ""),
        "kept": f"{progress.kept:,}",
        "rejected": f"{progress.rejected.total():,}",
        "failed": f"{progress.failed.total():,}",
        "asked anew": f"{progress.regenerated:,}",
        "in flight": f"{progress.in_flight:,}",
        "retrying": f"{progress.retrying:,}",
        "rate": f"{rate:.1f} rows/s",
        "ETA": duration(left) if left is not None else "unknown",
        "tokens": f"{sum(tokens):,}"
        + (f" + {progress.tokens_unknown:,} uncounted replies" if progress.tokens_unknown else ""),
        "cost": cost(work, tokens),
    }


def cost(work: WorkSettings, tokens: tuple[int, int]) -> str:
    amount = work.cost(*tokens)
    return "price unknown" if amount is None else f"{amount:.4f} {work.currency}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


async def watch(
    console: Console,
    progress: Progress,
    work: WorkSettings,
    tokens: Callable[[], tuple[int, int]],
    total: Callable[[], int | None],
) -> None:
    """Show the progress until cancelled: a live block on a terminal, a line now and then elsewhere."""
    clock = Clock()

    def current() -> dict[str, str]:
        progress.total_rows = total()
        return fields(progress, work, tokens(), clock)

    if not console.is_terminal:
        while True:
            await asyncio.sleep(_PLAIN_EVERY)
            console.print("  ".join(f"{name}: {value}" for name, value in current().items()), soft_wrap=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_block(progress, current()), refresh=True)
            await asyncio.sleep(_LIVE_EVERY)


def _block(progress: Progress, shown: Mapping[str, str]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    names = [name for name in shown if name not in {"done", "ETA", "rate"}]
    for start in range(0, len(names), 4):
        cells = [Text.assemble((f"{name} ", "dim"), shown[name]) for name in names[start : start + 4]]
        grid.add_row(*cells)
    head = Text.assemble((shown["done"], "bold"), f" rows   {shown['rate']}   ETA {shown['ETA']}")
    bar = ProgressBar(total=progress.total_rows or None, completed=progress.finished + progress.done_before, width=60)
    return Group(head, bar, grid) if progress.total_rows else Group(head, grid)


def fed_line(feeder: Feeder) -> str:
    """What the job's own server made of the requests."""
    served = feeder.served
    rate = "no prompt was looked up in it" if served.hit_rate is None else f"{served.hit_rate:.1%} of prompt tokens"
    return (
        f"vLLM: {served.prompt_tokens:,} prompt and {served.generation_tokens:,} generated tokens; prefix cache: {rate}; "
        f"{served.preemptions:,} preemptions; {feeder.state.concurrency} requests in flight at the end."
    )


def summary(folder: Path, funnel: Funnel, work: WorkSettings) -> RenderableType:
    """The whole run so far: what became of every row, what it cost, where the results are."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    rejected, failed = sum(funnel.rejected.values()), sum(funnel.failed.values())
    for kind, count in sorted(funnel.missing.items()):
        table.add_row(f"{count:,}", f"input rows {kind}, each named in {REJECTED}")
    table.add_row(f"{funnel.kept + rejected + failed:,}", "rows with an outcome")
    table.add_row(f"{failed:,}", "failed: no reply")
    for rule, count in sorted(funnel.failed.items(), key=lambda item: -item[1]):
        table.add_row("", f"  {count:,} {rule}")
    table.add_row(f"{rejected:,}", "rejected by a rule")
    for rule, count in sorted(funnel.rejected.items(), key=lambda item: -item[1]):
        table.add_row("", f"  {count:,} {rule}")
    table.add_row(Text(f"{funnel.kept:,}", "bold"), Text("dialogues kept", "bold"))
    vain = {key.removeprefix("attempt:"): count for key, count in funnel.tally.items() if key.startswith("attempt:")}
    table.add_row(f"{funnel.replies + sum(vain.values()):,}", f"requests answered, {funnel.replies:,} with a reply")
    for kind, count in sorted(vain.items()):
        table.add_row("", f"  {count:,} {kind}")
    tokens = funnel.prompt_tokens, funnel.completion_tokens
    table.add_row(
        f"{sum(tokens):,}", f"tokens ({tokens[0]:,} in prompts, {tokens[1]:,} in replies); {cost(work, tokens)}"
    )
    if funnel.uncounted:
        table.add_row("", f"  and those of {funnel.uncounted:,} replies that the endpoint did not count")
    files = Text.assemble("Dialogues: ", (str(folder / DIALOGUES), "bold"), f"\nThe rest:  {folder / REJECTED}")
    return Group(table, files)
