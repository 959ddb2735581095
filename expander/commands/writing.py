"""Files that a command writes beside its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson

from expander.errors import StoreError, UsageError
from expander.whole_file import whole_file


@contextmanager
def output_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all; one of that name is replaced. Raises StoreError, naming it."""
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error.strerror}. Nothing of it was left behind.") from error


def write_json(path: Path, content: object) -> None:
    """Write one indented JSON document; ids that are no valid Unicode have a question mark where they are broken."""
    with output_file(path) as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def keep_inputs(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raises UsageError for an output that would replace an input, or that the next reading of an input's folder would find."""
    sources = [source.resolve() for source in inputs]
    named = [path for path in outputs if path is not None]
    for path in named:
        whole = path.resolve()
        if whole in sources or whole.parent in sources:
            raise UsageError(f"{path}: belongs to a corpus that is read. Give another file.")
        if path.is_dir():
            raise UsageError(f"{path}: is a folder. Give a file.")
    if len({path.resolve() for path in named}) < len(named):
        raise UsageError(f"{named[0]}: is to hold two things. Give another file for one of them.")
