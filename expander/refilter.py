"""`filter`: a run's verdicts anew from its stored replies, under other rules. Sends nothing.

Rows are judged in batches, in as many processes as there are cores, and updated together with the run's rules in one
transaction: a kill, a full disk or Ctrl-C leaves the run wholly as it was. Memory does not grow with the run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import IO, NamedTuple

import orjson

from expander.errors import StoreError, UsageError
from expander.judging import Judge
from expander.many_processes import mapping
from expander.rejudging import Change, Refiltered, Standing, change, standing
from expander.results import write_results
from expander.store import FILE, SCHEMA, Outcome, StoredReply, post_of, read_only
from expander.store.damage import check_files, check_moderate
from expander.store.functions import add_function, raise_what_ended_it
from expander.store.lock import locked
from expander.store.messages import damaged
from expander.store.schema import check_version, seal, sealed
from expander.stored_run import StoredRun, rules_text, stored_run, template_text
from expander.whole_file import whole_file
from filters.rules import RuleSet
from prompts import Template

_BATCH = 250  # rows; some 2 MB with their posts and replies
_IN_ONE_PROCESS = 3_000  # rows that are judged in 0.3 s, before other processes have started

# Failed rows are left out: they stay failed, and the next `expand` asks for them again.
_JUDGED = """
SELECT row.rowid, reply.id FROM reply JOIN row ON row.id = reply.row_id WHERE row.outcome <> 'failed'
ORDER BY row.position, row.sample, reply.id
"""
_STANDING = "SELECT id, post, outcome, rule, reason, reply_id, reading FROM row WHERE rowid = ?"
_REPLY = "SELECT id, row_id, generation, body FROM reply WHERE id = ?"
_UPDATE = (
    "UPDATE row SET outcome = ?1, rule = ?2, reason = ?3, reply_id = ?4, reading = ?5, seal = "
    "seal(id, position, post_id, sample, topic, post, ?1, ?2, ?3, replies, ?4, ?5) WHERE id = ?6"
)

_Batch = list[tuple[int, tuple[int, ...]]]
"""Rows by their number in the store, each with its replies', oldest first."""


class _Judged(NamedTuple):
    """What became of a batch."""

    rows: int
    kept_before: int
    kept: int
    changes: list[Change]


def refilter(
    folder: Path,
    rules: RuleSet,
    *,
    template: Template | None = None,
    changes: Path | None = None,
    dry_run: bool = False,
) -> Refiltered:
    """Judge every row that has a reply by `rules`, and write what changed: store, dialogues.jsonl and rejected.jsonl.

    The run's settings follow, so that `expand` goes on under these rules. `template` is the run's own with other demands on
    a reply (labels, turns); its words must be those that were sent. `changes` gets a line for each row that changed.
    The store changes before the result files: if those cannot be written, the same call writes them.
    A dry run writes nothing but `changes`.

    Raises UsageError: no run there, another process works on it, or other words in `template`; StoreError where something
    cannot be written.
    """
    read_only(folder).close()  # before a lock is left in a folder that holds no run
    with ExitStack() as held:
        held.enter_context(_as_store_errors(folder))
        if not dry_run:
            held.enter_context(locked(folder, "Wait for it; --dry-run only looks, and needs no waiting."))
            check_files(folder / FILE)
            check_moderate(folder / FILE)
        run = stored_run(folder)
        judge = Judge(_settled_template(run, template, folder), rules)
        result = Refiltered()
        mapped = held.enter_context(mapping(alone=_rows(folder) < _IN_ONE_PROCESS))
        with _transaction(folder, dry_run=dry_run) as writer, _changes_file(changes) as listed:
            for judged in mapped(partial(_rejudge, folder, judge), _batches(folder)):
                result.add(judged.rows, judged.kept_before, judged.kept, judged.changes)
                if writer is not None:
                    writer.executemany(_UPDATE, ((*changed.after, changed.id) for changed in judged.changes))
                if listed is not None:
                    listed.writelines(map(_line, judged.changes))
            if writer is not None:
                settled = (sealed(*item) for item in _meta(run, template, rules).items())
                writer.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", settled)
        if not dry_run:
            write_results(folder, judge, _provenance(run, template))
    return result


