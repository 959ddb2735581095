"""CSV and TSV to records: quoted line feeds kept, every physical line of bounded length, one bad row one row."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from expander.sources.chunks import text_chunks
from expander.sources.errors import SourceError
from expander.sources.lines import ROW_LIMIT_BYTES, Line, split_lines
from expander.sources.rows import Columns, Fault

_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` leaves of bytes that are not UTF-8."""


def delimited_rows(path: Path, delimiter: str, columns: Columns) -> Iterator[tuple[int, object]]:
    """Rows by the header's names, each with the line it starts on.

    Raises SourceError for a header that cannot be read or that lacks a column.
    """
    rows = _rows(split_lines(text_chunks(path)), delimiter)
    for line, row in rows:
        if isinstance(row, Fault):
            raise SourceError(
                f"{path}:{line}: the header cannot be read: {row.reason}. A file from Excel may need "
                "`iconv -f gb18030 -t utf-8` first."
            )
        header = [name.strip() for name in row]
        columns.check_header(header, f"{path}:{line}")
        break
    else:
        raise SourceError(f"{path} holds no header and no rows. Give a file with posts in it.")
    wanted = [(index, name) for index, name in enumerate(header) if name in columns.wanted()]
    for line, row in rows:
        if isinstance(row, Fault):
            yield line, row
        elif len(row) != len(header):
            yield line, Fault(f"the header names {len(header)} fields, this row has {len(row)}")
        else:
            yield line, {name: row[index] for index, name in wanted}


class _Feed:
    """Lines for csv.reader, which asks for as many as a row has; they can be handed back."""

    __slots__ = ("held_bytes", "lines", "returned", "taken")

    def __init__(self, lines: Iterator[Line]) -> None:
        self.lines = lines
        self.returned: deque[Line] = deque()
        self.taken: list[Line] = []
        self.held_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.returned.popleft() if self.returned else next(self.lines)
        self.taken.append(line)
        if line.data is None:
            raise csv.Error(f"a line is longer than {ROW_LIMIT_BYTES} bytes")
        self.held_bytes += len(line.data)
        if self.held_bytes > ROW_LIMIT_BYTES:
            raise csv.Error(f"the row is longer than {ROW_LIMIT_BYTES} bytes: a quote may have been left open")
        return line.data.decode("utf-8", "surrogateescape") + "\n"

    def next_row(self) -> None:
        self.taken.clear()
        self.held_bytes = 0

    def hand_back(self) -> None:
        """All lines of the row but its first: a quote left open there must not swallow the rows that follow."""
        self.returned.extendleft(reversed(self.taken[1:]))


def _rows(lines: Iterable[Line], delimiter: str) -> Iterator[tuple[int, list[str] | Fault]]:
    # The limit is the csv module's own, for the whole process; a field cannot be longer than the row that _Feed bounds.
    if csv.field_size_limit() < 2 * ROW_LIMIT_BYTES:
        csv.field_size_limit(2 * ROW_LIMIT_BYTES)
    feed = _Feed(iter(lines))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.next_row()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = feed.taken[0].number
            yield line, Fault(f"not a row of fields: {error}")
            feed.hand_back()
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            continue
        line = feed.taken[0].number
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        bad = next((index for index, field in enumerate(row, 1) if _NOT_UTF8.search(field)), None)
        yield line, row if bad is None else Fault(f"not UTF-8: field {bad} holds bytes that are no character")
