"""A run's store for those who read it: no line is believed before it was held against its seal, no error goes untold.

A reader's SQL names the tables; what answers are views of the same names, which check a line when its text is read. So a
query that only counts costs nothing more, and no reader can forget to look.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, TypeAlias
from urllib.parse import quote

from expander.errors import StoreError, UsageError
from expander.store.functions import add_function, raise_what_ended_it
from expander.store.messages import damaged, unusable
from expander.store.records import Kind
from expander.store.schema import FILE, REPLY, SCHEMA, SEALED, Table, check_version, log_of, seal

_WRONG_KIND = {
    Kind.EXPANSION: "it holds the dialogues that `expand` made, no annotations",
    Kind.ANNOTATION: "it holds annotations of `annotate`, no dialogues made from posts",
}
_WAY_ON = {
    Kind.EXPANSION: "Its dialogues are a corpus like any other",
    Kind.ANNOTATION: "Its labels stand in annotations.jsonl, and beside the dialogues in corpus.jsonl, which is a corpus like any other",
}
# Errors that are the caller's, or of the moment, and say nothing of the file.
_NOT_THE_FILE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_ABORT}
_CANNOT_OPEN = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}


Sql: TypeAlias = Any
"""What sqlite3 itself leaves untyped: parameters, and values as they come."""


class Connection(sqlite3.Connection):
    """A connection whose errors name the store and say what to do: each is a StoreError."""

    path = Path(FILE)
    broken: str | None = None
    """The line that failed its seal."""

    def cursor(self, factory: Sql = None) -> Sql:
        return super().cursor(factory or Cursor)

    def execute(self, sql: str, parameters: Sql = (), /) -> Sql:
        return self.cursor().execute(sql, parameters)

    def told(self, error: sqlite3.Error) -> Exception:
        """The error as its reader should see it. Raises the interrupt that ended a function of ours."""
        raise_what_ended_it()
        if self.broken is not None:
            what, self.broken = self.broken, None
            return damaged(self.path, what)
        if "user-defined function" in str(error):  # a text that is no UTF-8 does not even come to its seal
            return damaged(self.path, "a line is not as it was written")
        if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _NOT_THE_FILE:
            return error
        return unusable(self.path, error)


class Cursor(sqlite3.Cursor):
    """A cursor of such a connection."""

    connection: Connection

    def execute(self, sql: str, parameters: Sql = (), /) -> Self:
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error as error:
            raise self.connection.told(error) from error

    def fetchone(self) -> Sql:
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            raise self.connection.told(error) from error

    def fetchall(self) -> list[Any]:
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            raise self.connection.told(error) from error

    def __next__(self) -> Sql:
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise self.connection.told(error) from error

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return self


def watch(connection: Connection, path: Path) -> None:
    """Have every line checked that is read through this connection. Raises StoreError where it is no store of ours."""
    connection.path = path
    for table in SEALED:
        add_function(connection, f"whole_{table.name}", _Checked(connection, table), pure=False)
        connection.execute(_view(table))


class _Checked:
    """The SQL function that holds a line against its seal: the seal, the column's place, the line's values -> the value."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._last: int | None = None

    def __call__(self, found: int | None, place: int, *values: Sql) -> Sql:
        if found is None and values[0] is None:
            return None  # no line at all: the empty side of a join
        if found != self._last:
            self._last = None
            if found != seal(*values):
                name = values[0] if self._table is not REPLY else f"of row {values[0]}"
                self._connection.broken = f"the line {name} of table {self._table.name} is not as it was written"
                raise ValueError
        return values[place]


def _view(table: Table) -> str:
    number = {"reply": "id, ", "row": "rowid AS rowid, "}.get(table.name, "")
    columns = ", ".join(
        f"whole_{table.name}(seal, {place}, {table.listed}) AS {column}" if column in table.watched else column
        for place, column in enumerate(table.columns)
    )
    return f"CREATE TEMP VIEW {table.name} AS SELECT {number}{columns} FROM main.{table.name}"  # noqa: S608 - own names


def connected(path: Path, how: str) -> Connection:
    """A connection that tells its errors; `how` are SQLite's options of a URI. Raises StoreError for a file without rights."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, factory=Connection)
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    assert isinstance(connection, Connection)
    connection.row_factory = sqlite3.Row
    connection.path = path
    return connection


def read_only(folder: Path, kind: Kind = Kind.EXPANSION) -> sqlite3.Connection:
    """A connection that cannot change the run, also while another process works on it. Its errors are StoreErrors.

    Raises UsageError where the folder holds no run, one of another kind or of a later version; StoreError where the store
    is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        raise UsageError(f"{folder}: no run is stored here (there is no {FILE}). `expand` makes one.")
    connection = _opened(path)
    try:
        if check_version(path, connection) == SCHEMA:
            watch(connection, path)
        found = connection.execute("SELECT value FROM meta WHERE key = 'kind'").fetchone()
        check_kind(folder, found[0] if found else None, kind)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(path: Path) -> Connection:
    """Open for reading; where the folder cannot be written, or its disk is full, as a file that nobody changes.

    SQLite wants to write its index even to read. Without a log there is nothing to index.
    """
    connection = connected(path, "mode=ro")
    try:
        sqlite3.Cursor(connection).execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF not in _CANNOT_OPEN:
            raise unusable(path, error) from error
        log = log_of(path)
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"{path.parent}: cannot be written ({error}), and the last commits of its run stand in {log.name}, which cannot be "
                "read without writing beside it. Make room, or copy the folder to where it can be written and give the copy."
            ) from error
        connection = connected(path, "immutable=1")
    return connection


def check_kind(folder: Path, found: str | None, wanted: Kind) -> None:
    """Stores of runs from before there were kinds name none."""
    if (kind := Kind(found or Kind.EXPANSION)) is not wanted:
        raise UsageError(
            f"{folder}: is another kind of run: {_WRONG_KIND[kind]}. {_WAY_ON[kind]}. To write a run, give another --out."
        )
