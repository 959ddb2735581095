"""What a run folder holds for its reader: dialogues.jsonl and rejected.jsonl, written whole or not at all."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from expander.endpoint import ReplyContent, read_reply
from expander.errors import StoreError
from expander.judging import Judge, messages
from expander.post import Post, Redaction
from expander.store import FILE, Outcome, post_of, read_only
from expander.store.messages import damaged
from expander.whole_file import whole_file
from filters.dialogue import Verdict

DIALOGUES = "dialogues.jsonl"
REJECTED = "rejected.jsonl"
QUARANTINE = "quarantine.jsonl"
QUARANTINES = "risk-quarantine"
"""The rule whose rows stand in a file of their own."""

# Rows are put in order by their numbers alone and then looked up one by one: to sort them whole, SQLite would first write
# all posts and replies once more to its temporary files.
_IN_ORDER = "SELECT rowid FROM row {} ORDER BY position, sample, id"
_NAMED = (
    "SELECT count(*) FROM main.row INDEXED BY sqlite_autoindex_row_1"  # row ids, which stand in an index of their own
)
_ROW = """
SELECT row.id, row.sample, row.topic, row.post, row.outcome, row.rule, row.reason,
       reply.body, reply.generation
FROM row LEFT JOIN reply ON reply.id = row.reply_id
WHERE row.rowid = ?
"""
_KEPT = "SELECT id, sample, topic, post, reading FROM row WHERE rowid = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A row as its reader sees it: the post, what came back, and the verdict."""

    id: str
    post: Post
    changes: Mapping[str, int]
    redactions: tuple[Redaction, ...]
    sample: int
    topic: str | None
    outcome: Outcome
    rule: str | None
    reason: str | None
    reply: ReplyContent | None
    generation: int
    verdict: Verdict | None


class Funnel(NamedTuple):
    """How many rows each step took, over all sessions of the run."""

    kept: int
    rejected: Mapping[str, int]
    failed: Mapping[str, int]
    missing: Mapping[str, int]
    tally: Mapping[str, int]
    prompt_tokens: int
    completion_tokens: int
    replies: int
    uncounted: int
    """Replies whose tokens the endpoint did not count, or not all of them."""


def results(
    connection: sqlite3.Connection, judge: Judge, where: str = "", values: tuple[object, ...] = ()
) -> Iterator[Result]:
    """The run's rows in the order of its input, verdicts had anew from the stored replies."""
    for found in _in_order(connection, _ROW, where, values):
        post, changes, redactions = post_of(found["post"])
        reply = read_reply(found["body"]) if found["body"] is not None else None
        yield Result(
            id=found["id"],
            post=post,
            changes=changes,
            redactions=redactions,
            sample=found["sample"],
            topic=found["topic"],
            outcome=Outcome(found["outcome"]),
            rule=found["rule"],
            reason=found["reason"],
            reply=reply,
            generation=found["generation"] or 0,
            verdict=judge.verdict(post, reply) if reply is not None else None,
        )


def write_results(folder: Path, judge: Judge, provenance: Mapping[str, object]) -> None:
    """Write both files from the store. Each replaces the one before only when it is whole.

    Every row is held against its seal, and their number against that of the row ids. Raises StoreError where the store is
    damaged or the folder cannot be written; then both files are as they were.
    """
    connection = read_only(folder)
    written = 0
    try:
        with whole_file(folder / DIALOGUES) as dialogues, whole_file(folder / REJECTED) as rejected:
            for found in _in_order(connection, _KEPT, "WHERE outcome = 'kept'"):
                dialogues.write(orjson.dumps(_kept(found, provenance), option=orjson.OPT_APPEND_NEWLINE))
                written += 1
            for result in results(
                connection, judge, "WHERE row.outcome <> 'kept' AND row.rule IS NOT ?", (QUARANTINES,)
            ):
                rejected.write(orjson.dumps(_not_kept(result), option=orjson.OPT_APPEND_NEWLINE))
                written += 1
            for place, kind, reason in connection.execute("SELECT place, kind, reason FROM missing"):
                rejected.write(orjson.dumps({"id": None, "outcome": kind, "reason": reason, "place": place}) + b"\n")
            written += _write_quarantine(folder / QUARANTINE, connection, judge)
            if written != (named := connection.execute(_NAMED).fetchone()[0]):
                raise damaged(folder / FILE, f"{written:,} rows can be read in it, and it names {named:,}")
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder}: the results could not be written: {error.strerror}. The store is whole: mend that, or "
            "make room where the disk is full, and give the same command again."
        ) from error
    finally:
        connection.close()


