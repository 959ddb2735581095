"""Train, validation and test parts, split by question: what one question gave rise to never stands on both sides."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum

from expander.errors import UsageError

_SCALE = float(1 << 64)


class Split(StrEnum):
    """The parts, named as Hugging Face names them."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How large each part is to be, in any unit: 0.9, 0.05, 0.05 is the same as 90, 5, 5.

    Raises UsageError for a share below zero, one that is no number, or three zeros.
    """

    train: float = 0.9
    validation: float = 0.05
    test: float = 0.05

    def __post_init__(self) -> None:
        parts = (self.train, self.validation, self.test)
        if not all(math.isfinite(part) and part >= 0 for part in parts) or not math.fsum(parts):
            raise UsageError(
                f"train {self.train}, validation {self.validation}, test {self.test}: "
                "shares are numbers from zero up, and not all of them zero."
            )


def assign(question_id: str, shares: Shares, seed: int) -> Split:
    """The part that a question and all its dialogues belong to.

    A pure function of its arguments: rows that come later move no row that is there. Test is cut first and train
    takes what is left, so the test part also stays as it is when only validation's share against train's changes.
    """
    digest = hashlib.sha256(f"{seed}\x1f{question_id}".encode("utf-8", "surrogatepass")).digest()
    drawn = int.from_bytes(digest[:8], "big") / _SCALE * math.fsum((shares.train, shares.validation, shares.test))
    if drawn < shares.test:
        return Split.TEST
    if drawn < shares.test + shares.validation or not shares.train:
        return Split.VALIDATION if shares.validation else Split.TEST
    return Split.TRAIN
