"""`recover`: a fresh store from every line of a damaged one that can be read and is as it was written.

Nothing is guessed: a line counts only when its seal fits. The damaged file is kept as it is, under another name. A row whose
last reply is gone is asked for again, unless the dialogue that was read in it is still there; a reply whose row is gone is
judged anew, without a request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from expander.errors import StoreError, UsageError
from expander.store.damage import check_files, check_lines, check_whole
from expander.store.functions import add_function, raise_what_ended_it
from expander.store.lock import locked
from expander.store.messages import unusable
from expander.store.pages import Line, Value, lines
from expander.store.reading import connected, watch
from expander.store.records import Outcome
from expander.store.schema import (
    DRAFT,
    FILE,
    META,
    MISSING,
    REPLIES_LOST,
    REPLY,
    ROW,
    SCHEMA,
    check_version,
    complete,
    empty,
    finish_swap,
    free_name,
    log_of,
    seal,
    sealed,
    swap,
)

SETTLED = "settled"
_COMMIT_EVERY = 10_000  # lines
_ROWS_WITHOUT = "FROM row WHERE reply_id IS NOT NULL AND reply_id NOT IN (SELECT id FROM reply)"
# A dialogue whose reply is gone names none: the number would soon be that of another row's reply.
_LEAVE_LOST_REPLY = f"""
UPDATE row SET replies = '', reply_id = NULL,
  seal = seal(id, position, post_id, sample, topic, post, outcome, rule, reason, '', NULL, reading)
