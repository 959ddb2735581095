"""Files that rows are written to one by one: JSON lines, CSV, Parquet. Memory does not grow with the number of rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol

import orjson

from expander.export.formulas import inert

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]

ROW_GROUP = 2000  # dialogues: about 4 MB of text, enough for zstd and for a reader that takes one group at a time


class RowFile(Protocol):
    """Where rows go. The caller opens and closes the file below it; `finish` writes what is still owed, `abandon` nothing."""

    def write(self, row: Row) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class JsonLines:
    """One JSON object a line, UTF-8."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, row: Row) -> None:
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def finish(self) -> None:
        self._file.flush()

    def abandon(self) -> None:
        pass


class Csv:
    """Comma-separated with a heading (RFC 4180), made for spreadsheets: no cell can run (see `inert`).

    Begins with a byte order mark, without which Excel shows Chinese as noise; `utf-8-sig` and pandas read past it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._line = io.StringIO(newline="")
        self._writer = csv.writer(self._line, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        self._headed = False

    def write(self, row: Row) -> None:
        if not self._headed:
            self._headed = True
            self._file.write(b"\xef\xbb\xbf")
            self._writer.writerow(row.keys())
        self._writer.writerow(inert(cell) if isinstance(cell, str) else cell for cell in row.values())
        self._file.write(self._line.getvalue().encode("utf-8"))
        self._line.seek(0)
        self._line.truncate()

    def finish(self) -> None:
        self._file.flush()

    def abandon(self) -> None:
        pass


class Parquet:
    """Columns id, question_id, messages (a list of role and content), turns, provenance (JSON), in groups of rows."""

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        message = pa.struct([("role", pa.string()), ("content", pa.string())])
        self._schema: pa.Schema = pa.schema(
            [
                ("id", pa.string()),
                ("question_id", pa.string()),
                ("messages", pa.list_(message)),
                ("turns", pa.int32()),
                ("provenance", pa.string()),
            ]
        )
        self._file = file
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._write_group()

    def finish(self) -> None:
        self._write_group()
        self._writer.close()
        self._file.flush()

    def abandon(self) -> None:
        self._writer.is_open = (
            False  # or it would write its footer when it is collected, into a file that is closed by then
        )

    def _write_group(self) -> None:
        import pyarrow as pa

        rows, self._rows = self._rows, []
        if rows:
            self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))
