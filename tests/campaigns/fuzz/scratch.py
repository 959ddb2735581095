"""Small files for readers that take a path: in memory where the machine has such a folder, one set a process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


@cache
def _folder(process: int) -> Path:
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="inputs-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def folder() -> Path:
    """This process's folder; removed when it ends."""
    return _folder(os.getpid())


def file(name: str, data: bytes) -> Path:
    """A file of that name with these bytes, in place of the one before."""
    path = folder() / name
    with path.open("wb") as opened:
        opened.write(data)
    return path


def remove() -> None:
    """Remove this process's folder now: a worker that is forked runs no `atexit`."""
    shutil.rmtree(folder(), ignore_errors=True)
    _folder.cache_clear()
