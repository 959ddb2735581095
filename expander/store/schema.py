"""The run store's tables, the seal on every line of them, and how a store of an older schema becomes one of this.

A seal is a CRC-32 over a line's other columns, made when the line is written and held against it whenever the line is
read. It finds every flipped bit and every burst of up to 32 bits, and misses other damage once in 2**32. It guards against disks and copies, not against people.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from expander.errors import StoreError, UsageError
from expander.store.functions import add_function, raise_what_ended_it
from expander.store.messages import damaged

FILE = "store.sqlite"
SCHEMA = 2
DRAFT = f".{FILE}.part"
"""A store that is being made from nothing, or from an older or a damaged one; it takes the store's name once it is whole."""
REPLIES_LOST = "replies_lost"
"""The key of how many replies a recovery could not read: so many numbers are missing among them."""
FORMAT_AT = 18
"""Where a store's head says which programs may write and which may read it (SQLite, "Database File Format", 1.3.3)."""
_HAS_LOG = b"\x02\x02"  # those that know write-ahead logs
_UNSEALED = 1  # the schema before lines had seals

# Rows and replies are appended; the one index with keys in random order is that of row ids. Every such index dirties
# another page for each row of a group, and pages written are most of what a commit costs. These spare a run that goes on
# a look at every row and reply: `failed` has few lines, `counted` grows at its end, and `placed` close to it, since rows end
# nearly in the order of the input.
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS failed ON row (id) WHERE outcome = 'failed'",
    "CREATE INDEX IF NOT EXISTS counted ON reply (id, prompt_tokens, completion_tokens)",
    "CREATE INDEX IF NOT EXISTS placed ON row (position, sample, id)",
)
TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE row (
  id TEXT PRIMARY KEY, position INTEGER NOT NULL, post_id TEXT NOT NULL, sample INTEGER NOT NULL, topic TEXT,
  post TEXT NOT NULL, outcome TEXT NOT NULL, rule TEXT, reason TEXT, replies TEXT NOT NULL, reply_id INTEGER,
  reading BLOB, seal INTEGER NOT NULL
);
CREATE TABLE reply (
  id INTEGER PRIMARY KEY, row_id TEXT NOT NULL, generation INTEGER NOT NULL, received REAL NOT NULL,
  seconds REAL NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, body BLOB NOT NULL, seal INTEGER NOT NULL
);
CREATE TABLE missing (
  place TEXT PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL, seal INTEGER NOT NULL
) WITHOUT ROWID;
{"; ".join(_INDEXES)};
"""


class Table(NamedTuple):
    """A table whose lines are sealed."""

    name: str
    columns: tuple[str, ...]
    """All but the seal, and but a reply's number, which it gets only when it is written."""
    watched: tuple[str, ...]
    """The columns that nothing reads before the line has been held against its seal."""

    @property
    def listed(self) -> str:
        return ", ".join(self.columns)


ROW = Table(
    "row",
    (
        *("id", "position", "post_id", "sample", "topic", "post"),
        *("outcome", "rule", "reason", "replies", "reply_id", "reading"),
    ),
    ("post", "reading"),
)
REPLY = Table(
    "reply",
    ("row_id", "generation", "received", "seconds", "prompt_tokens", "completion_tokens", "body"),
    ("body",),
)
META = Table("meta", ("key", "value"), ("value",))
MISSING = Table("missing", ("place", "kind", "reason"), ("reason",))
SEALED = (ROW, REPLY, META, MISSING)


def seal(*values: object) -> int:
    """The seal on a line with these values, in the order of the table's columns."""
    found = 0
    for value in values:
        part = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        found = zlib.crc32(b"\x00", zlib.crc32(part, found))
    return found


def sealed(*values: object) -> tuple[object, ...]:
    """The values with their seal."""
    return (*values, seal(*values))


