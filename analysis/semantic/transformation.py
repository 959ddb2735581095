"""Is a dialogue made from its post still about it? Cosines of dialogues with posts (SMILE §4.2, Figures 3 and 4).

A dialogue rewritten from a post should lie close to it (attract), and a dialogue made without one far from a random post
(repel). The line at the mean less three standard deviations of the first kind is where the second should stay below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.figures import Box, Distribution, Group, Metric
from analysis.semantic.embedder import Places, Vectors, embedded

Values = npt.NDArray[np.float64]

_CAVEAT = "Cosines of one embedder say nothing about those of another: compare arms within this report only."
OWN_POST = Metric(
    key="cosine_own_post",
    name="Cosine with its own post",
    group=Group.TRANSFORMATION,
    unit="cosine",
    definition="Mean cosine of a dialogue with the post that it was made from.",
    source="SMILE §4.2, Figure 4",
    caveat=_CAVEAT,
)
RANDOM_POST = Metric(
    key="cosine_random_post",
    name="Cosine with a random post",
    group=Group.TRANSFORMATION,
    unit="cosine",
    definition="Mean cosine of a dialogue with a post drawn at random, never the one that it was made from.",
    source="SMILE §4.2, Figure 4",
    caveat=_CAVEAT,
)

SDS_BELOW = 3.0
"""SMILE's line lies at the mean less three standard deviations (Figure 4)."""
NO_POST = -1
"""In a list of posts by dialogue: made without one."""

_BINS = (8, 60)  # least and most; in between twice the cube root of the number of values (Rice's rule)
_NARROWEST = 0.001  # so that equal values make a bar that can be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCosines:
    """The cosine of a dialogue with one post, for those dialogues that have one. Arrays have the same length."""

    metric: Metric
    values: Values
    dialogues: Places
    """Places of the dialogues."""
    posts: Places
    """Places of the posts they are held against."""
    left_out: int
    """Dialogues with a post to hold them against, of which one has no embedding."""


def with_own_post(dialogues: Vectors, posts: Vectors, post_of: Places) -> PostCosines:
    """Each dialogue with the post at `post_of` (shape (dialogues,), NO_POST where it was made without one)."""
    having = np.flatnonzero(post_of != NO_POST)
    return _cosines(OWN_POST, dialogues, posts, having, post_of[having])


def with_random_post(
    dialogues: Vectors, posts: Vectors, post_of: Places | None = None, *, seed: int = 0
) -> PostCosines:
    """Each dialogue with a post drawn evenly from those that have an embedding, never from its own place.

    Posts of equal embedding count as one post: a question answered twice is no random post to its dialogue.
    """
    usable = np.flatnonzero(embedded(posts))
    every = np.arange(len(dialogues))
    if post_of is None:
        post_of = np.full(len(dialogues), NO_POST, dtype=np.int64)
    if not len(usable):
        return _cosines(RANDOM_POST, dialogues, posts, every[:0], every[:0])
    chance = np.random.default_rng(seed)
    alike = _alike(posts)
    own = np.where(post_of == NO_POST, -1, alike[post_of])
    drawn = usable[chance.integers(0, len(usable), len(dialogues))]
    for place in np.flatnonzero(alike[drawn] == own).tolist():
        others = usable[alike[usable] != own[place]]
        drawn[place] = chance.choice(others) if len(others) else NO_POST
    having = np.flatnonzero(drawn != NO_POST)
    return _cosines(RANDOM_POST, dialogues, posts, having, drawn[having])


def boundary(values: Values) -> float | None:
    """The mean less three (sample) standard deviations; None with fewer than two values."""
    if len(values) < 2:  # noqa: PLR2004 - no spread otherwise
        return None
    return float(values.mean() - SDS_BELOW * values.std(ddof=1))


def share_above(values: Values, line: float | None) -> float | None:
    """The share of values above `line`; None where there is no value or no line."""
    if line is None or not len(values):
        return None
    return float(np.count_nonzero(values > line) / len(values))


def distribution(cosines: PostCosines, *, corpus: str) -> Distribution | None:
    """How the cosines are spread, with the line in the remark; None where there is none."""
    values = cosines.values
    if not len(values):
        return None
    line = boundary(values)
    remarks = [] if line is None else [f"mean - 3 sd = {line:.4f}"]
    if cosines.left_out:
        remarks.append(f"{cosines.left_out} dialogues are left out: they or their posts have no embedding")
    low, high = float(values.min()), float(values.max())
    short = max(0.0, _NARROWEST - (high - low))
    low, high = (low - short, high) if high + short > 1 else (low, high + short)
    counts, edges = np.histogram(values, bins=1 if short else _bins(len(values)), range=(low, high))
    return Distribution(
        corpus=corpus,
        metric=cosines.metric.key,
        unit="dialogues",
        n=len(values),
        mean=float(values.mean()),
        sd=float(values.std()) if len(values) > 1 else 0.0,
        box=Box(*np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()),
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        remark="; ".join(remarks),
    )


def _bins(values: int) -> int:
    least, most = _BINS
    return max(least, min(most, round(2 * math.cbrt(values))))


def _cosines(metric: Metric, dialogues: Vectors, posts: Vectors, places: Places, of_posts: Places) -> PostCosines:
    usable = embedded(dialogues)[places] & embedded(posts)[of_posts]
    kept, kept_posts = places[usable], of_posts[usable]
    products = np.empty(len(kept), dtype=np.float64)
    for start in range(0, len(kept), 8192):
        part = slice(start, start + 8192)
        products[part] = np.einsum("ij,ij->i", dialogues[kept[part]], posts[kept_posts[part]])
    return PostCosines(
        metric=metric,
        values=np.clip(products, -1.0, 1.0),
        dialogues=kept,
        posts=kept_posts,
        left_out=len(places) - len(kept),
    )


def _alike(vectors: Vectors) -> Places:
    """For each row the place of the first row that equals it."""
    first: dict[bytes, int] = {}
    return np.fromiter(
        (first.setdefault(row.tobytes(), place) for place, row in enumerate(vectors)), np.int64, len(vectors)
    )
