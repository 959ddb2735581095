"""Parquet to records, a few rows at a time; columns that are not used are not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from expander.sources.errors import SourceError
from expander.sources.rows import Columns, Fault

BATCH_ROWS = 256
"""Some hundred KiB of posts a batch; a row group is decoded page by page, so its size does not matter."""


def parquet_rows(path: Path, columns: Columns) -> Iterator[tuple[int, object]]:
    """Rows counted from 1. Raises SourceError for a file that is no Parquet or lacks a column."""
    import pyarrow as pa
    from pyarrow import parquet

    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty. Give a file with posts in it.")
    try:
        with parquet.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            columns.check_header(header, str(path))
            number = 0
            wanted = columns.wanted()
            for batch in file.iter_batches(BATCH_ROWS, columns=[name for name in header if name in wanted]):
                for record in _records(batch):
                    number += 1
                    yield number, record
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} names a column in bytes that are not UTF-8. Write or copy it again.") from error
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {error}. Write or copy it again.") from error


def _records(batch: Any) -> Iterator[object]:  # noqa: ANN401 - pyarrow ships no types
    """The batch's rows; one by one where a text of it is not UTF-8, so that only its own row is lost."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield batch.slice(index, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield Fault(f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte {error.start + 1} of a text")
