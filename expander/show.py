"""`show`: a post beside its dialogue, or beside what came instead."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from expander.consoles import printable
from expander.display import summary
from expander.errors import UsageError
from expander.results import Result, funnel, results
from expander.settings import WorkSettings
from expander.store import Outcome, read_only
from expander.stored_run import stored_judge
from filters.dialogue import Dialogue, Role

_STYLES = {Role.CLIENT: "cyan", Role.COUNSELOR: "green"}


def show(run: Path, row_id: str | None, *, console: Console) -> None:
    """Print one row of a run, by its id, its post's id, or the beginning of either; without an id, the run and its
    first dialogue.

    Raises UsageError: no run there, no such row, several rows that begin so.
    """
    judge = stored_judge(run)
    connection = read_only(run)
    try:
        if row_id is None:
            console.print(summary(run, funnel(connection), WorkSettings()))
            where, values = "WHERE row.outcome = ?", (str(Outcome.KEPT),)
            found = next(iter(results(connection, judge, where, values)), None)
            if found is None:
                found = next(iter(results(connection, judge)), None)
            matches = [found] if found else []
        else:
            if not row_id.isalnum():
                raise UsageError(f"{row_id!r} is no id. Ids stand in {run}/dialogues.jsonl and rejected.jsonl.")
            pattern = f"{row_id}%"
            where = "WHERE row.id LIKE ? OR row.post_id LIKE ?"
            matches = list(results(connection, judge, where, (pattern, pattern)))
            if not matches:
                raise UsageError(
                    f"{run}: no row's or post's id begins with {row_id}. Ids stand in dialogues.jsonl and rejected.jsonl."
                )
            posts = {match.post.id for match in matches}
            if len(posts) > 1:
                raise UsageError(
                    f"{row_id} begins the ids of {len(matches)} rows: {', '.join(m.id for m in matches[:5])} ..."
                )
    finally:
        connection.close()
    for result in matches:
        console.print(_panel(result))


def _panel(result: Result) -> Table:
    post = Text(overflow="fold")
    for name, text in (
        ("question", result.post.title),
        ("description", result.post.description),
        ("answer", result.post.answer),
    ):
        if text:
            post.append(f"{name}\n", "bold").append(printable(text) + "\n\n")
    if result.topic:
        post.append("topic\n", "bold").append(result.topic + "\n\n")
    if result.changes:
        post.append("cleaned: " + ", ".join(f"{name} x {count}" for name, count in result.changes.items()), "dim")
    if result.redactions:
        post.append(
            "\nredacted: " + ", ".join(f"{entry.kind} in the {entry.field}" for entry in result.redactions), "dim"
        )
    table = Table.grid(expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    title = f"{result.id}  {result.outcome}"
    table.add_row(
        Panel(post, title=str(result.post.place), title_align="left"),
        Panel(_right(result), title=title, title_align="left"),
    )
    return table


def _right(result: Result) -> Text:
    text = Text(overflow="fold")
    if result.outcome is not Outcome.KEPT:
        text.append(f"{result.rule}: {printable(result.reason or '')}\n\n", "bold red")
    verdict = result.verdict
    if result.outcome is Outcome.KEPT and verdict is not None and verdict.dialogue is not None:
        _append_dialogue(text, verdict.dialogue)
    elif result.reply is not None:
        text.append(printable(result.reply.text or "(an empty reply)"))
    if verdict is not None and verdict.repairs:
        repairs = ", ".join(f"{repair.name} x {repair.times}" for repair in verdict.repairs)
        text.append(f"\nrepairs: {repairs}", "dim")
    return text


def _append_dialogue(text: Text, dialogue: Dialogue) -> None:
    for role, said in dialogue.utterances:
        text.append(f"{role}  ", f"bold {_STYLES[role]}").append(printable(said) + "\n")