WHERE outcome = '{Outcome.KEPT}' AND reading IS NOT NULL AND reply_id NOT IN (SELECT id FROM reply)
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a recovery came to."""

    whole: bool
    """Nothing was wrong, and nothing was changed."""
    found: str = ""
    """What was wrong."""
    aside: Path | None = None
    """The damaged file."""
    rows: int = 0
    replies: int = 0
    replies_lost: int = 0
    """Replies whose numbers are missing among those that were read; some more may be gone behind the last."""
    rows_asked_again: int = 0
    """Rows that lost the reply that decided."""
    settings_lost: bool = False


def recover(folder: Path) -> Recovered:
    """Check the run's store as a whole, and write a fresh one where it is damaged.

    Raises UsageError where there is no run, another process works on it, or it is of another schema; StoreError where
    nothing can be read, or the fresh store cannot be written. Then everything is as it was.
    """
    path = folder / FILE
    if not folder.is_dir() or not (path.exists() or log_of(path).exists() or (folder / DRAFT).exists()):
        raise UsageError(f"{folder}: no run is stored here (there is no {FILE}).")
    with locked(folder):
        finish_swap(path)
        what = _what_is_wrong(path)
        if what is None:
            return Recovered(whole=True)
        draft = folder / DRAFT
        try:
            draft.unlink(missing_ok=True)
            recovered = _write(path, draft, what)
            complete(draft)
            aside = free_name(path.with_name(f"{FILE}.damaged"))
            _put_in_place(path, aside)
        except (OSError, sqlite3.Error) as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise_what_ended_it()
            raise StoreError(
                f"{path}: a fresh store could not be written: {error}. The damaged one is as it was. Make room for a second "
                "copy of it, then give the same command again."
            ) from error
        except StoreError:
            draft.unlink(missing_ok=True)
            raise
    return Recovered(
        whole=False,
        found=what,
        aside=aside,
        rows=recovered.rows,
        replies=recovered.replies,
        replies_lost=recovered.replies_lost,
        rows_asked_again=recovered.rows_asked_again,
        settings_lost=recovered.settings_lost,
    )


def _what_is_wrong(path: Path) -> str | None:
    """None where every page, index and line is as it was written."""
    try:
        check_files(path)
        with closing(connected(path, "mode=ro")) as connection:
            version = check_version(path, connection)
            if version != SCHEMA:
                raise UsageError(
                    f"{path}: of an earlier schema ({version}), whose lines have no seals. Give the run's command again: it brings "
                    "the store to this one where it is whole."
                )
            check_whole(path, connection)
            watch(connection, path)
            check_lines(path, connection)
    except StoreError as error:
        return str(error)
    except sqlite3.Error as error:
        return str(unusable(path, error))
    return None


def _put_in_place(path: Path, aside: Path) -> None:
    if path.exists():
        swap(path, aside)
        return
    log_of(path).replace(log_of(aside))  # only the log was left
    path.with_name(f"{FILE}-shm").unlink(missing_ok=True)
    path.with_name(DRAFT).replace(path)


def _write(path: Path, draft: Path, what: str) -> Recovered:
    with closing(empty(draft)) as connection:
        connection.execute("BEGIN")
        for done, line in enumerate(lines(path), 1):
            for keep in _KEEPERS.get(len(line.values), ()):
                if keep(connection, line):
                    break
            if done % _COMMIT_EVERY == 0:
                connection.execute("COMMIT")
                connection.execute("BEGIN")
        replies, last = connection.execute("SELECT count(*), max(id) FROM reply").fetchone()
        rows = connection.execute("SELECT count(*) FROM row").fetchone()[0]
        if not replies and not rows:
            raise StoreError(
                f"{path}: nothing in it can be read. It was left as it is; a copy of the folder would help. To begin anew, "
                "give another folder with --out."
            )
        add_function(connection, "seal", seal, pure=True)
        connection.execute(_LEAVE_LOST_REPLY)
        asked_again = connection.execute(f"SELECT count(*) {_ROWS_WITHOUT}").fetchone()[0]
        connection.execute(f"DELETE {_ROWS_WITHOUT}")
        settings_lost = _settle_meta(connection, (last or 0) - replies)
        connection.execute("COMMIT")
    return Recovered(
        whole=False,
        found=what,
        rows=rows - asked_again,
        replies=replies,
        replies_lost=(last or 0) - replies,
        rows_asked_again=asked_again,
        settings_lost=settings_lost,
    )


def _settle_meta(connection: sqlite3.Connection, lost: int) -> bool:
    """Have all replies looked at when the run goes on. True where the settings or the kind of the run are gone."""
    connection.execute("DELETE FROM meta WHERE key = ?", (SETTLED,))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", sealed(REPLIES_LOST, str(lost)))
    there = {key for (key,) in connection.execute("SELECT key FROM meta WHERE key IN ('settings', 'kind')")}
    if there == {"settings", "kind"}:
        return False
    connection.execute("DELETE FROM meta WHERE key IN ('settings', 'kind')")
    return True


# One kind of line each. They tell whether the line is theirs.


def _keep_row(connection: sqlite3.Connection, line: Line) -> bool:
    if line.number is None or not _is_whole(line.values):
        return False
    # A row that ended anew has a higher number; the image of its page that came first is the newest.
    before = connection.execute("SELECT rowid FROM row WHERE id = ?", (line.values[0],)).fetchone()
    if before is None or before[0] < line.number:
        columns = f"rowid, {ROW.listed}, seal"
        marks = ", ".join("?" * (len(line.values) + 1))
        connection.execute(f"INSERT OR REPLACE INTO row ({columns}) VALUES ({marks})", (line.number, *line.values))  # noqa: S608
    return True


def _keep_reply(connection: sqlite3.Connection, line: Line) -> bool:
    values = (*line.values[1:3], *map(_as_float, line.values[3:5]), *line.values[5:])
    if line.number is None or not _is_whole(values):
        return False
    connection.execute("INSERT OR IGNORE INTO reply VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (line.number, *values))
    return True


def _keep_missing(connection: sqlite3.Connection, line: Line) -> bool:
    if not _is_whole(line.values):
        return False
    connection.execute("INSERT OR IGNORE INTO missing VALUES (?, ?, ?, ?)", line.values)
    return True


def _keep_meta(connection: sqlite3.Connection, line: Line) -> bool:
    if not _is_whole(line.values):
        return False
    connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?, ?)", line.values)
    return True


def _keep_tally(connection: sqlite3.Connection, line: Line) -> bool:
    key, value = line.values
    if (
        line.number is not None
        or not isinstance(key, str)
        or not key.startswith("attempt:")
        or not isinstance(value, int)
    ):
        return False
    connection.execute("INSERT OR IGNORE INTO tally VALUES (?, ?)", (key, value))
    return True


def _is_whole(values: tuple[Value, ...]) -> bool:
    return values[-1] == seal(*values[:-1])


def _as_float(value: Value) -> Value:
    """SQLite stores a float without a fraction as a whole number."""
    return float(value) if isinstance(value, int) else value


_KEEPERS: dict[int, tuple[Callable[[sqlite3.Connection, Line], bool], ...]] = {
    len(ROW.columns) + 1: (_keep_row,),
    len(REPLY.columns) + 2: (_keep_reply,),
    len(MISSING.columns) + 1: (_keep_missing,),
    len(META.columns) + 1: (_keep_meta,),
    2: (_keep_tally,),
}
