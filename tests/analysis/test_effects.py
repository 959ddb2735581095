from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.effects import cliffs_delta, in_words, influence, standardised_difference


def ones(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones_like(values)


def test_plain_means_give_another_value_than_hedges_g() -> None:
    one, other = np.array([1.0, 2, 3, 4]), np.array([3.0, 5, 7, 9, 11])
    # By hand: means 2.5 and 7, sums of squares 5 and 40, 7 degrees of freedom.
    expected = (2.5 - 7) / np.sqrt(45 / 7) * (1 - 3 / 27)
    found = standardised_difference(2.5 - 7, influence(one, ones(one)), influence(other, ones(other)))
    assert found == pytest.approx(expected)


def test_influence_leaves_the_mean_of_a_ratio_or_adds_up_to_something() -> None:
    x, y = np.array([4.0, 9, 2, 5]), np.array([2.0, 3, 2, 1])
    # R = 20 / 8 = 2.5; mean of y = 2.
    assert influence(x, y).tolist() == pytest.approx([-0.5, 0.75, -1.5, 1.25])


def test_equal_ratios_keep_a_spread_made_of_rounding() -> None:
    y = np.array([1.0, 3, 7, 11])
    assert not influence(0.1 * y, y).any()


@pytest.mark.parametrize(("one", "other"), [([1.0], [1.0, 2.0]), ([0.0, 0.0], [0.0, 0.0, 0.0]), ([], [])])
def test_an_effect_is_made_of_no_spread_or_one_row(one: list[float], other: list[float]) -> None:
    assert standardised_difference(1.0, np.array(one), np.array(other)) is None


@pytest.mark.parametrize(
    ("effect", "word"),
    [
        (0.0, "negligible"),
        (0.199, "negligible"),
        (0.2, "small"),
        (-0.49, "small"),
        (0.5, "medium"),
        (-0.8, "large"),
        (1.19, "large"),
        (1.2, "very large"),
        (-7.0, "very large"),
    ],
)
def test_an_effect_has_another_word(effect: float, word: str) -> None:
    assert in_words(effect) == word


def test_cliffs_delta_differs_from_counting_every_pair() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.integers(0, 6, 40), rng.integers(1, 8, 31)
    pairs = [(a > b) - (a < b) for a in one.tolist() for b in other.tolist()]
    found, back = cliffs_delta(one, other), cliffs_delta(other, one)
    assert found is not None
    assert found == pytest.approx(sum(pairs) / len(pairs))
    assert back == pytest.approx(-found)


def test_cliffs_delta_of_sides_apart_is_not_one() -> None:
    assert cliffs_delta([3, 4], [1, 2]) == 1.0
    assert cliffs_delta([2, 2], [2]) == 0.0
    assert cliffs_delta([float("nan"), 3], [1]) == 1.0
    assert cliffs_delta([], [1]) is None
    assert cliffs_delta([float("nan")], [1]) is None
