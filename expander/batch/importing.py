"""`batch import`: results into the run's store, with the promises of a run that sends by itself.

A reply is committed before it is judged. A row that has its outcome takes no other reply, and a reply that is stored already
is not stored again, so a file may be imported any number of times, whole or after a kill in its middle.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from expander import event_loop
from expander.batch.exporting import MAX_REGENERATIONS
from expander.batch.ledger import opened
from expander.batch.outcomes import ASKED_ANEW, WAITING, asked_anew, asks_again, failed, judged
from expander.batch.replies import BrokenLine, FailureLine, ReplyLine, ResultLine, result_lines
from expander.consoles import printable
from expander.display import summary
from expander.endpoint import read_reply
from expander.errors import EndpointError, UsageError
from expander.exits import Exit
from expander.judging import Judge
from expander.post import Place
from expander.results import REJECTED, Funnel, funnel, write_results
from expander.rows import Row
from expander.settings import WorkSettings
from expander.store import NewReply, Outcome, Store, StoredReply, post_of, read_only
from expander.stored_run import stored_run

_GROUP = 256  # lines that are committed together; a commit costs as much as judging some ten replies
_NAMED = 20  # broken lines and unknown ids that are named; the rest is counted
_ROW = "SELECT position, sample, topic, post, outcome, rule, replies FROM row WHERE id = ?"


@dataclass(slots=True)
class Imported:
    """What an import came to, in lines."""

    replies: int = 0
    duplicates: int = 0
    """Replies that were stored before, or came to a row that has its outcome."""
    failures: Counter[str] = field(default_factory=Counter)
    """Rows that got no reply, by kind; each counted when its failure was first met."""
    repeated_failures: int = 0
    broken: list[BrokenLine] = field(default_factory=list)
    broken_lines: int = 0
    unknown: list[Place] = field(default_factory=list)
    unknown_ids: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.broken_lines and not self.unknown_ids


class _Standing(NamedTuple):
    row: Row
    outcome: Outcome
    rule: str | None
    replies: int
    """Replies that the row knows of."""


class Importer:
    """Takes results into an open store. Use within one event loop; raises StoreError."""

    def __init__(self, store: Store, reader: sqlite3.Connection, judge: Judge, max_regenerations: int) -> None:
        self.imported = Imported()
        self._store = store
        self._reader = reader
        self._judge = judge
        self._max_regenerations = max_regenerations
        self._replies = store.pending()

    async def settle(self) -> None:
        """Judge what an import that died had stored and not yet judged."""
        for row_id, replies in list(self._replies.items()):
            found = self._find(row_id)
            if found is not None and found.replies < len(replies):
                self._end(found.row, replies)
        await self._store.flush()

    async def take(self, lines: Iterable[ResultLine]) -> None:
        """Store and judge the lines, in groups with no row twice."""
        group: dict[str, ReplyLine | FailureLine] = {}
        for line in lines:
            if isinstance(line, BrokenLine):
                self._note_broken(line)
                continue
            if line.row_id in group or len(group) >= _GROUP:
                await self._take_group(group.values())
                group = {}
            group[line.row_id] = line
        await self._take_group(group.values())

    async def give_up(self, row_ids: Iterable[str], error: EndpointError) -> None:
        """Note of those rows that still wait that their batch has ended without them."""
        for done, row_id in enumerate(row_ids, 1):
            found = self._find(row_id)
            if found is not None and found.outcome is Outcome.FAILED and found.rule == WAITING:
                self._fail(found.row, error)
            if done % _GROUP == 0:
                await self._store.flush()
        await self._store.flush()

    async def _take_group(self, lines: Iterable[ReplyLine | FailureLine]) -> None:
        new: list[tuple[Row, ReplyLine]] = []
        for line in lines:
            found = self._find(line.row_id)
            if found is None:
                self.imported.unknown_ids += 1
                if len(self.imported.unknown) < _NAMED:
                    self.imported.unknown.append(line.place)
            elif isinstance(line, FailureLine):
                if found.outcome is Outcome.FAILED and found.rule == WAITING:
                    self._fail(found.row, line.error)
                else:
                    self.imported.repeated_failures += 1
            elif found.outcome is not Outcome.FAILED or self._is_stored(line):
                self.imported.duplicates += 1
            else:
                new.append((found.row, line))
        await self._keep(new)
        await self._store.flush()

    async def _keep(self, new: list[tuple[Row, ReplyLine]]) -> None:
        stored = await asyncio.gather(*(self._store.keep_reply(self._new_reply(line)) for _, line in new))
        for (row, line), reply_id in zip(new, stored, strict=True):
            replies = self._replies.setdefault(row.id, [])
            replies.append(StoredReply(reply_id, row.id, len(replies), line.body))
            self._end(row, replies)
        self.imported.replies += len(new)

    def _new_reply(self, line: ReplyLine) -> NewReply:
        return NewReply(
            row_id=line.row_id,
            generation=len(self._replies.get(line.row_id, ())),
            seconds=0.0,  # nobody says how long one row of a batch took
            prompt_tokens=line.content.prompt_tokens,
            completion_tokens=line.content.completion_tokens,
            body=line.body,
        )

    def _is_stored(self, line: ReplyLine) -> bool:
        return any(reply.body == line.body for reply in self._replies.get(line.row_id, ()))

    def _end(self, row: Row, replies: list[StoredReply]) -> None:
        """Judge the row by its last reply; a row that is finished needs its replies no longer."""
        answer = self._judge.answer(row, read_reply(replies[-1].body), generation=len(replies) - 1)
        if asks_again(answer, len(replies), self._max_regenerations):
            self._store.keep_row(asked_anew(row, answer, replies))
            return
        self._store.keep_row(judged(row, answer, replies))
        self._replies.pop(row.id, None)

    def _fail(self, row: Row, error: EndpointError) -> None:
        self.imported.failures[error.kind] += 1
        self._store.count(f"attempt:{error.kind}")
        self._store.keep_row(failed(row, error, self._replies.get(row.id, ())))

    def _find(self, row_id: str) -> _Standing | None:
        found = self._reader.execute(_ROW, (row_id,)).fetchone()
        if found is None:
            return None
        post, changes, redactions = post_of(found["post"])
        row = Row(
            id=row_id,
            position=found["position"],
            post=post,
            changes=changes,
            redactions=redactions,
            sample=found["sample"],
            topic=found["topic"],
            prompt="",  # it has been sent; no rule looks at it
        )
        replies = found["replies"].count(",") + 1 if found["replies"] else 0
        return _Standing(row, Outcome(found["outcome"]), found["rule"], replies)

    def _note_broken(self, line: BrokenLine) -> None:
        self.imported.broken_lines += 1
        if len(self.imported.broken) < _NAMED:
            self.imported.broken.append(line)


def import_results(folder: Path, files: list[Path], *, console: Console, status: Console) -> Exit:
    """Import the files in their order, write the run's results, and say what came of it.

    COMPLETE when every row has its outcome and every line was understood, ROWS_FAILED otherwise. Raises UsageError for a
    folder without an exported batch or a file that cannot be read, StoreError where the run cannot be written.
    """
    for path in files:
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file. Name files of batch results.")
    imported = event_loop.run(_import(folder, files))
    return report(folder, imported, console, status)


async def _import(folder: Path, files: list[Path]) -> Imported:
    async with importing(folder) as importer:
        for path in files:
            await importer.take(result_lines(path))
    write(folder)
    return importer.imported


@asynccontextmanager
async def importing(folder: Path) -> AsyncIterator[Importer]:
    """The run's store open for results; what an import that died had left is settled first.

    Raises UsageError where nothing was exported from the run, and as `Store` does.
    """
    read_only(folder).close()
    with opened(folder) as ledger:
        regenerations = int(ledger.meta(MAX_REGENERATIONS) or 0)
    run = stored_run(folder)
    # The reader after the store, which looks at its files before any connection of this process holds locks on them.
    async with Store(folder) as store:
        with closing(read_only(folder)) as reader:
            importer = Importer(store, reader, Judge(run.template, run.rules), regenerations)
            await importer.settle()
            yield importer


def write(folder: Path) -> None:
    """Write the run's result files from its store. Raises StoreError."""
    run = stored_run(folder)
    write_results(folder, Judge(run.template, run.rules), run.provenance)


