"""What both kinds of agreement need: the labelled dialogues of a folder, and numbers as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from analysis.corpora import BrokenEntry
from analysis.figures import Interval
from expander.annotation.writing import CORPUS
from expander.commands.annotation_folders import AnnotationFolder
from expander.commands.reading import entries
from expander.consoles import printable
from expander.errors import UsageError
from filters.dialogue import CorpusEntry


def labelled(folder: AnnotationFolder) -> Iterator[CorpusEntry]:
    for entry in entries(folder.path / CORPUS):
        if isinstance(entry, BrokenEntry):
            raise UsageError(f"{entry.place}: {entry.reason}.")
        yield entry


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def between(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def say(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
