"""What turns texts into vectors promises, whoever does it, and which of its rows may be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from filters.dialogue import Dialogue

Vectors = npt.NDArray[np.float32]
"""Shape (texts, dimensions); each row has length 1, or is all zeros where the text has no embedding."""
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LENGTH_TOLERANCE = 1e-3  # ten times what rounding to half precision leaves of a length of 1
_ROWS = 8192  # rows looked at together: 32 MiB at 1,024 dimensions


class Embedder(Protocol):
    """Anything that makes vectors from texts."""

    @property
    def name(self) -> str:
        """What it is, for a reader of the figures."""
        ...

    @property
    def dimensions(self) -> int | None:
        """Length of a vector; None where that is not known before the first text."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row a text, in their order, of length 1; all zeros where a text is empty or cannot be embedded."""
        ...

    def cut(self, texts: Sequence[str]) -> int | None:
        """How many of the texts are longer than it reads, so that their rows speak of their beginnings; None if unknown."""
        ...


def text_of(dialogue: Dialogue) -> str:
    """The text that stands for a dialogue: its utterances one after the other, with nothing between (SMILE §4.1)."""
    return "".join(utterance.text for utterance in dialogue.utterances)


def embedded(vectors: Vectors) -> Mask:
    """Which rows hold an embedding, shape (texts,).

    Raises ValueError where the shape is wrong, a value is not finite, or a row is neither of length 1 nor all zeros.
    """
    if vectors.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise ValueError(f"Vectors have the shape {vectors.shape}; one row a text is needed.")
    squares = np.empty(len(vectors), dtype=np.float64)
    for start in range(0, len(vectors), _ROWS):
        rows = vectors[start : start + _ROWS]
        with np.errstate(over="ignore", invalid="ignore"):
            squares[start : start + _ROWS] = np.einsum("ij,ij->i", rows, rows)
    filled: Mask = squares != 0.0
    wrong = ~(np.abs(np.sqrt(squares[filled]) - 1.0) <= _LENGTH_TOLERANCE)
    if wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} vectors have neither length 1 nor length 0, or hold values that are not finite."
        )
    return filled


def scaled_to_length_1(vectors: npt.NDArray[np.floating]) -> Vectors:
    """The rows divided by their lengths, in float32; rows of length 0 stay as they are.

    A length is taken of values already divided by the row's largest, so that no square is lost or overflows.
    """
    values = vectors.astype(np.float64)
    largest = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
    np.divide(values, largest, out=values, where=largest > 0)
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
    np.divide(values, lengths, out=values, where=lengths > 0)
    return values.astype(np.float32)
