"""Two corpora's mean pairwise cosines: how far apart, with an interval from both jackknives and a permutation test."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from analysis.figures import Comparison, Interval
from analysis.permutation import HOW, p_value
from analysis.semantic.cosine import LEAST, LEAST_FOR_INTERVAL, MEAN, MeanCosine, Values, mean_cosine, t_quantile
from analysis.semantic.embedder import Vectors, embedded

MOST_PERMUTED = 5_000
"""Dialogues of a side that a permutation test looks at."""
PERMUTATIONS = 999
"""Least p then is 0.001 (Davison & Hinkley 1997, §4.2.5, use the same number)."""
_MASKS = 100  # permutations looked at together
_SMALLEST_ERROR = 1e-6  # of a mean cosine: what float32 leaves of it


def compare_means(
    vectors: Vectors,
    of_reference: Vectors,
    *,
    corpus: str,
    reference: str,
    permutations: int = PERMUTATIONS,
    most: int = MOST_PERMUTED,
    seed: int = 0,
) -> Comparison:
    """The difference of the mean pairwise cosines; rows of zeros are left out.

    The test permutes dialogues between the corpora, at most `most` of each, drawn at random. Its statistic is studentised,
    so that it holds its level where the corpora differ in size or spread and not in their mean (Chung & Romano 2016, §3).
    """
    groups = [np.flatnonzero(embedded(each)) for each in (vectors, of_reference)]
    sizes = [len(group) for group in groups]
    difference, interval, effect, p = None, None, None, None
    remarks = []
    if left_out := len(vectors) + len(of_reference) - sum(sizes):
        remarks.append(f"{left_out} dialogues have no embedding and are left out")
    if min(sizes) < LEAST:
        remarks.append(f"both corpora need {LEAST} embedded dialogues or more")
    elif vectors.shape[1] != of_reference.shape[1]:
        raise ValueError(f"Vectors of {vectors.shape[1]} and of {of_reference.shape[1]} dimensions cannot be compared.")
    else:
        one, two = mean_cosine(vectors, groups[0]), mean_cosine(of_reference, groups[1])
        difference = one.mean - two.mean
        if min(sizes) >= LEAST_FOR_INTERVAL:
            interval = _of_difference(one, two)
        else:
            remarks.append(f"too few dialogues for an interval (fewer than {LEAST_FOR_INTERVAL})")
        effect = _effect(one, two)
        chance = np.random.default_rng(seed)
        drawn = [
            group if len(group) <= most else np.sort(chance.choice(group, most, replace=False)) for group in groups
        ]
        if sum(map(len, drawn)) < sum(sizes):
            remarks.append(f"the test looks at {len(drawn[0]):,} and {len(drawn[1]):,} dialogues, drawn at random")
        p = _permuted(vectors[drawn[0]], of_reference[drawn[1]], permutations, chance)
    return Comparison(
        metric=MEAN.key,
        corpus=corpus,
        reference=reference,
        difference=difference,
        interval=interval,
        effect=effect,
        effect_name="difference over the pooled sd of a dialogue's mean cosine with its corpus",
        p=p,
        p_corrected=None,
        test=f"studentised permutation test, dialogues dealt anew, {permutations} permutations; {HOW}",
        n=sizes[0],
        n_reference=sizes[1],
        remark="; ".join(remarks),
    )


def _of_difference(one: MeanCosine, two: MeanCosine) -> Interval:
    """With Welch's degrees of freedom."""
    first, second = one.variance(), two.variance()
    spread = first**2 / (len(one.of_each) - 1) + second**2 / (len(two.of_each) - 1)
    freedom = (first + second) ** 2 / spread if spread > 0 else 1.0
    reach = t_quantile(freedom) * math.sqrt(first + second)
    middle = one.mean - two.mean
    return Interval(max(-2.0, middle - reach), min(2.0, middle + reach), "jackknife over dialogues")


def _effect(one: MeanCosine, two: MeanCosine) -> float | None:
    """None where no dialogue differs from another."""
    squares = sum(float(((each.of_each - each.of_each.mean()) ** 2).sum()) for each in (one, two))
    sd = math.sqrt(squares / (len(one.of_each) + len(two.of_each) - 2))
    return (one.mean - two.mean) / sd if sd > _SMALLEST_ERROR else None


def _permuted(one: Vectors, two: Vectors, permutations: int, chance: np.random.Generator) -> float | None:
    pooled = np.concatenate([one, two])
    labels = np.zeros((permutations + 1, len(pooled)), dtype=np.float32)
    labels[:, : len(one)] = 1.0
    chance.permuted(labels[1:], axis=1, out=labels[1:])
    found = np.concatenate(
        [_studentised(pooled, labels[start : start + _MASKS]) for start in range(0, len(labels), _MASKS)]
    )
    return p_value(float(found[0]), found[1:], fewest=min(len(one), len(two)))


def _studentised(pooled: Vectors, labels: npt.NDArray[np.float32]) -> Values:
    """The difference of the two groups' means over its standard error, for each row of labels (1 first group, 0 second)."""
    sums = labels @ pooled
    with_first = sums @ pooled.T  # product of each dialogue with the first group's sum
    with_second = (pooled @ pooled.sum(axis=0))[None, :] - with_first
    own = np.einsum("ij,ij->i", pooled, pooled)
    means, variances = [], []
    for group, products in ((labels, with_first), (1.0 - labels, with_second)):
        n = float(group[0].sum())
        of_each = (products - own).astype(np.float64) / (n - 1)
        mean = np.einsum("ij,ij->i", group, of_each) / n
        squares = np.einsum("ij,ij->i", group, (of_each - mean[:, None]) ** 2)
        means.append(mean)
        variances.append(4.0 * (n - 1) / (n * (n - 2) ** 2) * squares)
    error = np.sqrt(variances[0] + variances[1])
    return np.asarray((means[0] - means[1]) / np.maximum(error, _SMALLEST_ERROR))
