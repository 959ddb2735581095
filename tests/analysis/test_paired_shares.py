"""The difference between two shares of the same posts: its interval against Newcombe's formula, written plainly, and truth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri

from analysis.figures import Comparison, Group, Metric
from analysis.ratio_intervals import NEWCOMBE
from analysis.ratios import Ratio
from analysis.resampling import compare

KEPT = Ratio(
    metric=Metric(key="kept", name="", group=Group.COST, unit="share of posts", definition="", source=""),
    numerator="kept",
)
Z = float(ndtri(0.975))


def kept(*numbers: float) -> pd.DataFrame:
    return pd.DataFrame({"kept": numbers, "dialogues": 1.0})


def compared(one: pd.DataFrame, other: pd.DataFrame, resamples: int = 20) -> Comparison:
    rows = np.arange(len(one))
    return compare(
        one, other, [KEPT], corpus="a", reference="b", permutations=20, resamples=resamples, seed=1, pairs=(rows, rows)
    )[0]


def plain(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """Newcombe (1998), paired data, method 10, from the four counts."""
    n = both + first + second + neither

    def wilson(count: int) -> tuple[float, float]:
        middle, reach = 2 * count + Z * Z, Z * math.sqrt(Z * Z + 4 * count * (1 - count / n))
        return (middle - reach) / (2 * (n + Z * Z)), (middle + reach) / (2 * (n + Z * Z))

    a, b = (both + first) / n, (both + second) / n
    (a_low, a_high), (b_low, b_high) = wilson(both + first), wilson(both + second)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    phi = 0.0
    if margins:
        top = both * neither - first * second
        phi = (max(top - n / 2, 0.0) if top > 0 else top) / math.sqrt(margins)
    down, up = a - a_low, b_high - b
    below = math.sqrt(down**2 - 2 * phi * down * up + up**2)
    down, up = b - b_low, a_high - a
    return a - b - below, a - b + math.sqrt(down**2 - 2 * phi * down * up + up**2)


@pytest.mark.parametrize(
    "counts",
    [(20, 12, 2, 16), (36, 12, 2, 0), (200, 60, 30, 110), (2, 97, 3, 98), (54, 0, 0, 0), (0, 0, 10, 0), (5, 0, 0, 5)],
    ids=str,
)
def test_the_interval_is_another_than_newcombes(counts: tuple[int, int, int, int]) -> None:
    """A little wider where a share varies: few posts estimate its variance badly, and Student's quantile says so."""
    both, first, second, neither = counts
    found = compared(
        kept(*[1] * both, *[1] * first, *[0] * second, *[0] * neither),
        kept(*[1] * both, *[0] * first, *[1] * second, *[0] * neither),
    )
    assert found.interval is not None
    assert found.interval.method == NEWCOMBE
    low, high = plain(*counts)
    assert low - 0.03 < found.interval.low < low + 1e-9
    assert high - 1e-9 < found.interval.high < high + 0.03


def test_an_arm_that_keeps_nothing_is_certain_to_keep_nothing() -> None:
    found = compared(kept(*[0] * 10), kept(*[1] * 10))
    assert found.difference == -1.0
    assert found.interval is not None
    assert tuple(found.interval[:2]) == pytest.approx((-1.0, -0.6075), abs=1e-4)


def correlated(
    rng: np.random.Generator, shares: tuple[float, float], correlation: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    mixing = np.linalg.cholesky([[1.0, correlation], [correlation, 1.0]])
    drawn = ndtr(rng.standard_normal((60, 2)) @ mixing.T)
    return kept(*(drawn[:, 0] < shares[0])), kept(*(drawn[:, 1] < shares[1]))


@pytest.mark.parametrize(
    ("shares", "correlation"), [((0.95, 0.9), 0.3), ((0.5, 0.4), 0.5), ((0.99, 0.95), 0.8)], ids=str
)
def test_intervals_miss_the_true_difference_too_often(shares: tuple[float, float], correlation: float) -> None:
    """Of 400 pairs of corpora of 60 posts; 0.95 to 0.99 in long runs. By bootstrap: 0.90 to 0.95."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        interval = compared(*correlated(rng, shares, correlation)).interval
        covered += interval is None or interval.low <= shares[0] - shares[1] <= interval.high
    assert covered / 400 > 0.925