# One row


def _rejudge(folder: Path, judge: Judge, batch: _Batch) -> _Judged:
    """Judge a batch; runs in any process."""
    kept_before = kept = 0
    changes: list[Change] = []
    with closing(read_only(folder)) as connection:
        for number, reply_ids in batch:
            row_id, post_text, outcome, *rest = connection.execute(_STANDING, (number,)).fetchone()
            before = Standing(Outcome(outcome), *rest)
            replies = [StoredReply(*connection.execute(_REPLY, (reply,)).fetchone()) for reply in reply_ids]
            after = standing(judge, post_of(post_text)[0], replies)
            kept_before += before.outcome is Outcome.KEPT
            kept += after.outcome is Outcome.KEPT
            if changed := change(row_id, before, after):
                changes.append(changed)
    return _Judged(len(batch), kept_before, kept, changes)


def _line(changed: Change) -> bytes:
    content = {
        "id": changed.id,
        "from": changed.before.label,
        "to": changed.after.label,
        "reason": changed.after.reason,
    }
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _batches(folder: Path) -> Iterator[_Batch]:
    """All rows that have a reply, in the order of the input."""
    with closing(read_only(folder)) as connection:
        by_row = groupby(connection.execute(_JUDGED), key=lambda found: found[0])
        rows = ((number, tuple(found[1] for found in replies)) for number, replies in by_row)
        while batch := list(islice(rows, _BATCH)):
            yield batch


# The run


def _rows(folder: Path) -> int:
    with closing(read_only(folder)) as connection:
        return int(connection.execute("SELECT count(*) FROM row").fetchone()[0])


@contextmanager
def _transaction(folder: Path, *, dry_run: bool) -> Iterator[sqlite3.Connection | None]:
    """A connection whose writes all count when the block ends well, and else none; None for a dry run."""
    if dry_run:
        yield None
        return
    with closing(sqlite3.connect(folder / FILE, isolation_level=None, timeout=30)) as connection:
        version = check_version(folder / FILE, connection)
        if version != SCHEMA:
            raise UsageError(
                f"{folder / FILE}: of an earlier schema ({version}). Give the run's `expand` command once: it brings the store "
                "to this one, and keeps the old file."
            )
        add_function(connection, "seal", seal, pure=True)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise


@contextmanager
def _as_store_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, BrokenProcessPool) as error:
        raise_what_ended_it()
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise damaged(folder / FILE, str(error)) from error
        raise StoreError(
            f"{folder / FILE}: could not be read or updated: {error}. It is whole, as it was or wholly under the new rules; "
            "make room or mend the folder, then give the same command again."
        ) from error


@contextmanager
def _changes_file(path: Path | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error.strerror}. Nothing was changed.") from error


def _settled_template(run: StoredRun, template: Template | None, folder: Path) -> Template:
    if template is None:
        return run.template
    if template.sha256 != run.template.sha256:
        raise UsageError(
            f"--template {template.name}: its words are not those that {folder} sent, so its replies answer another prompt. "
            "Only what it demands of a reply may differ; leave --template out to keep the run's own."
        )
    return template


def _meta(run: StoredRun, template: Template | None, rules: RuleSet) -> dict[str, str]:
    """What the run's folder says of itself from now on."""
    settings = {**run.settings, "rules": rules.fingerprint()}
    meta = {"rules": rules_text(rules)}
    if template is not None:
        settings |= {"format": asdict(template.format), "template_name": template.name}
        meta |= {
            "template": template_text(template),
            "provenance": orjson.dumps(_provenance(run, template)).decode(),
        }
    meta["settings"] = orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode()
    return meta


def _provenance(run: StoredRun, template: Template | None) -> dict[str, object]:
    if template is None:
        return dict(run.provenance)
    return {**run.provenance, "template": template.name, "template_source": template.source}
