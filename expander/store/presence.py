"""Whether what a run writes still has a name: a folder that was removed takes everything without an error."""

from __future__ import annotations

from pathlib import Path

from expander.errors import StoreError
from expander.store.lock import RunLock, identity
from expander.store.schema import log_of


class Presence:
    """An open store's files as they were when it was opened, held against what stands there now."""

    def __init__(self, path: Path, lock: RunLock) -> None:
        """The store is open: both its file and its log are there."""
        self._path, self._lock = path, lock
        self.identity = identity(path)
        self._log_identity = identity(log_of(path))
        self._size = path.stat().st_size

    def check(self) -> None:
        """Raises StoreError when what is written would go to a file that has no name any more."""
        what = self._amiss()
        if what is not None:
            raise StoreError(
                f"{self._path}: {what} while the run was going on. Nothing more was sent. Put the folder back or leave it "
                "away, and give the same command again: it goes on from what is there."
            )

    def _amiss(self) -> str | None:
        try:
            found = self._path.stat()
        except OSError:
            return "the folder, or the store in it, was removed"
        if (found.st_dev, found.st_ino) != self.identity:
            return "another file was put in the store's place"
        if found.st_size < self._size:
            return "the store was cut"
        if self._log_identity is not None and identity(log_of(self._path)) != self._log_identity:
            return f"the store's log {log_of(self._path).name} was removed or replaced"
        if not self._lock.holds():
            return "its lock file was removed or replaced, so that another process could begin on it,"
        self._size = found.st_size
        return None
