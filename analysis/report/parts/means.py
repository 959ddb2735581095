"""Ratios of sums over dialogues: a figure for each corpus, a comparison for each pair of corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.figures import Comparison
from analysis.ratios import Ratio
from analysis.report.sections import Pair, Prepared, Section
from analysis.resampling import Pairs, bootstrap, compare

FEWEST_SHARED_POSTS = 2
"""Below, a paired difference has no spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How often, and from which seed."""

    seed: int
    resamples: int = 1000
    """Enough for a 95 % interval: Efron and Tibshirani 1993, §14.2."""
    permutations: int = 2000
    """A p of 0.05 is then known to within 0.01; far smaller ones come from the fitted tail."""


def measured(
    corpora: Sequence[Prepared], frames: Mapping[str, pd.DataFrame], ratios: Sequence[Ratio], resampling: Resampling
) -> Section:
    """The ratios of each corpus's frame (a row a dialogue)."""
    figures = [
        figure
        for corpus in corpora
        for figure in bootstrap(
            frames[corpus.name], ratios, corpus=corpus.name, resamples=resampling.resamples, seed=resampling.seed
        )
    ]
    return Section(metrics=[ratio.metric for ratio in ratios], figures=figures)


def compared(
    pairs: Sequence[Pair],
    frames: Mapping[str, pd.DataFrame],
    ratios: Sequence[Ratio],
    resampling: Resampling,
    *,
    rows: Mapping[str, np.ndarray] | None = None,
) -> list[Comparison]:
    """The ratios of each pair, post by post where both corpora were made from the same posts.

    `rows` gives, for frames that hold a sample of a corpus, the dialogue each row stands for.
    """
    return [
        comparison
        for pair in pairs
        for comparison in compare(
            frames[pair.corpus.name],
            frames[pair.reference.name],
            ratios,
            corpus=pair.corpus.name,
            reference=pair.reference.name,
            permutations=resampling.permutations,
            resamples=resampling.resamples,
            seed=resampling.seed,
            pairs=None if rows is not None else shared_posts(pair),
        )
    ]


def shared_posts(pair: Pair) -> Pairs | None:
    """Places of the dialogues made from the same post, its k-th sample with the other's k-th; None where too few are.

    Pairing pays only where nearly all dialogues have a partner: of others, more is lost than the pairing gains.
    """
    mine, others = _by_post(pair.corpus), _by_post(pair.reference)
    common = [key for key in mine if key in others]
    if len(common) < FEWEST_SHARED_POSTS or 2 * len(common) < max(len(mine), len(others)):
        return None
    return np.array([mine[key] for key in common]), np.array([others[key] for key in common])


def _by_post(corpus: Prepared) -> dict[tuple[str, int], int]:
    """Place by post and by how many dialogues of that post came before."""
    seen: dict[str, int] = {}
    found: dict[tuple[str, int], int] = {}
    for place, entry in enumerate(corpus.input.entries):
        if (post := corpus.input.post_of(entry)) is not None:
            found[post, seen.setdefault(post, 0)] = place
            seen[post] += 1
    return found
