"""The p value of a permutation test, fine enough to stand a correction over hundreds of comparisons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

FEW_REACH = 10
"""Permutations as far out as the data below which their count says little: its own standard error is a third of it."""
ENOUGH_DIALOGUES = 30
"""Of each side, for the normal tail: the rule of thumb of the central limit theorem. Below, a permutation test has few
different outcomes, and a finer p value would pretend otherwise."""
HOW = (
    "p from the count of permutations, or, where fewer than 10 reach the difference, from a normal tail fitted to them"
)

_TIE = 1e-9  # relative gap below which two statistics are equal, so that the same deal counts as one


def p_value(observed: float, permuted: npt.NDArray[np.float64], *, fewest: int) -> float | None:
    """Two-sided. `permuted` holds the statistic under so many relabellings; `fewest` are the dialogues of the smaller side.

    Twice the smaller tail, with (r + 1) / (m + 1) for each (Phipson & Smyth 2010): by tails, not by absolute values, for
    where a thing is rare, a side dealt none of it has no spread, so that its statistic is infinite and would outdo every
    other. Where r is below `FEW_REACH`, both sides are large and all statistics finite, the tail of a normal distribution
    with their mean and spread, never above what the count gives. NaN stands for a relabelling without a value; None comes
    of an observed NaN, or of nothing but NaN.
    """
    defined = permuted[~np.isnan(permuted)]
    if np.isnan(observed) or not len(defined):
        return None
    slack = _TIE * abs(observed) if np.isfinite(observed) else 0.0
    above = int(np.count_nonzero(defined >= observed - slack))
    below = int(np.count_nonzero(defined <= observed + slack))
    reached = min(above, below)
    counted = min(1.0, 2 * (reached + 1) / (len(defined) + 1))
    if reached >= FEW_REACH or fewest < ENOUGH_DIALOGUES or not np.isfinite([*defined, observed]).all():
        return counted
    spread = float(defined.std())
    if spread <= slack:
        return counted
    return min(counted, 2 * float(norm.sf(abs(observed - float(defined.mean())) / spread)))
