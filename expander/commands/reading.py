"""Corpora as the commands read them: errors become the command line's, broken entries are named and counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from analysis.corpora import BrokenEntry, CorpusError, detect_kind, read_corpus
from expander.annotation.writing import ANNOTATIONS, CORPUS
from expander.consoles import printable
from expander.errors import UsageError
from expander.results import DIALOGUES
from expander.store import FILE
from filters.dialogue import CorpusEntry

BROKEN = 3
"""Exit code of a command that did its work and met entries that it could not read."""

_NAMED = 20  # broken entries of one corpus that are named; one wrong option can break them all


def kind_of(corpus: Path) -> str:
    """The kind's name. Raises UsageError where the corpus is of no known kind, or a run that has no results yet."""
    corpus = readable(corpus)
    with _as_usage(corpus):
        return detect_kind(corpus)


def readable(corpus: Path) -> Path:
    """The corpus itself, or of an annotation run's folder the labelled one in it.

    Raises UsageError for a folder that holds a judge's answers alone.
    """
    if not ((corpus / FILE).is_file() and (corpus / ANNOTATIONS).is_file()):
        return corpus
    if not (corpus / CORPUS).is_file():
        raise UsageError(
            f"{corpus}: holds a judge's answers and no dialogues. Name the corpus that was judged; `report` takes the answers "
            "with --judgements."
        )
    return corpus / CORPUS


def entries(corpus: Path, kind: str | None = None) -> Iterator[CorpusEntry | BrokenEntry]:
    """What `read_corpus` gives. Raises UsageError as `kind_of`, and for damaged files."""
    corpus = readable(corpus)
    with _as_usage(corpus):
        yield from read_corpus(corpus, kind=kind)


@contextmanager
def _as_usage(corpus: Path) -> Iterator[None]:
    if (corpus / FILE).is_file() and not (corpus / DIALOGUES).is_file():
        raise UsageError(
            f"{corpus}: this run has not written its dialogues yet. Give its `expand` (or `annotate`) command again."
        )
    try:
        yield
    except CorpusError as error:
        raise UsageError(printable(str(error))) from error


class Reader:
    """Reads corpora, each once, and tells `status` where an entry is broken."""

    def __init__(self, status: Console) -> None:
        self._status = status
        self.broken = 0

    def entries(self, corpus: Path, kind: str | None = None) -> Iterator[CorpusEntry | BrokenEntry]:
        """All entries of a corpus, with the broken ones in their places."""
        broken = 0
        for entry in entries(corpus, kind):
            if isinstance(entry, BrokenEntry):
                broken += 1
                if broken <= _NAMED:
                    self._say(f"{entry.place}: {entry.reason}")
            yield entry
        if broken > _NAMED:
            self._say(f"{corpus}: {broken:,} entries are broken; these were the first {_NAMED}.")
        self.broken += broken

    def whole_entries(self, corpus: Path, kind: str | None = None) -> Iterator[CorpusEntry]:
        """Only the entries that hold a dialogue."""
        return (entry for entry in self.entries(corpus, kind) if not isinstance(entry, BrokenEntry))

    @property
    def exit_code(self) -> int:
        return BROKEN if self.broken else 0

    def _say(self, text: str) -> None:
        self._status.print(printable(text), markup=False, soft_wrap=True)
