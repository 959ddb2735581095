"""Damage to a run store: found before it is written to, and told with the file's name and what to do.

On opening: the file's head, its log, and for a store of moderate size everything, page by page (`PRAGMA integrity_check`)
and line by line (its seal, see `store_schema`). In a larger one every line is held against its seal when it is read, and
all rows are read when results are written, so that no damage passes unseen into a result.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from expander.errors import StoreError
from expander.store.log import noted_frames, read_log, salts_of, unsaved_frames
from expander.store.messages import damaged
from expander.store.reading import Connection, connected, watch
from expander.store.schema import FILE, FORMAT_AT, REPLIES_LOST, SCHEMA, SEALED, log_of, version_of

CHECKED_WHOLE = 64 * 1024 * 1024
"""Bytes up to which a store is checked whole on opening; a chosen bound, so that a long run opens as quickly as before."""
_MAGIC = b"SQLite format 3\x00"
_HEAD = 100
_FORMATS = {1, 2}  # without and with a log
_LEAST_PAGE = 512
RESULTS = ("dialogues.jsonl", "annotations.jsonl")
"""Files that only a run with a store writes."""


def check_files(path: Path, *, is_copy: bool = False) -> None:
    """Hold the store's files against each other, without SQLite, which would mend or forget without a word.

    Raises StoreError. A store that is not there is fine as long as nothing speaks of one that was. The index of a log that
    was copied at another moment than the log says nothing of it.

    To be called while no connection of this process is open on the store: to close a file ends every lock that the process
    has on it (POSIX), those of SQLite among them.
    """
    log = log_of(path)
    log_bytes = log.stat().st_size if log.is_file() else 0
    if not path.exists():
        _check_absent(path, log_bytes)
        return
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise StoreError(f"{path}: cannot be used: it is {what}. Give another folder with --out.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    size = path.stat().st_size
    if not head:
        raise damaged(path, "it is empty" + (", and its log is not" if log_bytes else ""))
    if not head.startswith(_MAGIC) or len(head) < _HEAD:
        raise damaged(path, "its beginning is not that of a store (file is not a database)")
    if not set(head[FORMAT_AT : FORMAT_AT + 2]) <= _FORMATS:
        raise damaged(path, "its head names a format that no store has")
    page_size = page_size_of(head)
    pages = int.from_bytes(head[28:32], "big")
    if size < pages * page_size and not log_bytes:
        raise damaged(path, f"it was cut: {size:,} bytes are there of {pages * page_size:,}")
    _check_log(path, page_size, is_copy=is_copy)


def _check_absent(path: Path, log_bytes: int) -> None:
    folder = path.parent
    if log_bytes:
        raise damaged(path, f"the file itself is gone, and only its log is there ({log_of(path).name})")
    left = [name for name in RESULTS if (folder / name).is_file()]
    if left:
        raise StoreError(
            f"{path}: is gone, and {left[0]} of its run is still there. To begin anew would pay for every reply again: put the "
            "store back, or give another folder with --out; to begin anew here, remove that file first."
        )


def page_size_of(head: bytes) -> int:
    """The page size that a store's first 100 bytes name; 4096, which is ours, where they name none that can be."""
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= _LEAST_PAGE and size & (size - 1) == 0 else 4096


def _check_log(path: Path, page_size: int, *, is_copy: bool) -> None:
    log_path = log_of(path)
    index = path.with_name(f"{FILE}-shm")
    if not log_path.is_file() or not log_path.stat().st_size:
        if not is_copy and unsaved_frames(index):
            raise damaged(
                path, f"its log {log_path.name} is {'empty' if log_path.is_file() else 'gone'}, and held commits"
            )
        return
    log = read_log(log_path, page_size)
    lost = log.lost_commits
    if not log.header_ok and log.frames:
        raise damaged(path, f"the head of its log {log_path.name} is broken, and {lost:,} commits stand in it")
    noted = None if is_copy else noted_frames(index, salts_of(log_path))
    if lost or (noted is not None and noted > log.counted):
        raise damaged(path, f"its log {log_path.name} is broken, and SQLite would pass over commits in it")


def check_whole(path: Path, connection: sqlite3.Connection) -> None:
    """Hold every page and index of the store against the others. Raises StoreError."""
    found = connection.execute("PRAGMA main.integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, " ".join(str(found).split()))


def check_moderate(path: Path) -> None:
    """For those who open no `Store`: hold a store of this schema and of moderate size against itself, whole. Raises StoreError."""
    if path.stat().st_size > CHECKED_WHOLE:
        return
    with closing(connected(path, "mode=ro")) as connection:
        if version_of(connection) == SCHEMA:
            check_whole(path, connection)
            watch(connection, path)
            check_lines(path, connection)


def check_lines(path: Path, connection: Connection) -> None:
    """Hold every line against its seal, and the replies' numbers against one another. Raises StoreError.

    The connection is one that `store_reading.watch` was given.
    """
    for table in SEALED:
        connection.execute(f"SELECT count({table.watched[0]}) FROM {table.name}").fetchone()  # noqa: S608 - own names
    there, last = connection.execute("SELECT count(*), max(id) FROM main.reply NOT INDEXED").fetchone()
    check_numbers(path, connection, there, last)


def check_numbers(path: Path, connection: Connection, there: int, last: int | None) -> None:
    """Hold how many replies are there against the last one's number: they follow one another, but for what was recovered."""
    lost = connection.execute("SELECT value FROM meta WHERE key = ?", (REPLIES_LOST,)).fetchone()
    if gone := (last or 0) - there - (int(lost[0]) if lost else 0):
        raise damaged(path, f"{abs(gone):,} replies {'are gone' if gone > 0 else 'are there twice'}")
