"""Posts read by a process of their own, some batches ahead of whoever takes them.

A run that goes on passes over its done posts as fast as they can be read: to read, parse and hash them is half of that time,
and one processor would do it alone. The other process is `python -m expander.sources.ahead FILE COLUMNS`; it writes
batches to a pipe, waits where that is full, and ends with whoever reads it, however that ends.
"""

from __future__ import annotations

import marshal
import os
import struct
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from expander.post import Place, Post, Unreadable
from expander.sources import SourceError, read_posts

_AT_ONCE = 200  # posts; some 0.3 MB
_CHARACTERS_AT_ONCE = 1_000_000  # of their answers: a row may have 16 MiB
_PIPE_BYTES = 1 << 20  # the most that Linux gives to anybody (/proc/sys/fs/pipe-max-size)
_LENGTH = struct.Struct("<Q")
_TEXTS = ("title", "description", "answer", "question_id", "keywords")
_texts_of = attrgetter(*_TEXTS)


class _Batch(NamedTuple):
    """What goes through the pipe: plain values, which travel in a fraction of the time that posts would take."""

    lines: list[int]
    ids: list[str]
    """Empty for a row that could not be read."""
    texts: bytes
    """`_TEXTS` of each post, and the reason of each other row, still packed."""
    is_last: bool
    error: str | None
    """What `read_posts` raised after these rows."""


class _Packed:
    """The texts of a batch, unpacked when one of them is asked for first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._rows: list[Any] = []

    def __getitem__(self, number: int) -> Any:  # noqa: ANN401 - a tuple of texts, or a reason
        if not self._rows:
            self._rows = marshal.loads(self._data)  # noqa: S302 - from our own process
        return self._rows[number]


class _PackedPost(Post):
    """A post whose texts are unpacked when one is asked for: nobody looks into one that is done, and most are."""

    __slots__ = ("_number", "_packed")
    _number: int
    _packed: _Packed

    def __getattr__(self, name: str) -> object:
        if name not in _TEXTS:
            raise AttributeError(name)
        for each, value in zip(_TEXTS, self._packed[self._number], strict=True):
            object.__setattr__(self, each, value)
        return object.__getattribute__(self, name)


def read_posts_ahead(path: Path, *, columns: Mapping[str, str] = {}) -> Generator[Post | Unreadable]:
    """What `read_posts` gives, and raises, read by another process. Worth it from some ten thousands of posts on.

    Where that process cannot be had, or is killed, this one goes on alone.
    """
    given = 0
    for batch in _batches(path, columns):
        yield from _rows(batch, str(path))
        given += len(batch.lines)
        if batch.error is not None:
            raise SourceError(batch.error)
        if batch.is_last:
            return
    yield from islice(read_posts(path, columns=columns), given, None)


def _batches(path: Path, columns: Mapping[str, str]) -> Iterator[_Batch]:
    """All batches; fewer where the process that writes them ends too early."""
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and this module
            # -P: the folder that the user is in is no place to import from.
            [sys.executable, "-P", "-m", __name__, str(path), orjson.dumps(dict(columns)).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is the reader's to handle
        )
    except OSError:
        return
    with process:
        assert process.stdout is not None
        _widen(process.stdout)
        try:
            while (batch := _receive(process.stdout)) is not None:
                yield batch
        finally:
            process.kill()  # nobody wants what else it would read


def _widen(pipe: IO[bytes]) -> None:
    with suppress(ImportError, AttributeError, OSError):  # Linux has it
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _receive(pipe: IO[bytes]) -> _Batch | None:
    """None where the writer is gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = pipe.read(length)
    return _Batch(*marshal.loads(body)) if len(body) == length else None  # noqa: S302 - from our own process


def _send(pipe: IO[bytes], batch: _Batch) -> None:
    body = marshal.dumps(tuple(batch))
    pipe.write(_LENGTH.pack(len(body)))
    pipe.write(body)
    pipe.flush()


def _rows(batch: _Batch, file: str) -> Iterator[Post | Unreadable]:
    packed, new, put = _Packed(batch.texts), object.__new__, object.__setattr__
    for number, (line, post_id) in enumerate(zip(batch.lines, batch.ids, strict=True)):
        if not post_id:
            yield Unreadable(Place(file, line), packed[number])
            continue
        post = new(_PackedPost)
        put(post, "id", post_id)
        put(post, "place", Place(file, line))
        put(post, "_packed", packed)
        put(post, "_number", number)
        yield post


def _batch(rows: list[Post | Unreadable], *, is_last: bool = False, error: str | None = None) -> _Batch:
    return _Batch(
        lines=[row.place.line for row in rows],
        ids=["" if isinstance(row, Unreadable) else row.id for row in rows],
        texts=marshal.dumps([row.reason if isinstance(row, Unreadable) else _texts_of(row) for row in rows]),
        is_last=is_last,
        error=error,
    )


def main(file: str, columns: str) -> None:
    """Write all rows of the file to the output, in batches."""
    pipe = sys.stdout.buffer
    rows: list[Post | Unreadable] = []
    held = 0
    error: str | None = None
    try:
        for row in read_posts(Path(file), columns=orjson.loads(columns)):
            rows.append(row)
            held += len(row.answer) if isinstance(row, Post) else 0
            if len(rows) == _AT_ONCE or held > _CHARACTERS_AT_ONCE:
                _send(pipe, _batch(rows))
                rows.clear()
                held = 0
    except SourceError as found:
        error = str(found)
    _send(pipe, _batch(rows, is_last=True, error=error))


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # whoever read it has ended
        main(*sys.argv[1:])
        os._exit(0)
    os._exit(1)  # to close the output once more would raise the same
