"""Every line that can still be read in a damaged store, without SQLite: page by page, whatever leads to the pages.

A table's lines stand in leaf pages, each whole in itself but for the ends of long lines, which stand in chains of further
pages. So all pages are looked at, those of the log first (its last image of a page counts), then older images of the same
pages; whoever reads the lines tells true ones from garbage by their seals. Layout: sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

from expander.store.damage import page_size_of
from expander.store.log import read_log
from expander.store.schema import log_of

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER = 0x0D, 0x0A, 0x02
_FIRST_PAGE_HEAD = 100  # bytes before the first page's own
_MOST_COLUMNS = 64
_MOST_VARINT = 9
_INTEGER_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value: TypeAlias = int | float | str | bytes | None


class Line(NamedTuple):
    """A line as it stood in its page."""

    number: int | None
    """Its rowid; None in a table that has none, and in an index."""
    values: tuple[Value, ...]


class _Broken(Exception):  # noqa: N818 - a page or line that is none
    pass


def _head(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(100)


def lines(path: Path) -> Iterator[Line]:
    """All that looks like a line, newest page images first; the same line may come more than once.

    The file may be gone as long as its log is there. Raises OSError where they cannot be read.
    """
    size = page_size_of(_head(path))
    log_path = log_of(path)
    log = read_log(log_path, size)
    with _Bytes(path) as store, _Bytes(log_path) as written:
        latest: dict[int, int] = {}
        for frame in log.frames:
            if frame.current:
                latest[frame.page] = frame.offset
        pages = _Pages(store, written, latest, size)
        for number, offset in latest.items():
            yield from pages.lines(number, written[offset : offset + size])
        for number in range(1, len(store) // size + 2):
            if number not in latest:
                yield from pages.lines(number, store[(number - 1) * size : number * size])
        for frame in log.frames:
            if latest.get(frame.page) != frame.offset:
                yield from pages.lines(frame.page, written[frame.offset : frame.offset + size])
        for number in latest:
            yield from pages.lines(number, store[(number - 1) * size : number * size])


class _Bytes:
    """A file's bytes without reading it whole; none where there is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None

    def __enter__(self) -> Self:
        if self._path.is_file() and self._path.stat().st_size:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()

    def __len__(self) -> int:
        return len(self._map) if self._map is not None else 0

    def __getitem__(self, part: slice) -> bytes:
        return self._map[part] if self._map is not None else b""


class _Pages:
    def __init__(self, store: _Bytes, written: _Bytes, latest: dict[int, int], size: int) -> None:
        self._store = store
        self._written = written
        self._latest = latest
        self._size = size
        self._inner = _FIRST_PAGE_HEAD  # of the first page

    def lines(self, number: int, page: bytes) -> Iterator[Line]:
        """The lines of one page; none where it is no leaf."""
        head = self._inner if number == 1 else 0
        if len(page) < head + 8 or page[head] not in {_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER}:
            return
        kind = page[head]
        first = head + (12 if kind == _INDEX_INNER else 8)
        count = min(int.from_bytes(page[head + 3 : head + 5], "big"), (self._size - first) // 2)
        # A broken count hides no line: the places of cells are read as long as they can be some.
        for place in range(count or (self._size - first) // 2):
            start = int.from_bytes(page[first + 2 * place : first + 2 * place + 2], "big")
            if not first <= start < len(page):
                continue
            with suppress(_Broken, IndexError, UnicodeDecodeError):
                yield self._line(page, start, kind)

    def _line(self, page: bytes, start: int, kind: int) -> Line:
        if kind == _INDEX_INNER:
            start += 4
        length, start = _varint(page, start)
        rowid = None
        if kind == _TABLE_LEAF:
            rowid, start = _varint(page, start)
        return Line(rowid, _values(self._payload(page, start, length, table=kind == _TABLE_LEAF), rowid))

    def _payload(self, page: bytes, start: int, length: int, *, table: bool) -> bytes:
        """The line's bytes, from its page and the chain of pages behind it."""
        usable = self._size
        most = usable - 35 if table else (usable - 12) * 64 // 255 - 23
        if length <= most:
            if start + length > len(page):
                raise _Broken
            return page[start : start + length]
        if length > len(self._store) + len(self._written):
            raise _Broken
        least = (usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (usable - 4)
        local = local if local <= most else least
        parts = [page[start : start + local]]
        following = int.from_bytes(page[start + local : start + local + 4], "big")
        rest = length - local
        while rest > 0:
            content = self._latest_image(following)
            if len(content) < usable:
                raise _Broken
            parts.append(content[4 : 4 + min(rest, usable - 4)])
            rest -= usable - 4
            following = int.from_bytes(content[:4], "big")
        return b"".join(parts)

    def _latest_image(self, number: int) -> bytes:
        if (offset := self._latest.get(number)) is not None:
            return self._written[slice(offset, offset + self._size)]
        return self._store[slice((number - 1) * self._size, number * self._size)] if number else b""


def _varint(content: bytes, start: int) -> tuple[int, int]:
    value = 0
    for place in range(_MOST_VARINT):
        byte = content[start + place]
        if place == _MOST_VARINT - 1:
            return (value << 8) | byte, start + _MOST_VARINT
        value = (value << 7) | (byte & 0x7F)
        if not byte & 0x80:
            return value, start + place + 1
    raise _Broken


def _values(payload: bytes, rowid: int | None) -> tuple[Value, ...]:
    head, start = _varint(payload, 0)
    kinds: list[int] = []
    while start < head:
        kind, start = _varint(payload, start)
        kinds.append(kind)
        if len(kinds) > _MOST_COLUMNS:
            raise _Broken
    if start != head:
        raise _Broken
    values: list[Value] = []
    for kind in kinds:
        value, start = _value(payload, start, kind)
        values.append(value)
    if start != len(payload):
        raise _Broken
    if values and values[0] is None and rowid is not None:
        values[0] = rowid  # an INTEGER PRIMARY KEY is kept as the rowid alone
    return tuple(values)


def _value(payload: bytes, start: int, kind: int) -> tuple[Value, int]:
    if kind in {0, 8, 9}:
        return {0: None, 8: 0, 9: 1}[kind], start
    if kind in _INTEGER_SIZES:
        end = start + _INTEGER_SIZES[kind]
        return int.from_bytes(payload[start:end], "big", signed=True), end
    if kind == 7:  # noqa: PLR2004 - a float
        return struct.unpack(">d", payload[start : start + 8])[0], start + 8
    if kind < 12:  # noqa: PLR2004 - reserved
        raise _Broken
    end = start + (kind - 12) // 2
    if end > len(payload):
        raise _Broken
    part = payload[start:end]
    return (part.decode() if kind % 2 else part), end
