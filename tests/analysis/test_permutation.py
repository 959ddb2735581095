from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from analysis.permutation import p_value

MANY = 400
NAN, INFINITE = float("nan"), float("inf")


def test_the_count_decides_where_many_relabellings_reach_the_difference() -> None:
    permuted = np.arange(-50.0, 50.0)
    assert p_value(38.0, permuted, fewest=MANY) == 2 * (12 + 1) / 101  # 38 to 49, and the data themselves
    assert p_value(-38.0, permuted, fewest=MANY) == 2 * (13 + 1) / 101


def test_a_small_side_keeps_the_counted_value() -> None:
    permuted = np.random.default_rng(0).standard_normal(999)
    assert p_value(8.0, permuted, fewest=5) == 2 / 1000


def test_a_far_difference_has_the_normal_tail() -> None:
    permuted = np.random.default_rng(0).standard_normal(4999)
    p = p_value(4.5, permuted, fewest=MANY)
    assert p == pytest.approx(2 * norm.sf(4.5), rel=0.6)


@pytest.mark.parametrize("observed", [1.0, INFINITE, -INFINITE])
def test_permutations_without_spread_never_give_less_than_the_count(observed: float) -> None:
    assert p_value(observed, np.zeros(99), fewest=MANY) == 2 / 100


def test_an_infinite_statistic_of_a_relabelling_keeps_the_count() -> None:
    permuted = np.concatenate([np.random.default_rng(0).standard_normal(98), [INFINITE]])
    assert p_value(9.0, permuted, fewest=MANY) == 2 * 2 / 100


def test_relabellings_without_a_value_are_no_evidence() -> None:
    permuted = np.concatenate([np.zeros(9), np.full(90, NAN)])
    assert p_value(9.0, permuted, fewest=MANY) == 2 / 10
    assert p_value(9.0, np.full(9, NAN), fewest=MANY) is None
    assert p_value(NAN, permuted, fewest=MANY) is None


def test_five_of_a_hundred_null_tests_are_below_five_percent() -> None:
    """Means of 40 against 60 lognormal values of one source: count and tail together hold the level."""
    rng = np.random.default_rng(1)
    below = 0
    for _ in range(400):
        values = rng.lognormal(size=100)
        deals = rng.permuted(np.tile(np.arange(100) < 40, (200, 1)), axis=1)
        differences = (deals @ values) / 40 - (~deals @ values) / 60
        p = p_value(values[:40].mean() - values[40:].mean(), differences, fewest=40)
        assert p is not None
        below += p < 0.05
    assert 0.025 < below / 400 < 0.08


def test_the_tail_holds_the_level_of_a_correction_over_many() -> None:
    """Fewer than one in a thousand null statistics may be called rarer than one in a thousand, within chance."""
    rng = np.random.default_rng(2)
    statistics = rng.standard_normal((2000, 200))
    below = sum((p_value(row[0], row[1:], fewest=MANY) or 1.0) < 0.001 for row in statistics)
    assert below <= 8  # 2 expected; P(more than 8) is 0.0002
