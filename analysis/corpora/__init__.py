"""Any dialogue corpus as a stream of entries: published sets, exports for trainers, labelled text, this project's runs.

A corpus is streamed: memory does not grow with its length. A row that cannot be read is reported in its place and the
others go on; only what is wrong with a whole file is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.corpora.entries import BrokenEntry, CorpusError
from analysis.corpora.files import dialogue_files
from analysis.corpora.kinds import KINDS, detect_kind, known_kinds
from analysis.corpora.labelled_text import text_entry
from analysis.corpora.messages import entry_of
from analysis.corpora.posts import post_entries
from analysis.corpora.records import records_of
from filters.dialogue import CorpusEntry

__all__ = ["KINDS", "BrokenEntry", "CorpusError", "detect_kind", "read_corpus"]


def read_corpus(path: Path, *, kind: str | None = None) -> Iterator[CorpusEntry | BrokenEntry]:
    """The corpus's dialogues in order, with a BrokenEntry where one could not be read; `kind` is a name of `KINDS`.

    Two messages of one speaker in a row, empty messages and white space stay as they are. Places are unique within a
    corpus; ids are as the corpus has them. Raises CorpusError: at once for a path that is not there or of no known
    kind; while reading for a damaged file; at the end where there was no dialogue at all.
    """
    if kind is not None and kind not in KINDS:
        raise CorpusError(f"There is no kind {kind!r} of corpus. {known_kinds()}")
    files = dialogue_files(path)
    return _read(path, files, kind or detect_kind(path))


def _read(path: Path, files: list[Path], kind: str) -> Iterator[CorpusEntry | BrokenEntry]:
    broken, first, found = 0, None, False
    for file in files:
        for entry in _entries(file, kind):
            if isinstance(entry, BrokenEntry):
                broken += 1
                first = first or entry
            else:
                found = True
            yield entry
    if found:
        return
    if first is None:
        raise CorpusError(f"{path} holds no dialogue: it is empty. Check that it is the right one.")
    raise CorpusError(
        f"{path} holds no dialogue of kind {kind}: {broken} rows could not be read, the first at {first.place}: "
        f"{first.reason}. {known_kinds()}"
    )


def _entries(file: Path, kind: str) -> Iterator[CorpusEntry | BrokenEntry]:
    if kind == "text":
        yield text_entry(file)
        return
    for record in records_of(file):
        if isinstance(record, BrokenEntry):
            yield record
        elif kind == "psyqa":
            yield from post_entries(record)
        else:
            yield entry_of(record, kind)
