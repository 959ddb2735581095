"""A run for one process alone, and who that is.

The lock is the kernel's (flock): it ends with the process, however that ends. Who holds it stands in a file beside it,
which counts only as long as the lock is held.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson
from filelock import FileLock, Timeout

from expander.errors import StoreError, UsageError

LOCK = "lock"
HOLDER = "lock.holder"


class RunLock:
    """The lock of one run's folder. Raises UsageError naming who holds it, StoreError where it cannot be had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK, blocking=False)
        self._identity: tuple[int, int] | None = None
        self.left: Mapping[str, object] = {}
        """What the last holder said of itself, if it did not come to taking it back: it was killed, or this is a copy."""

    def acquire(self, advice: str, unusable: str) -> None:
        """`advice` says what to do where another process has it, `unusable` where the folder cannot be written."""
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"{self._folder}: another process is working on this run{_who(self._folder)}. {advice}"
            ) from error
        except OSError as error:
            raise StoreError(f"{self._folder}: cannot be written: {error.strerror}. {unusable}") from error
        self._identity = identity(self._folder / LOCK)
        self.left = _said(self._folder)
        self.say(None)

    def say(self, store: tuple[int, int] | None) -> None:
        """Tell others who holds the lock, and which file it works on."""
        holder = self._folder / HOLDER
        if not self.holds() or (
            holder.exists() and not holder.is_file()
        ):  # another's, or a pipe that would be waited for
            return
        with suppress(OSError):  # a courtesy: on a full disk the lock holds without it
            holder.write_bytes(orjson.dumps({**_me(), "store": store}))

    def is_copy(self, store: tuple[int, int] | None) -> bool:
        """Whether the folder was copied from one that a process was working in: then its files are of different moments."""
        before = self.left.get("store")
        return isinstance(before, list) and tuple(before) != store

    def release(self) -> None:
        if self._identity is not None and self.holds():
            with suppress(OSError):
                (self._folder / HOLDER).unlink(missing_ok=True)
        self._identity = None
        self._lock.release()

    def holds(self) -> bool:
        """Whether the file that is locked is still the one that another process would try to lock."""
        return self._identity is not None and identity(self._folder / LOCK) == self._identity


@contextmanager
def locked(folder: Path, advice: str = "Wait for it.", unusable: str = "Nothing was changed.") -> Iterator[None]:
    """The run for this process alone. Raises as `RunLock` does."""
    lock = RunLock(folder)
    lock.acquire(advice, unusable)
    try:
        yield
    finally:
        lock.release()


def identity(path: Path) -> tuple[int, int] | None:
    """What tells this file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _me() -> dict[str, object]:
    """No option is in it: a header among them may be a secret."""
    words = [word for word in sys.argv[1:3] if word.isalpha()]
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join(words[:2] if words[:1] == ["batch"] else words[:1]),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _who(folder: Path) -> str:
    """Words on who holds the lock; none where it has not said, or what it said is of a process that is gone."""
    said = _said(folder)
    pid, host, command, since = (said.get(key) for key in ("pid", "host", "command", "since"))
    if not isinstance(pid, int) or (host == socket.gethostname() and not _lives(pid)):
        return ""
    name = f"`{command}`, " if command else ""
    return f" ({name}process {pid} on {host}, since {since})"


def _said(folder: Path) -> Mapping[str, object]:
    if not (folder / HOLDER).is_file():
        return {}
    try:
        said = orjson.loads((folder / HOLDER).read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
