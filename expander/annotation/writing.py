"""What an annotation run's folder holds for its reader: annotations.jsonl, and corpus.jsonl with the labels in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from expander.annotation.subjects import Subject
from expander.annotation.task import AnnotationMaker, Reading, Task
from expander.annotation.utterances import Utterances
from expander.endpoint import read_reply
from expander.errors import StoreError
from expander.judging import messages
from expander.post import Unreadable
from expander.rows import Row
from expander.store import Kind, Outcome, read_only
from expander.whole_file import whole_file
from filters.dialogue import CorpusEntry

ANNOTATIONS = "annotations.jsonl"
CORPUS = "corpus.jsonl"
LABELS = "annotations"
"""Where `analysis` looks for the topics of a dialogue first."""
GIVEN = "given "
"""Put before a key of the corpus's own whose place the new labels take."""

_ROW = """
SELECT row.outcome, row.rule, row.reason, row.reading, reply.body, reply.generation
FROM row LEFT JOIN reply ON reply.id = row.reply_id WHERE row.id = ?
"""


class Asked(NamedTuple):
    """A subject, and the corpus's entry that it is of: the first one of a pair."""

    subject: Subject
    entry: CorpusEntry


def write_annotations(
    folder: Path,
    task: Task,
    maker: AnnotationMaker,
    asked: Callable[[], Iterator[Asked | Unreadable]],
    made_by: Mapping[str, object],
    *,
    corpus: bool,
) -> None:
    """Write the files from the store: a line for each subject of the corpus as it is now, in its order.

    A subject without an outcome is there too and says so. Each file replaces the one before only when it is whole.
    Raises StoreError where the folder cannot be written.
    """
    try:
        with closing(read_only(folder, Kind.ANNOTATION)) as store:
            with whole_file(folder / ANNOTATIONS) as file:
                for number, one in enumerate(asked()):
                    line = (
                        _missing(one) if isinstance(one, Unreadable) else _annotation(store, task, maker, number, one)
                    )
                    file.write(_line({**line, "made_by": made_by}))
            if corpus:
                with whole_file(folder / CORPUS) as file:
                    for number, one in enumerate(asked()):
                        if not isinstance(one, Unreadable):
                            file.write(_line(_labelled(store, task, maker, number, one, made_by)))
    except OSError as error:
        raise StoreError(
            f"{folder}: the results could not be written: {error.strerror}. The store is whole; "
            "make room and give the same command again."
        ) from error


class _Reply(NamedTuple):
    """What became of one request."""

    reading: Reading | None
    said: dict[str, Any]


def _replies(store: sqlite3.Connection, maker: AnnotationMaker, number: int, subject: Subject) -> list[_Reply]:
    return [_reply(store, row) for row in maker.rows(number, subject) if isinstance(row, Row)]


def _reply(store: sqlite3.Connection, row: Row) -> _Reply:
    found = store.execute(_ROW, (row.id,)).fetchone()
    if found is None:
        return _Reply(None, {"outcome": "unanswered", "reason": "the run has not come to it"})
    content = read_reply(found["body"]) if found["body"] is not None else None
    said = {
        "outcome": {Outcome.KEPT: "read", Outcome.REJECTED: "unparseable"}.get(found["outcome"], found["outcome"]),
        "rule": found["rule"],
        "reason": found["reason"],
        "raw": content.text if content else None,
        "model": content.model if content else None,
        "generation": found["generation"],
    }
    return _Reply(orjson.loads(found["reading"]) if found["reading"] is not None else None, said)


def _annotation(
    store: sqlite3.Connection, task: Task, maker: AnnotationMaker, number: int, one: Asked
) -> dict[str, Any]:
    replies = _replies(store, maker, number, one.subject)
    outcomes = [reply.said["outcome"] for reply in replies if reply.said["outcome"] != "read"]
    return {
        "id": one.entry.id,
        "question_id": one.subject.question_id,
        "task": task.name,
        "outcome": outcomes[0] if outcomes else "read" if replies else "nothing to ask",
        **(task.record(one.subject, [reply.reading for reply in replies]) if replies else {"labels": None}),
        "replies": [reply.said for reply in replies],
    }


def _missing(one: Unreadable) -> dict[str, Any]:
    return {"id": None, "outcome": "unreadable", "place": str(one.place), "reason": one.reason}


def _labelled(
    store: sqlite3.Connection,
    task: Task,
    maker: AnnotationMaker,
    number: int,
    one: Asked,
    made_by: Mapping[str, object],
) -> dict[str, Any]:
    """The dialogue as OpenAI messages, everything else its corpus says of it beside."""
    entry, extra = one.entry, dict(one.entry.extra)
    replies = _replies(store, maker, number, one.subject)
    record = task.record(one.subject, [reply.reading for reply in replies]) if replies else {"labels": None}
    said: list[dict[str, Any]] = [{**message} for message in messages(entry.dialogue)]
    others = extra.pop("utterances", None)
    if isinstance(others, list | tuple):
        said = [{**other, **message} for other, message in zip(others, said, strict=True)]
    if isinstance(task, Utterances):
        labels = record["labels"] or [None] * len(said)
        said = [_with(message, task.labels.key, label) for message, label in zip(said, labels, strict=True)]
    else:
        extra = _with(extra, LABELS, record["labels"])
    if isinstance(system := extra.get("system"), str):
        del extra["system"]
        said.insert(0, {"role": "system", "content": system})
    question = {} if entry.question_id is None else {"question_id": entry.question_id}
    own = {"id": entry.id, **question, "messages": said}
    return {**own, **extra, **own, "annotated_by": made_by}


def _with(fields: Mapping[str, Any], key: str, labels: object) -> dict[str, Any]:
    """The labels under their key; what the corpus had there stays, under another one."""
    renamed = {GIVEN + name if name == key else name: value for name, value in fields.items()}
    return {**renamed, key: labels} if labels is not None else renamed


def _line(row: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # whole numbers beyond 64 bits; half a surrogate pair, which no UTF-8 can hold, becomes `?`
        return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
