"""`batch export`: the requests of every row without an outcome, written to files instead of sent.

The run's folder is opened as `expand` opens it, with the same checks, and the rows are noted in its store as waiting. A row
is committed there before its request file takes its name, so no result can come back to a row that nobody knows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from expander import event_loop
from expander.batch.ledger import Ledger, State
from expander.batch.ledger import opened as open_ledger
from expander.batch.outcomes import asks_again, failed, judged, waiting
from expander.batch.requests import Limits, RequestFiles, Written, request_body, request_line
from expander.endpoint import read_reply
from expander.errors import EndpointError, ExpanderError, UsageError
from expander.exits import Exit
from expander.job import Job
from expander.judging import Judge
from expander.openai_endpoint import Composed, compose
from expander.passing_over import Pending
from expander.post import Post, Unreadable
from expander.progress import Progress
from expander.rows import Row
from expander.service import OFFLINE_MODEL
from expander.session import chained, finish, opened, settle
from expander.settings import WorkSettings
from expander.store import Store

if TYPE_CHECKING:
    from expander.structured.constraint import Constraint

_NO_URL = "http://127.0.0.1/v1"  # requests in a file go nowhere; the SDK composes none without a URL
_COMMIT_EVERY = 256  # rows: what waits in memory for the store
REQUESTS = "requests.jsonl"
MAX_REGENERATIONS = "max_regenerations"
"""The ledger's key: import asks as often as the export was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob(Job):
    """An `expand` command whose requests go into files. A model needs no URL here."""

    @property
    def is_offline(self) -> bool:
        return not self.endpoint.base_url and self.endpoint.model is None

    @property
    def model(self) -> str:
        return self.endpoint.model or OFFLINE_MODEL

    def provenance(self) -> dict[str, object]:
        host = {} if self.endpoint.base_url or self.is_offline else {"endpoint": "batch"}
        return {**super(BatchJob, self).provenance(), **host}


@dataclass(slots=True)
class Exported:
    """What an export came to."""

    files: list[Written] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows that need no request, by why."""
    stale: list[Path] = field(default_factory=list)
    """Files of earlier exports that must not be sent any more."""
    source_error: ExpanderError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The opened run, and what makes requests of its rows."""

    store: Store
    pending: Pending
    judge: Judge
    composed: Composed
    ledger: Ledger
    max_regenerations: int
    request_seed: int | None


def export(job: BatchJob, out: Path | None, limits: Limits, *, console: Console, status: Console) -> Exit:
    """Write the request files and say where they are.

    Raises UsageError as `expand` does, StoreError where a folder or file cannot be written.
    """
    if out is not None and out.is_dir():
        raise UsageError(f"-o {out}: is a folder; name a file, such as {out / REQUESTS}.")
    exported = event_loop.run(_export(job, out or job.folder / REQUESTS, limits))
    finish(job.folder)
    _tell(job, exported, console, status)
    if exported.source_error is not None:
        raise exported.source_error
    return Exit.COMPLETE


async def _export(job: BatchJob, out: Path, limits: Limits) -> Exported:
    job.check()
    posts = job.selected()
    first = next(posts, None)  # an input that cannot be read is found before a folder is made
    urls = job.endpoint.base_url or (_NO_URL,)
    job = replace(job, constraint=_constraint(job))
    composed = compose(
        base_url=urls[0],
        model=job.model,
        endpoint=job.endpoint,
        sampling=job.sampling,
        system=job.loaded_template().system,
        constrained=job.constraint.body() if job.constraint else None,
    )
    exported, progress = Exported(), Progress()
    async with opened(job) as store:
        settle(job, store)
        with open_ledger(job.folder, make=True) as ledger, RequestFiles(out, limits) as files:
            run = _Run(
                store=store,
                pending=Pending(store, job.maker(), progress),
                judge=Judge(job.loaded_template(), job.rule_set()),
                composed=composed,
                ledger=ledger,
                max_regenerations=job.work.max_regenerations,
                request_seed=job.settled_sampling().request_seed,
            )
            await _write_all(run, chained(first, posts), files, exported)
            exported.skipped["done before"] = progress.done_before
            _note(ledger, exported, job.work)
    return exported


def _constraint(job: BatchJob) -> Constraint | None:
    """Nobody can be asked whether a batch will obey it: every reply is judged in any case."""
    if job.structured.structured == "off":
        return None
    from expander.structured.settling import offered

    return offered(job.structured, job.loaded_template(), job.rule_set(), job.sampling, job.endpoint)


async def _write_all(run: _Run, posts: Iterator[Post | Unreadable], files: RequestFiles, exported: Exported) -> None:
    rows = run.pending.rows(posts)
    since_commit = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except ExpanderError as error:  # the input ends in the middle: what was read is good
            exported.source_error = error
            break
        if row is None:
            await asyncio.sleep(0)
            continue
        line = _line(run, row, exported)
        if line is not None:
            if files.is_full_for(line):
                await _finish(run.store, files, exported)
            files.add(row.id, line)
            run.store.keep_row(waiting(row, run.pending.replies.pop(row.id, []), files.name))
        since_commit += 1
        if since_commit >= _COMMIT_EVERY:
            since_commit = 0
            await run.store.flush()
    await _finish(run.store, files, exported)


async def _finish(store: Store, files: RequestFiles, exported: Exported) -> None:
    await store.flush()
    if written := files.finish():
        exported.files.append(written)


def _line(run: _Run, row: Row, exported: Exported) -> bytes | None:
    """The row's request; None where it needs none: a service works on it, or its replies settle it."""
    if run.ledger.is_out(row.id):
        exported.skipped["being worked on by the service"] += 1
        return None
    waiting_replies = run.pending.replies
    replies = waiting_replies.get(row.id, [])
    if replies:
        answer = run.judge.answer(row, read_reply(replies[-1].body), generation=len(replies) - 1)
        if not asks_again(answer, len(replies), run.max_regenerations):
            run.store.keep_row(judged(row, answer, waiting_replies.pop(row.id)))
            exported.skipped["settled by a stored reply"] += 1
            return None
    try:
        seed = row.request_seed(run.request_seed, len(replies))
        return request_line(row.id, request_body(run.composed, row.prompt, seed))
    except EndpointError as error:
        run.store.keep_row(failed(row, error, waiting_replies.pop(row.id, [])))
        exported.skipped[error.kind] += 1
        return None


def _note(ledger: Ledger, exported: Exported, work: WorkSettings) -> None:
    with ledger.transaction():
        ledger.note_export(exported.files)
        ledger.set_meta(MAX_REGENERATIONS, str(work.max_regenerations))
    current = {file.path for file in ledger.files() if file.state is not State.SUPERSEDED}
    superseded = {file.path for file in ledger.files(State.SUPERSEDED)}
    exported.stale = sorted(path for path in superseded - current if path.exists())


def _tell(job: BatchJob, exported: Exported, console: Console, status: Console) -> None:
    for why, count in exported.skipped.items():
        if count:
            status.print(f"{count:,} rows need no request: {why}.")
    for path in exported.stale:
        status.print(f"{path}: of an earlier export; its rows stand in the newest one. Do not send it.", soft_wrap=True)
    for each in exported.files:
        console.print(f"{len(each.row_ids):,} requests in {each.path}", markup=False, soft_wrap=True)
    if not exported.files:
        console.print("No row needs a request; no file was written.")
    console.print(f"Run folder: {job.folder}", markup=False, soft_wrap=True)
