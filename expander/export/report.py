"""What an export did, in figures: enough to account for every dialogue that went in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from expander.export.split import Shares, Split


class LeftOut(StrEnum):
    """Why a dialogue is in no file."""

    NO_EXCHANGE = "no-exchange"
    """No client utterance with a counselor utterance after it."""
    NO_UTTERANCE = "no-utterance"
    """A format that keeps everything found nothing to keep."""
    NOT_UNICODE = "not-unicode"
    """It has half of a surrogate pair, which no UTF-8 file can hold."""


LEFT_OUT_BECAUSE: Mapping[LeftOut, str] = {
    LeftOut.NO_EXCHANGE: "no client utterance is followed by a counselor utterance",
    LeftOut.NO_UTTERANCE: "it has no utterance",
    LeftOut.NOT_UNICODE: "its text or id is no valid Unicode",
}


class SplitSize(NamedTuple):
    """What went into one part. Rows differ from dialogues where a dialogue gives several."""

    dialogues: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """Dialogues in = dialogues of all splits + left out. The counts of changes are utterances; row by row they are in changes.jsonl."""

    to: str
    out: Path
    files: tuple[str, ...]
    sizes: Mapping[Split, SplitSize]
    """Splits with no row have no file and stand here with zeros."""
    left_out: Mapping[LeftOut, int]
    changed: int
    """Dialogues with at least one merge, trim or empty utterance."""
    merged: int
    trimmed_start: int
    trimmed_end: int
    empty: int
    without_question: int
    """Dialogues of a corpus that names no question for them: split by their own id."""
    shares: Shares
    seed: int
    system_source: str | None

    @property
    def dialogues(self) -> int:
        return sum(size.dialogues for size in self.sizes.values())

    @property
    def rows(self) -> int:
        return sum(size.rows for size in self.sizes.values())
