"""What reading a corpus can give besides a `CorpusEntry`: a broken row, or an error that concerns the whole file."""

from __future__ import annotations

from typing import NamedTuple


class CorpusError(ValueError):
    """A corpus that cannot be read at all: which file, what is wrong, what to do."""


class BrokenEntry(NamedTuple):
    """A row that holds no readable dialogue; the others go on. The reason never quotes what was said."""

    place: str
    reason: str
