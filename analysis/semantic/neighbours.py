"""The dialogue that is most like another: to read human sessions beside it, and to find near copies in a corpus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.figures import Figure, Group, Metric
from analysis.semantic.embedder import Places, Vectors, embedded

CLOSE = 0.9
"""Cosine above which two dialogues count as close."""
SAMPLE = 1_000
"""Dialogues of a corpus among which neighbours are sought."""
NO_NEIGHBOUR = -1

_BLOCK = 2048  # dialogues a side of a block: its cosines take 16 MiB

CLOSE_NEIGHBOUR = Metric(
    key="close_neighbour",
    name="Dialogues with a near copy",
    group=Group.SEMANTIC,
    unit="share of dialogues",
    definition=f"Share of dialogues whose most similar other dialogue has a cosine above {CLOSE}, among so many "
    "dialogues drawn at random, as many from each corpus: the more there are, the closer the nearest one is.",
    source="this project's own",
    caveat="The threshold means something else for each embedder: compare corpora within this report only.",
)


class Nearest(NamedTuple):
    """For each dialogue asked for, the most similar one. Both arrays have the shape (asked for,)."""

    places: Places
    """NO_NEIGHBOUR where there is none."""
    cosines: npt.NDArray[np.float32]
    """0 where there is none."""


def nearest(asked: Vectors, among: Vectors) -> Nearest:
    """The row of `among` most similar to each row of `asked`, the first of equals; rows of zeros have and are none.

    Raises ValueError for vectors of different dimensions, or not of length 1.
    """
    return _nearest(asked, among, themselves=False)


def share_with_close_neighbour(
    vectors: Vectors, *, corpus: str, size: int = SAMPLE, above: float = CLOSE, seed: int = 0
) -> Figure:
    """CLOSE_NEIGHBOUR among `size` dialogues drawn at random; None where there are fewer, for it grows with their number.

    No interval: near copies come in groups, so the dialogues that have one are not independent.
    """
    places = np.flatnonzero(embedded(vectors))
    if len(places) < max(2, size):
        remark = f"{len(places):,} embedded dialogues; {max(2, size):,} are needed"
        return Figure(corpus=corpus, metric=CLOSE_NEIGHBOUR.key, value=None, n=len(places), remark=remark)
    drawn = vectors[np.sort(np.random.default_rng(seed).choice(places, max(2, size), replace=False))]
    found = _nearest(drawn, drawn, themselves=True)
    return Figure(
        corpus=corpus,
        metric=CLOSE_NEIGHBOUR.key,
        value=float(np.count_nonzero(found.cosines > above) / len(drawn)),
        n=len(drawn),
        remark=f"among {len(drawn):,} of {len(places):,} dialogues, drawn at random; cosine above {above:g}",
    )


def _nearest(asked: Vectors, among: Vectors, *, themselves: bool) -> Nearest:
    """`themselves`: both are the same rows, and none is its own neighbour."""
    if len(asked) and len(among) and asked.shape[1] != among.shape[1]:
        raise ValueError(f"Vectors of {asked.shape[1]} and of {among.shape[1]} dimensions cannot be compared.")
    has, may_be = embedded(asked), embedded(among)
    places = np.full(len(asked), NO_NEIGHBOUR, dtype=np.int64)
    best = np.full(len(asked), -np.inf, dtype=np.float32)
    for top in range(0, len(asked), _BLOCK):
        rows = slice(top, min(top + _BLOCK, len(asked)))
        for start in range(0, len(among), _BLOCK):
            columns = slice(start, min(start + _BLOCK, len(among)))
            cosines = asked[rows] @ among[columns].T
            cosines[:, ~may_be[columns]] = -np.inf
            if themselves and top == start:
                np.fill_diagonal(cosines, -np.inf)
            found = cosines.argmax(axis=1)
            values = cosines[np.arange(len(found)), found]
            better = values > best[rows]
            best[rows][better] = values[better]
            places[rows][better] = start + found[better]
    none = ~has | (places == NO_NEIGHBOUR)
    places[none], best[none] = NO_NEIGHBOUR, 0.0
    return Nearest(places, np.clip(best, -1.0, 1.0))
