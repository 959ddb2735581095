"""What a run says when its store cannot be used: which file, why, and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from expander.errors import StoreError

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def damaged(path: Path, what: str) -> StoreError:
    """The refusal of a store that cannot be trusted."""
    return StoreError(
        f"{path}: cannot be used: it is damaged: {what}. It was left as it is. `recover {path.parent}` writes a fresh store "
        "from everything that can be read and keeps this file beside it; or give another folder with --out."
    )


def unusable(path: Path, error: Exception) -> StoreError:
    """SQLite's refusal in our words: what, where, and what to do."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in _FULL:
        return StoreError(
            f"{path}: cannot be used: {error}. Nothing stored before is lost. Make room on its disk, and in the folder for "
            "temporary files (SQLITE_TMPDIR names another), then give the same command again."
        )
    if is_damage(error):
        return damaged(path, str(error))
    if code in _BUSY:
        return StoreError(f"{path}: cannot be used: {error}: another program has it open. End that, and try again.")
    return StoreError(
        f"{path}: cannot be used: {error}. Nothing stored before is lost. Mend the folder, or give another with --out."
    )


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that the file is not as it wrote it."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGED or _cannot_be_text(error)


def _cannot_be_text(error: Exception) -> bool:
    return str(error).startswith("Could not decode")