def report(folder: Path, imported: Imported, console: Console, status: Console) -> Exit:
    """Say what the lines were, and how the whole run stands."""
    for what in _remarks(imported):
        status.print(what, markup=False, soft_wrap=True)
    with closing(read_only(folder)) as connection:
        counts = funnel(connection)
    console.print(summary(folder, counts, WorkSettings()))
    if counts.failed:
        status.print(_to_be_asked(counts), style="bold")
    if counts.missing.get("unreadable"):
        status.print(f"Some input rows are unreadable: {folder / REJECTED} says where and why.", style="bold")
    complete = imported.is_clean and not counts.failed and not counts.missing.get("unreadable")
    return Exit.COMPLETE if complete else Exit.ROWS_FAILED


def _remarks(imported: Imported) -> Iterator[str]:
    yield f"{imported.replies:,} replies taken in, {imported.duplicates:,} ignored that were there before."
    for kind, count in sorted(imported.failures.items()):
        yield f"{count:,} rows got no reply: {kind}."
    if imported.repeated_failures:
        yield f"{imported.repeated_failures:,} failures were known before, or of rows that have a reply since."
    for line in imported.broken:
        yield printable(f"{line.place}: {line.reason}")
    if imported.broken_lines > len(imported.broken):
        yield f"... and {imported.broken_lines - len(imported.broken):,} more lines that are no results."
    for place in imported.unknown:
        yield printable(f"{place}: its custom_id is no row of this run; is it of another one?")
    if imported.unknown_ids > len(imported.unknown):
        yield f"... and {imported.unknown_ids - len(imported.unknown):,} more lines of rows that this run has not."


def _to_be_asked(counts: Funnel) -> str:
    waiting = counts.failed.get(WAITING, 0)
    again = sum(counts.failed.values()) - waiting
    said = [f"{waiting:,} rows wait for their results"] if waiting else []
    if again:
        anew = counts.failed.get(ASKED_ANEW, 0)
        said.append(
            f"{again:,} rows are asked for again by the next `batch export`"
            + (f", {anew:,} of them because no reply passed the rules" if anew else "")
        )
    return "; ".join(said) + "."
