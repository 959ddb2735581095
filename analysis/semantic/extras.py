"""Two figures from after SMILE: the Vendi score of a corpus, and MAUVE between two corpora."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import numpy as np
from scipy.special import stdtrit

from analysis.figures import LEVEL, Comparison, Figure, Group, Interval, Metric
from analysis.semantic.embedder import Vectors, embedded

VENDI = Metric(
    key="vendi",
    name="Vendi score",
    group=Group.SEMANTIC,
    unit="effective number of different dialogues",
    definition="exp of the Shannon entropy of the eigenvalues of K/m, K holding the cosines of m dialogues drawn at "
    "random, as many from each corpus: 1 where all are alike, m where no two have anything in common.",
    source="Friedman & Dieng 2023, definition 3.1",
    caveat="It grows with the number of dialogues and depends on the embedder: compare corpora within this report only.",
)
MAUVE = Metric(
    key="mauve",
    name="MAUVE",
    group=Group.HUMAN,
    unit="area under the divergence curve, 0 to 1",
    definition="How far the distributions of two corpora's embeddings overlap, as the area under the curve of both "
    "Kullback-Leibler divergences from their mixtures, after quantisation; 1 is the same distribution.",
    source="Pillutla et al. 2021, §2 and §3",
    caveat="Pillutla et al. use 5,000 texts a side and a language model's embeddings; fewer texts make it noisy and corpora "
    "that differ look more alike, and another embedder puts it on another scale.",
)
MAUVE_EXTRA = "mauve"
"""The optional extra that brings the package."""

SIZE = 1_000
"""Dialogues that a Vendi score rests on."""
DRAWS = 20
"""Samples that a Vendi score is the mean of: its Monte Carlo error is below a quarter of one sample's."""
MAUVE_DRAWS = 10
"""Draws, each with clusters of its own. Measured: of 300 dialogues a side, one draw's standard deviation is 0.02 to 0.03 at 0.15."""
_MOST_MAUVE = 5_000  # Pillutla et al. 2021
LEAST_MAUVE = 100
"""Dialogues a side. Measured with MiniLM, SMILECHAT against Psy-Insight: 0.67 from 20 dialogues, 0.35 from 50, 0.23 from 100, 0.16
from 431; below a hundred the number says how few there are."""


