"""How large a difference is, free of units: a standardised difference, Cliff's delta, and words for the first.

A p-value says whether a difference could be chance; with 55,165 dialogues nearly none could. The effect says whether a
reader should care.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EFFECT_NAME = "standardised difference (Hedges' g)"
"""What `standardised_difference` is called in a report."""

_WORDS = ((0.2, "negligible"), (0.5, "small"), (0.8, "medium"), (1.2, "large"))
# Below the number, the word. 0.2, 0.5, 0.8: Cohen (1988), "Statistical power analysis for the behavioral sciences", §2.2;
# 1.2 for "very large": Sawilowsky (2009), "New effect size rules of thumb", J. Mod. Appl. Stat. Methods 8(2), table 1.

_ROUNDING = 1e-12  # relative size below which a residual is a rounding error of the division that made it


def residuals(numerators: NDArray[np.float64], denominators: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """numerator - ratio * denominator of each row; what only rounding keeps from 0 is 0."""
    left = numerators - ratio * denominators
    left[np.abs(left) <= _ROUNDING * np.abs(numerators)] = 0.0
    return left


def influence(numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each row adds to the ratio sum(numerators) / sum(denominators): (x - R y) / mean(y), in the ratio's unit.

    Over denominators of 1 it is a value minus the mean, so its spread is the plain standard deviation. The sum of
    denominators must be positive. Linearisation of a ratio: Cochran (1977), "Sampling techniques", §6.3.
    """
    ratio = float(numerators.sum() / denominators.sum())
    return np.asarray(residuals(numerators, denominators, ratio) / denominators.mean(), dtype=np.float64)


def standardised_difference(difference: float, one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """The difference over the pooled standard deviation of both sides' influence values, corrected for few rows.

    For plain means it is Hedges' g. None where a side has fewer than two rows or neither has any spread.
    Hedges (1981), "Distribution theory for Glass's estimator of effect size", J. Educ. Stat. 6(2), with the usual
    approximation of its correction, 1 - 3 / (4 df - 1).
    """
    if min(len(one), len(other)) < 2:  # noqa: PLR2004 - no spread without two
        return None
    free = len(one) + len(other) - 2
    pooled = np.sqrt(((one - one.mean()) ** 2).sum() / free + ((other - other.mean()) ** 2).sum() / free)
    if not pooled > 0:
        return None
    effect = float(difference / pooled) * (1 - 3 / (4 * free - 1))
    return effect if np.isfinite(effect) else None


def in_words(effect: float) -> str:
    """A word for the size of a standardised difference, whichever its sign: from "negligible" to "very large"."""
    return next((word for below, word in _WORDS if abs(effect) < below), "very large")


def cliffs_delta(one: ArrayLike, other: ArrayLike) -> float | None:
    """P(a value of `one` is greater than a value of `other`) - P(it is smaller), from -1 to 1; ties count for neither.

    NaNs are left out; None where a side is empty. O(n log n). Cliff (1993), "Dominance statistics", Psychol. Bull. 114(3).
    """
    first, second = (np.asarray(side, dtype=np.float64).ravel() for side in (one, other))
    first, second = first[~np.isnan(first)], np.sort(second[~np.isnan(second)])
    if not len(first) or not len(second):
        return None
    below = np.searchsorted(second, first, side="left").sum(dtype=np.int64)
    above = (len(second) - np.searchsorted(second, first, side="right")).sum(dtype=np.int64)
    return (int(below) - int(above)) / (len(first) * len(second))
