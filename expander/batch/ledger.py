"""What became of each request file: one small SQLite file beside the run's store. It never holds a key.

Every step of a file's way is committed before the next begins, so a command that died goes on where it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from expander.batch.requests import Written
from expander.errors import StoreError, UsageError
from expander.store.lock import locked

__all__ = ["FILE", "Ledger", "RequestFile", "State", "locked", "opened"]

FILE = "batch.sqlite"
SCHEMA = 1

_TABLES = """
CREATE TABLE file (
  number INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL, requests INTEGER NOT NULL,
  state TEXT NOT NULL, input_file TEXT, batch TEXT, status TEXT
);
CREATE TABLE asked (row_id TEXT PRIMARY KEY, file INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class State(StrEnum):
    """How far a request file has come."""

    EXPORTED = "exported"
    UPLOADED = "uploaded"
    CREATING = "creating"
    """A batch was asked for; whether the service made it is unknown."""
    SENT = "sent"
    """The service works on it, or has ended and nothing was fetched yet."""
    FETCHED = "fetched"
    SUPERSEDED = "superseded"
    """Never sent: its rows stand in a newer file, or have their outcome without it."""


OUT = (State.CREATING, State.SENT)
"""Rows of these files may be answered by the service any time, so nothing else asks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFile:
    """A request file as the ledger has it."""

    number: int
    path: Path
    sha256: str
    requests: int
    state: State
    input_file: str | None
    """Its id at the service, once uploaded."""
    batch: str | None
    """Its batch's id at the service."""
    status: str | None
    """What the service last said of the batch."""


class Ledger:
    """Open by `opened`. Raises StoreError where it cannot be read or written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def files(self, *states: State) -> list[RequestFile]:
        """In the order of their export; all of them without `states`."""
        found = self._connection.execute(
            "SELECT number, path, sha256, requests, state, input_file, batch, status FROM file ORDER BY number"
        ).fetchall()
        files = [
            RequestFile(
                number=number,
                path=Path(path),
                sha256=sha256,
                requests=requests,
                state=State(state),
                input_file=input_file,
                batch=batch,
                status=status,
            )
            for number, path, sha256, requests, state, input_file, batch, status in found
        ]
        return [file for file in files if not states or file.state in states]

    def is_out(self, row_id: str) -> bool:
        """Whether a service may still answer this row."""
        found = self._connection.execute(
            "SELECT 1 FROM asked JOIN file ON file.number = asked.file WHERE row_id = ? AND state IN (?, ?)",
            (row_id, *OUT),
        ).fetchone()
        return found is not None

    def asked(self, file: RequestFile) -> Iterator[str]:
        """Ids of the rows whose newest request stands in this file."""
        for (row_id,) in self._connection.execute("SELECT row_id FROM asked WHERE file = ?", (file.number,)):
            yield row_id

    def note_export(self, written: Iterable[Written]) -> None:
        """Note new files. Unsent ones whose rows stand in the new ones, or whose path is theirs now, are superseded.

        To be called within `transaction`.
        """
        over = set()
        for each in written:
            path = str(each.path.absolute())
            over |= {file.number for file in self.files(State.EXPORTED, State.UPLOADED) if str(file.path) == path}
            number = self._connection.execute(
                "INSERT INTO file (path, sha256, requests, state) VALUES (?, ?, ?, ?)",
                (path, each.sha256, len(each.row_ids), State.EXPORTED),
            ).lastrowid
            for row_id in each.row_ids:
                before = self._connection.execute("SELECT file FROM asked WHERE row_id = ?", (row_id,)).fetchone()
                over |= set(before or ())
                self._connection.execute("INSERT OR REPLACE INTO asked VALUES (?, ?)", (row_id, number))
        self._connection.executemany(
            "UPDATE file SET state = ? WHERE number = ? AND state IN (?, ?)",
            ((State.SUPERSEDED, number, State.EXPORTED, State.UPLOADED) for number in over),
        )

    def move(
        self, file: RequestFile, state: State, *, input_file: str | None, batch: str | None, status: str | None
    ) -> None:
        """Commit how far a file has come."""
        self._connection.execute(
            "UPDATE file SET state = ?, input_file = ?, batch = ?, status = ? WHERE number = ?",
            (state, input_file, batch, status, file.number),
        )

    def meta(self, key: str) -> str | None:
        found = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else None

    def set_meta(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside counts when the block ends well, and else not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise


@contextmanager
def opened(folder: Path, *, make: bool = False) -> Iterator[Ledger]:
    """The run's ledger. Raises UsageError where nothing was exported from the run, unless it is to be made."""
    path = folder / FILE
    if not make and not path.is_file():
        raise UsageError(
            f"{folder}: no batch was exported from this run. `batch export ... --out {folder}` writes one."
        )
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
            elif version != SCHEMA:
                raise UsageError(f"{path}: written by another version of this program. Use that version.")
            connection.execute("PRAGMA synchronous = FULL")  # an id that is lost is a batch paid for twice
            yield Ledger(connection)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be used: {error}. Make room or mend the folder.") from error