def matched_size(embedded_dialogues: Sequence[int], *, most: int = SIZE) -> int:
    """Dialogues to draw from each corpus: half of the smallest, so that its draws differ, and `most` at the most."""
    return min(most, min(embedded_dialogues, default=0) // 2)


def mauve_size(embedded_dialogues: Sequence[int]) -> int:
    """Dialogues to draw from each of the corpora that are held against one human corpus, and from that: the smallest's number.

    Those with fewer than `LEAST_MAUVE` get no MAUVE and do not count; 5,000 at the most, as in the paper.
    """
    return min([_MOST_MAUVE, *(count for count in embedded_dialogues if count >= LEAST_MAUVE)])


def vendi_score(vectors: Vectors) -> float:
    """Of all rows, at least one; each must have length 1."""
    n, d = vectors.shape
    exact = vectors.astype(np.float64)
    # K = V V' and V' V have the same eigenvalues other than 0.
    values = np.linalg.eigvalsh((exact @ exact.T if n <= d else exact.T @ exact) / n)
    shares = values[values > 0]
    shares = shares / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def vendi(vectors: Vectors, *, corpus: str, size: int = SIZE, draws: int = DRAWS, seed: int = 0) -> Figure:
    """VENDI: the mean over `draws` samples of `size` dialogues; rows of zeros are left out.

    The interval is the delete-d jackknife's (Shao & Wu 1989), whose samples are drawn without replacement: a bootstrap
    would repeat dialogues and so make the corpus less diverse than it is. It needs d, the dialogues not drawn, above
    the root of their number. `value` is None where there are fewer than `size` dialogues.
    """
    rows = np.flatnonzero(embedded(vectors))
    n = len(rows)
    if n < max(1, size):
        remark = f"{n:,} embedded dialogues; {max(1, size):,} are needed"
        return Figure(corpus=corpus, metric=VENDI.key, value=None, n=n, remark=remark)
    chance = np.random.default_rng(seed)
    size = max(1, size)
    if n - size <= math.sqrt(n) or draws < 2:  # noqa: PLR2004 - no spread otherwise
        value = vendi_score(vectors[np.sort(chance.choice(rows, size, replace=False))])
        return Figure(
            corpus=corpus,
            metric=VENDI.key,
            value=value,
            n=n,
            remark=f"of {size:,} of {n:,} dialogues; too few are left over for an interval",
        )
    scores = np.array([vendi_score(vectors[np.sort(chance.choice(rows, size, replace=False))]) for _ in range(draws)])
    # Linear in the dialogues, a sample of m of n varies by (1/m - 1/n) and the corpus by 1/n of one dialogue's variance.
    error = math.sqrt(float(scores.var(ddof=1)) * (size / (n - size) + 1 / draws))
    reach = float(stdtrit(draws - 1, 0.5 + LEVEL / 2)) * error
    value = float(scores.mean())
    return Figure(
        corpus=corpus,
        metric=VENDI.key,
        value=value,
        n=n,
        interval=Interval(
            max(1.0, value - reach), min(float(size), value + reach), "delete-d jackknife over dialogues"
        ),
        remark=f"mean of {draws} samples of {size:,} of {n:,} dialogues",
    )


def mauve(
    vectors: Vectors,
    of_reference: Vectors,
    *,
    corpus: str,
    reference: str,
    most: int = _MOST_MAUVE,
    draws: int = MAUVE_DRAWS,
    seed: int = 0,
) -> Comparison:
    """MAUVE as a comparison's effect: the mean of `draws`, each from as many dialogues of each corpus, at most `most`.

    `most` is 5,000 in the paper. It falls with the number of dialogues: give the same to pairs that are compared.

    Needs the package mauve-text; without it every field is None and the remark says so.
    """
    rows = [np.flatnonzero(embedded(each)) for each in (vectors, of_reference)]
    size = min(most, *map(len, rows))
    score, remark = None, ""
    if size < LEAST_MAUVE:
        remark = f"both corpora need {LEAST_MAUVE} embedded dialogues or more"
    else:
        chance = np.random.default_rng(seed)
        scores: list[float] = []
        for draw in range(draws):
            features = [
                each[chance.choice(places, size, replace=False)]  # in any order: its clusters depend on it
                for each, places in zip((vectors, of_reference), rows, strict=True)
            ]
            found, remark = _mauve(features[0], features[1], seed + draw)
            if found is None:
                break
            scores.append(found)
        else:
            score = float(np.mean(scores))
            remark = f"mean of {draws} draws {remark}, standard deviation {np.std(scores, ddof=1):.3f}"
    return Comparison(
        metric=MAUVE.key,
        corpus=corpus,
        reference=reference,
        difference=None,
        interval=None,
        effect=score,
        effect_name="MAUVE",
        p=None,
        p_corrected=None,
        test="",
        n=len(rows[0]),
        n_reference=len(rows[1]),
        remark=remark,
    )


def _mauve(one: Vectors, two: Vectors, seed: int) -> tuple[float | None, str]:
    if not (np.ptp(one, axis=0).any() or np.ptp(two, axis=0).any() or (one[0] != two[0]).any()):
        return None, "all dialogues have one embedding"  # the package divides by their spread
    try:
        package = import_module("mauve")
    except ImportError:
        return None, f"not measured: the package mauve-text is not installed (extra `{MAUVE_EXTRA}`)"
    with _silenced():
        # The device is where it would run a model of its own; it is given vectors.
        result = package.compute_mauve(p_features=one, q_features=two, device_id=-1, seed=seed % 2**30, verbose=False)
    score = float(result.mauve)
    if not math.isfinite(score):
        return None, "the package found no finite value"
    return score, f"from {len(one):,} dialogues of each corpus"


@contextmanager
def _silenced() -> Iterator[None]:
    """The package's library for clusters writes past Python that 10 points a cluster are few, which is MAUVE's own choice."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
