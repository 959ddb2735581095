"""A folder of files that appears whole or not at all.

Everything is written into a hidden folder beside the target, synced, and then takes the target's name in one rename.
To replace an earlier export, that one first steps aside under a hidden name: a kill between these two renames
leaves it there, and the next `whole_folder` for the same target puts it back before anything else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from expander.errors import ExpanderError, UsageError

_LOCK = ".lock"
_NAMED = 3  # foreign files that a refusal names


class ExportError(ExpanderError):
    """The export could not be written. What was there before is as it was."""


@contextmanager
def whole_folder(out: Path, *, replace: bool, marker: str, own: frozenset[str]) -> Iterator[Path]:
    """A draft folder to write into; it becomes `out` when the block ends well, and vanishes when it does not.

    An `out` that exists and is not empty is refused, unless `replace` is given and it is an export: it has the file
    `marker` and nothing but names in `own`, because all that is in it goes.
    Raises UsageError for that, and for a second export to the same place at the same time; ExportError, naming the
    path, where the disk refuses. An OSError from inside the block passes through: see `named`.
    """
    out = Path(os.path.realpath(out))
    draft = out.with_name(f".{out.name}.part")
    before = out.with_name(f".{out.name}.before")
    with named(draft):
        draft.mkdir(parents=True, exist_ok=True)
    lock = FileLock(draft / _LOCK, blocking=False)
    with named(draft):
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(f"{out}: another export is writing here. Wait for it, or give another folder.") from error
    try:
        with named(draft):
            _clear(draft)
            _bring_back(before, out)
        _check(out, replace=replace, marker=marker, own=own)
        yield draft
        with named(out):
            _sync(draft)
            lock.release()
            (draft / _LOCK).unlink(missing_ok=True)
            _take_place(draft, out, before)
    except BaseException:
        with suppress(OSError):
            _bring_back(before, out)  # an interrupt may fall between two names
        raise
    finally:
        lock.release()
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn an OSError into an ExportError that names the path and says what to do."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{path}: could not be written: {error.strerror or error}. Nothing of this export was left behind, and an earlier "
            "one is as it was. Make room or mend the folder, or give another one, and export again."
        ) from error


def _check(out: Path, *, replace: bool, marker: str, own: frozenset[str]) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: an export is a folder, and this is a file. Give another name.")
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if not there:
        return
    if foreign := sorted(there - own) if marker in there else sorted(there):
        named_here = ", ".join(foreign[:_NAMED]) + (", ..." if len(foreign) > _NAMED else "")
        raise UsageError(
            f"{out}: holds files that are no export's ({named_here}). Give another folder; nothing here was touched."
        )
    if not replace:
        raise UsageError(f"{out}: holds an export already. Give another folder, or ask for it to be overwritten.")


def _clear(draft: Path) -> None:
    for path in draft.iterdir():
        if path.name != _LOCK:
            path.unlink()  # a killed export's; drafts hold files only


def _bring_back(before: Path, out: Path) -> None:
    if not before.is_dir():
        return
    if out.exists():
        shutil.rmtree(before)
    else:
        before.rename(out)


def _sync(draft: Path) -> None:
    for path in (*draft.iterdir(), draft):
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_place(draft: Path, out: Path, before: Path) -> None:
    if out.exists():
        out.rename(before)
    try:
        draft.rename(out)
    except OSError:
        if before.exists():
            before.rename(out)
        raise
    _sync_one(out.parent)
    with suppress(OSError):  # the new export stands; the next one clears what is left of the old
        shutil.rmtree(before)
