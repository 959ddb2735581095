"""Posts from files: PsyQA's JSON, JSON Lines, CSV, TSV and Parquet, the text ones also compressed.

A file is streamed: memory does not grow with its length. A row that cannot be read is reported in its place and the
others go on; only what is wrong with the whole file is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from expander.post import Place, Post, Unreadable
from expander.sources.chunks import COMPRESSIONS
from expander.sources.delimited import delimited_rows
from expander.sources.errors import SourceError
from expander.sources.json_rows import array_rows, line_rows
from expander.sources.parquet import parquet_rows
from expander.sources.rows import Columns, Fault, posts_of

__all__ = ["SourceError", "read_posts"]

_Reader = Callable[[Path, Columns], Iterator[tuple[int, object]]]

_READERS: Mapping[str, _Reader] = {
    ".json": lambda path, _: array_rows(path),
    ".jsonl": lambda path, _: line_rows(path),
    ".ndjson": lambda path, _: line_rows(path),
    ".csv": lambda path, columns: delimited_rows(path, ",", columns),
    ".tsv": lambda path, columns: delimited_rows(path, "\t", columns),
    ".parquet": parquet_rows,
}


def read_posts(path: Path, *, columns: Mapping[str, str] = {}) -> Iterator[Post | Unreadable]:
    """The file's posts in order, with an Unreadable where a row, or one answer of it, could not become a post.

    `columns` maps question, description, answer, keywords and question_id to a file's own names.
    Raises SourceError: at once for a file that is not there or of an unknown kind and for an unknown key in
    `columns`; while reading for a damaged file or header; at the end where the file held no post at all.
    """
    names = Columns.of(columns)
    reader = _reader_for(path)
    if path.is_dir():
        raise SourceError(f"{path} is a folder. Name the files in it.")
    if not path.exists():
        raise SourceError(f"{path} does not exist. Check the name and the folder you start from.")
    if not path.is_file():
        raise SourceError(
            f"{path} is no ordinary file, and posts are read more than once. Write them into a file first."
        )
    return _read(path, reader, names)


def _read(path: Path, reader: _Reader, columns: Columns) -> Iterator[Post | Unreadable]:
    file = str(path)
    posts = unreadable = 0
    first: Unreadable | None = None
    for line, record in reader(path, columns):
        place = Place(file, line)
        found = (Unreadable(place, record.reason),) if isinstance(record, Fault) else posts_of(record, columns, place)
        for row in found:
            if isinstance(row, Post):
                posts += 1
            else:
                unreadable += 1
                first = first or row
            yield row
    if posts:
        return
    if first is None:
        raise SourceError(f"{path} holds no rows. Give a file with posts in it.")
    raise SourceError(
        f"{path} holds no post: {unreadable} rows could not be read, the first at {first.place}: {first.reason}. "
        "If its columns have other names, name them; else check that it is the right file."
    )


def _reader_for(path: Path) -> _Reader:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compressed = bool(suffixes) and suffixes[-1] in COMPRESSIONS
    kind = suffixes[-2] if compressed and len(suffixes) > 1 else suffixes[-1] if suffixes and not compressed else ""
    reader = _READERS.get(kind)
    if reader is None or (compressed and kind == ".parquet"):
        kinds = ", ".join(_READERS)
        raise SourceError(
            f"{path}: the name's ending does not say what it is. Known are {kinds}; all but .parquet also with "
            f"{', '.join(COMPRESSIONS)} after them."
        )
    return reader