def _write_quarantine(path: Path, connection: sqlite3.Connection, judge: Judge) -> int:
    """The dialogues set apart for their risk content; no file where there are none. Gives their number."""
    apart = results(connection, judge, "WHERE row.rule = ?", (QUARANTINES,))
    first = next(apart, None)
    if first is None:
        path.unlink(missing_ok=True)
        return 0
    written = 0
    with whole_file(path) as file:
        for result in chain([first], apart):
            dialogue = result.verdict.dialogue if result.verdict else None
            row = {**_not_kept(result), "messages": messages(dialogue) if dialogue else None}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            written += 1
    return written


def funnel(connection: sqlite3.Connection) -> Funnel:
    """Counts over the whole run."""
    kept = 0
    rejected: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for outcome, rule, count in connection.execute("SELECT outcome, rule, count(*) FROM row GROUP BY outcome, rule"):
        if outcome == Outcome.KEPT:
            kept = count
        else:
            (rejected if outcome == Outcome.REJECTED else failed)[rule] = count
    missing = dict(connection.execute("SELECT kind, count(*) FROM missing GROUP BY kind").fetchall())
    tally = dict(connection.execute("SELECT key, value FROM tally").fetchall())
    sums = connection.execute(
        "SELECT total(prompt_tokens), total(completion_tokens), count(*), count(*) - count(prompt_tokens + completion_tokens)"
        " FROM reply"
    ).fetchone()
    return Funnel(kept, rejected, failed, missing, tally, int(sums[0]), int(sums[1]), sums[2], sums[3])


def _in_order(
    connection: sqlite3.Connection, row: str, where: str = "", values: tuple[object, ...] = ()
) -> Iterator[sqlite3.Row]:
    """What `row` selects of each row, in the order of the input. Raises StoreError for one that is there twice, or not."""
    one = connection.cursor()
    before = None
    for (number,) in connection.execute(_IN_ORDER.format(where), values):
        found = one.execute(row, (number,)).fetchone()
        if found is None or number == before:
            path = getattr(connection, "path", Path(FILE))
            raise damaged(path, f"row {number:,} is {'gone' if found is None else 'there twice'}")
        before = number
        yield found


def _kept(found: sqlite3.Row, provenance: Mapping[str, object]) -> dict[str, Any]:
    post = orjson.loads(found["post"])
    reading = orjson.loads(found["reading"])
    return {
        "id": found["id"],
        "messages": reading.pop("messages"),
        "provenance": {
            **provenance,
            "post_id": post["id"],
            "question_id": post["question_id"],
            "sample": found["sample"],
            "topic": found["topic"],
            "cleaned": post["changes"],
            "redacted": Counter(kind for _, kind, _, _ in post["redactions"]),
            **reading,
        },
    }


def _not_kept(result: Result) -> dict[str, Any]:
    span = result.verdict.rejection.span if result.verdict and result.verdict.rejection else None
    return {
        "id": result.id,
        "post_id": result.post.id,
        "outcome": result.outcome,
        "rule": result.rule,
        "reason": result.reason,
        "span": list(span) if span else None,
        "place": str(result.post.place),
        "topic": result.topic,
        "generation": result.generation,
        "finish_reason": result.reply.finish_reason if result.reply else None,
        "reply": result.reply.text if result.reply else None,
    }
