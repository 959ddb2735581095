"""Embeddings on disk, so that none is paid for twice: one SQLite file, vectors by the hash of what they are of.

No text, key or URL is in it. What was committed survives the death of the process; a power cut may cost the last groups.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from expander.errors import StoreError

Vector = npt.NDArray[np.float32]

_SCHEMA = 1
_PATIENCE = 30.0  # seconds to wait for another process that writes into the same file
_ASKED_AT_ONCE = 500  # SQLite took at most 999 parameters for long
_TABLE = "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"


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
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute(_TABLE)
                self._connection.execute(f"PRAGMA user_version = {_SCHEMA}")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error
        if version not in {0, _SCHEMA}:
            self._connection.close()
            raise StoreError(f"{self._path}: another version of this program wrote it. Give another file.")
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
                asked = f"SELECT key, vector FROM vector WHERE key IN ({marks})"  # noqa: S608 - question marks alone
                for key, blob in self._connection.execute(asked, part):
                    if blob and len(blob) % 4 == 0:
                        vectors[bytes(key)] = np.frombuffer(blob, dtype="<f4").astype(np.float32)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return {key: vector for key, vector in vectors.items() if np.isfinite(vector).all() and vector.any()}

    def keep(self, vectors: Mapping[bytes, Vector]) -> None:
        """Commits these as one group."""
        rows: Iterable[tuple[bytes, bytes]] = ((key, vector.astype("<f4").tobytes()) for key, vector in vectors.items())
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path}: the embeddings cannot be kept there: {error}. Give another file.")
