"""What the user sees when an annotation run ends."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from expander.annotation.writing import ANNOTATIONS, CORPUS
from expander.display import cost
from expander.results import Funnel
from expander.settings import WorkSettings


def summary(folder: Path, funnel: Funnel, work: WorkSettings, *, corpus: bool) -> RenderableType:
    """The whole run so far: what became of every request, what it cost, where the results are."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    rejected, failed = sum(funnel.rejected.values()), sum(funnel.failed.values())
    for kind, count in sorted(funnel.missing.items()):
        remark = "share the answer of an equal one" if kind == "duplicate" else f"each named in {ANNOTATIONS}"
        table.add_row(f"{count:,}", f"entries {kind}: {remark}")
    table.add_row(f"{funnel.kept + rejected + failed:,}", "requests with an outcome")
    table.add_row(f"{failed:,}", "failed: no reply")
    for rule, count in sorted(funnel.failed.items(), key=lambda item: -item[1]):
        table.add_row("", f"  {count:,} {rule}")
    table.add_row(f"{rejected:,}", "answers that could not be read, kept as they are")
    table.add_row(Text(f"{funnel.kept:,}", "bold"), Text("answers read", "bold"))
    vain = {key.removeprefix("attempt:"): count for key, count in funnel.tally.items() if key.startswith("attempt:")}
    table.add_row(f"{funnel.replies + sum(vain.values()):,}", f"requests answered, {funnel.replies:,} with a reply")
    for kind, count in sorted(vain.items()):
        table.add_row("", f"  {count:,} {kind}")
    tokens = funnel.prompt_tokens, funnel.completion_tokens
    table.add_row(
        f"{sum(tokens):,}", f"tokens ({tokens[0]:,} in prompts, {tokens[1]:,} in replies); {cost(work, tokens)}"
    )
    files = Text.assemble("Annotations: ", (str(folder / ANNOTATIONS), "bold"))
    if corpus:
        files.append(f"\nThe corpus with its labels, for `report`: {folder / CORPUS}")
    return Group(table, files)
