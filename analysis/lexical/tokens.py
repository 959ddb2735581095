"""A corpus as numbers: one array of token ids, cut at dialogues and at utterances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Bounds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Token ids of a corpus, in order of speaking.

    `ids` has shape (tokens,); an id is a place in `vocabulary`. Dialogue d holds ids[dialogues[d]:dialogues[d + 1]], so
    `dialogues` has one value more than there are dialogues; utterances likewise. A dialogue or utterance may hold no token.
    """

    ids: Ids
    dialogues: Bounds
    utterances: Bounds
    vocabulary: tuple[str, ...]
    tokenizer: str
    """The name the tokens were made under: "jieba", "characters", "words", or a tokenizer's folder."""

    @property
    def count_of_dialogues(self) -> int:
        return len(self.dialogues) - 1

    @property
    def total(self) -> int:
        """Tokens of the whole corpus."""
        return len(self.ids)

    @property
    def lengths(self) -> Bounds:
        """Tokens of each dialogue, shape (dialogues,)."""
        return np.diff(self.dialogues)


def places_of(bounds: Bounds, numbers: Bounds) -> Bounds:
    """Where the tokens of the numbered stretches lie, in the order of `numbers`; shape (their tokens,).

    Stretch d reaches from bounds[d] to bounds[d + 1].
    """
    starts = bounds[numbers]
    lengths = bounds[numbers + 1] - starts
    shifts = starts - (np.cumsum(lengths) - lengths)
    return np.repeat(shifts, lengths) + np.arange(lengths.sum(), dtype=np.int64)
