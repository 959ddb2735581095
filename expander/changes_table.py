"""What judging a run anew changed, for a terminal: rules, counts and ids, never a text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from expander.rejudging import Refiltered


def changes_table(result: Refiltered) -> RenderableType:
    """The ways that rows went, the most used first, and the totals below."""
    table = Table("from", "to", box=None, pad_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("for example", overflow="fold")
    for (before, after), count in result.moved.most_common():
        table.add_row(before, after, f"{count:,}", "  ".join(result.examples[before, after]))
    moved = result.moved.total()
    lines = [
        f"{result.rows:,} rows judged anew; {moved:,} changed. Kept: {result.kept_before:,} before, {result.kept:,} now."
    ]
    if result.amended:
        lines.append(f"{result.amended:,} more stand as before, with another reason or reading.")
    return Group(*([table] if moved else []), *lines)