def create(path: Path) -> None:
    """Make an empty store, whole from the moment it has its name. Raises OSError and sqlite3.Error."""
    draft = path.with_name(DRAFT)
    draft.unlink(missing_ok=True)
    try:
        with closing(empty(draft)):
            pass
        complete(draft)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def empty(path: Path) -> sqlite3.Connection:
    """A new file with the tables in it, written as quickly as can be: it counts only once it is synced and renamed."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def add_indexes(connection: sqlite3.Connection) -> None:
    """Give a store of this schema the indexes that it lacks: the first ones of it were made without. Raises sqlite3.Error."""
    for index in _INDEXES:
        connection.execute(index)


def complete(draft: Path) -> None:
    """Say in the closed draft that it has a write-ahead log, and have it on the disk. Raises OSError.

    SQLite would say the same when the store is first opened, but by way of a journal: a kill at that moment left one
    beside the store.
    """
    with draft.open("r+b") as file:
        file.seek(FORMAT_AT)
        file.write(_HAS_LOG)
        file.flush()
        os.fsync(file.fileno())


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(path: Path, connection: sqlite3.Connection) -> int:
    """The store's schema, this one or an older one.

    Raises UsageError for a store of a later version of this program, StoreError for one that says none, or says a later
    one and has the tables of this.
    """
    version = version_of(connection)
    if version < _UNSEALED:
        raise damaged(path, "it has none of a run's tables")
    if version > SCHEMA:
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(TABLES)
            if _tables_of(fresh) == _tables_of(connection):
                raise damaged(path, f"its head says schema {version}, and its tables are those of {SCHEMA}")
        raise UsageError(
            f"{path}: written by another version of this program (schema {version}, this one reads {SCHEMA}). "
            "Use that version, or give another --out."
        )
    return version


def _tables_of(connection: sqlite3.Connection) -> set[str]:
    return {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}


def renew(path: Path, version: int) -> str:
    """Bring a store of schema 1 to this one, and say so. The old file stays beside it, as it was.

    The new file is written whole before it takes the name; a kill at any moment leaves one of the two there, which
    `finish_swap` tells apart. Raises StoreError, having changed nothing.
    """
    assert version == _UNSEALED
    old = free_name(path.with_name(f"{FILE}.schema-{version}"))
    draft = path.with_name(DRAFT)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all that was committed is now in the one file
            connection.execute("PRAGMA journal_mode = DELETE")
        draft.unlink(missing_ok=True)
        with closing(empty(draft)) as connection:
            _copy_sealed(connection, path)
        complete(draft)
        swap(path, old)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise_what_ended_it()
        raise StoreError(
            f"{path}: could not be brought from schema {version} to {SCHEMA}: {error}. It is as it was. Make room for a "
            "second copy of it, then give the same command again."
        ) from error
    return (
        f"{path}: brought from schema {version} to {SCHEMA}. The old file stays as {old.name}; "
        "delete it once you no longer need it."
    )


def _copy_sealed(connection: sqlite3.Connection, path: Path) -> None:
    add_function(connection, "seal", seal, pure=True)
    connection.execute("ATTACH ? AS old", (str(path),))
    connection.execute("BEGIN")
    for table in SEALED:
        number = "id, " if table is REPLY else ""
        connection.execute(
            f"INSERT INTO main.{table.name} ({number}{table.listed}, seal)"  # noqa: S608 - names from this file
            f" SELECT {number}{table.listed}, seal({table.listed}) FROM old.{table.name} ORDER BY {number} 1"
            if table is not ROW
            else f"INSERT INTO main.row ({table.listed}, seal) SELECT {table.listed}, seal({table.listed})"  # noqa: S608
            " FROM old.row ORDER BY old.row.rowid"
        )
    connection.execute("INSERT INTO main.tally SELECT key, value FROM old.tally")
    connection.execute("COMMIT")
    connection.execute("DETACH old")


def swap(path: Path, aside: Path) -> None:
    """Put the store aside under another name, its log with it, and the draft in its place. `finish_swap` ends a killed one."""
    path.replace(aside)
    log = log_of(path)
    if log.exists():
        log.replace(log_of(aside))
    path.with_name(f"{FILE}-shm").unlink(missing_ok=True)
    path.with_name(DRAFT).replace(path)


def finish_swap(path: Path) -> None:
    """End what `swap` had begun when it was killed: only then is there a whole draft and no store."""
    draft = path.with_name(DRAFT)
    asides = list(path.parent.glob(f"{FILE}.*"))
    if path.exists() or not draft.exists() or not asides:
        return
    newest = max(asides, key=lambda aside: aside.stat().st_ctime)
    log = log_of(path)
    if log.exists():
        log.replace(log_of(newest))
    path.with_name(f"{FILE}-shm").unlink(missing_ok=True)
    draft.replace(path)


def log_of(path: Path) -> Path:
    """SQLite's write-ahead log: commits that are not in the file yet."""
    return path.with_name(f"{path.name}-wal")


def free_name(path: Path) -> Path:
    """The path, or with a number where something is there already."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
