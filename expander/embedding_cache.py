"""Embeddings on disk, so that none is paid for twice: one SQLite file, vectors by the hash of what they are of.

No text, key or URL is in it. What was committed survives the death of the process; a power cut may cost the last groups.
Each vector has a seal (see `store_schema`), and one that does not fit it is asked for anew. A file that is damaged is put
aside under another name, with a line that says so, and a new one begun.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from expander.consoles import console
from expander.errors import StoreError
from expander.store.functions import add_function, raise_what_ended_it
from expander.store.lock import identity
from expander.store.messages import is_damage
from expander.store.schema import free_name, log_of, seal

Vector = npt.NDArray[np.float32]

_SCHEMA = 2
_UNSEALED = 1  # the schema before vectors had seals
_MAGIC = b"SQLite format 3\x00"
_ENOUGH = (
    12  # of the magic's 16 bytes: a file of embeddings whose head is damaged, rather than another file given by mistake
)
_PATIENCE = 30.0  # seconds to wait for another process that writes into the same file
_ASKED_AT_ONCE = 500  # SQLite took at most 999 parameters for long
_TABLE = "CREATE TABLE vector (key BLOB PRIMARY KEY, vector BLOB NOT NULL, seal INTEGER) WITHOUT ROWID"


def source_of(*, base_url: str, model: str, dimensions: int | None) -> str:
    """What a vector depends on besides its text. Of the URL host, port and path count; credentials and query do not."""
    parts = urlsplit(base_url)
    host = parts.netloc.rpartition("@")[2].lower()
    return "\x00".join((host + parts.path.rstrip("/"), model, "" if dimensions is None else str(dimensions)))


def key_of(source: str, text: str) -> bytes:
    return hashlib.sha256(f"{source}\x00{text}".encode("utf-8", "surrogatepass")).digest()


class EmbeddingCache:
    """An open cache; use as a context manager. Raises StoreError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._open_or_begin_anew()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def found(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """The vectors that are there and whole."""
        vectors = {}
        try:
            for start in range(0, len(keys), _ASKED_AT_ONCE):
                part = keys[start : start + _ASKED_AT_ONCE]
                marks = ",".join("?" * len(part))
                asked = f"SELECT key, vector, seal FROM vector WHERE key IN ({marks})"  # noqa: S608 - question marks alone
                for key, blob, sealed in self._connection.execute(asked, part):
                    if blob and len(blob) % 4 == 0 and sealed == seal(key, blob):
                        vectors[bytes(key)] = np.frombuffer(blob, dtype="<f4").astype(np.float32)
        except sqlite3.Error as error:
            self._begin_anew(error)  # what was found until then is whole, and the rest is asked for
        return {key: vector for key, vector in vectors.items() if np.isfinite(vector).all() and vector.any()}

    def keep(self, vectors: Mapping[bytes, Vector]) -> None:
        """Commits these as one group."""
        blobs = {key: vector.astype("<f4").tobytes() for key, vector in vectors.items()}
        rows = [(key, blob, seal(key, blob)) for key, blob in blobs.items()]
        try:
            self._commit(rows)
        except sqlite3.Error as error:
            self._begin_anew(error)
            try:
                self._commit(rows)
            except sqlite3.Error as again:
                raise self._unusable(again) from again

    def _commit(self, rows: Sequence[tuple[bytes, bytes, int]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    # Opening, and beginning anew

    def _open_or_begin_anew(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._check_ours()
        self._connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        self._identity = identity(self._path)
        try:
            self._set_up()
        except sqlite3.Error as error:
            self._begin_anew(error)
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        connection = self._connection
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version(connection) == _SCHEMA:
            return
        connection.execute("BEGIN IMMEDIATE")  # another process may be at the same
        try:
            self._make_or_renew()
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _make_or_renew(self) -> None:
        connection, version = self._connection, _version(self._connection)
        if version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.execute(_TABLE)
        elif version == _UNSEALED:
            add_function(connection, "seal", seal, pure=True)
            connection.execute("ALTER TABLE vector ADD COLUMN seal INTEGER")
            connection.execute("UPDATE vector SET seal = seal(key, vector)")
        elif version != _SCHEMA:
            raise StoreError(
                f"{self._path}: another program, or another version of this one, wrote it. Give another file."
            )
        connection.execute(f"PRAGMA user_version = {_SCHEMA}")

    def _check_ours(self) -> None:
        """Raises StoreError for a file that never was one of ours: it is not put aside."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if any(head) and sum(one == other for one, other in zip(head, _MAGIC, strict=False)) < _ENOUGH:
            raise StoreError(f"{self._path}: is no file of embeddings. Give another file.")

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Put the damaged file aside and begin another one. Raises StoreError where it is not damage, or that fails."""
        with suppress(sqlite3.Error):
            self._connection.close()
        if not is_damage(error):
            raise self._unusable(error) from error
        try:
            if identity(self._path) == self._identity:  # else another process was quicker
                aside = free_name(self._path.with_name(f"{self._path.name}.damaged"))
                self._path.replace(aside)
                if (log := log_of(self._path)).exists():
                    log.replace(log_of(aside))
                self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
                said = (
                    f"{self._path}: is damaged ({error}). It stays as {aside.name}; its embeddings are asked for anew."
                )
                console(stderr=True).print(said, soft_wrap=True)
            self._connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            self._identity = identity(self._path)
            self._set_up()
        except (OSError, sqlite3.Error) as failed:
            raise self._unusable(failed) from failed

    def _unusable(self, error: Exception) -> StoreError:
        raise_what_ended_it()
        return StoreError(
            f"{self._path}: the embeddings cannot be kept there: {error}. What was kept before is not lost. Make room or mend "
            "the folder, then give the same command again; or give another file."
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
