"""The cost of a kept dialogue: what rejected posts took counts, intervals cover, equal arms differ at the stated rate."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.ablation.per_kept import Spent, comparison, figure
from analysis.figures import Group, Metric

METRIC = Metric(key="tokens", name="t", group=Group.SIZE, unit="tokens", definition="", source="")


def drawn(rng: np.random.Generator, rows: int, keeps: float, tokens: float, shared: np.ndarray | None = None) -> Spent:
    """Posts that take geometric numbers of replies, and tokens that hang together with the post's length."""
    length = rng.lognormal(0, 0.3, rows) if shared is None else shared
    replies = rng.geometric(keeps, rows)
    kept = replies <= 3
    return Spent(tokens * length * np.minimum(replies, 3) * rng.lognormal(0, 0.1, rows), kept.astype(float))


def test_what_a_rejected_post_took_is_forgotten() -> None:
    spent = Spent(np.array([100.0, 300.0, 200.0]), np.array([1.0, 0.0, 1.0]))
    found = figure(spent, METRIC, corpus="a", resamples=200, seed=0)
    assert found.value == 300.0
    assert found.n == 3


@pytest.mark.parametrize(
    ("spent", "why"),
    [
        (Spent(np.array([1.0, 2.0]), np.zeros(2)), "Nothing was kept."),
        (Spent(np.array([1.0, np.nan]), np.ones(2)), "The endpoint did not count"),
    ],
    ids=["nothing-kept", "tokens-not-counted"],
)
def test_a_cost_is_made_up(spent: Spent, why: str) -> None:
    found = figure(spent, METRIC, corpus="a", resamples=50, seed=0)
    assert found.value is None
    assert why in found.remark
    held = comparison(spent, spent, METRIC, corpus="a", reference="b", resamples=50, permutations=50, seed=0)
    assert (held.difference, held.interval, held.p, held.effect) == (None, None, None, None)


def test_the_interval_of_a_cost_misses_the_truth() -> None:
    truth = drawn(np.random.default_rng(1), 400_000, 0.6, 900).ratio
    assert truth is not None
    held = 0
    for seed in range(200):
        spent = drawn(np.random.default_rng([7, seed]), 150, 0.6, 900)
        interval = figure(spent, METRIC, corpus="a", resamples=300, seed=seed).interval
        assert interval is not None
        held += interval.low <= truth <= interval.high
    assert 180 <= held <= 199  # 0.95 of 200, and more than three standard errors to either side


def test_equal_arms_differ_too_often_or_unequal_ones_seldom() -> None:
    found, seen, covered = 0, 0, 0
    for seed in range(100):
        rng = np.random.default_rng([9, seed])
        length = rng.lognormal(0, 0.3, 120)
        one, other, dear = (drawn(rng, 120, 0.6, tokens, length) for tokens in (900, 900, 1300))
        same = comparison(one, other, METRIC, corpus="a", reference="b", resamples=300, permutations=300, seed=seed)
        apart = comparison(dear, other, METRIC, corpus="a", reference="b", resamples=50, permutations=300, seed=seed)
        assert same.p is not None
        assert apart.p is not None
        assert same.interval is not None
        found += same.p < 0.05
        seen += apart.p < 0.05
        covered += same.interval.low <= 0 <= same.interval.high
    assert found <= 12  # 5 are due; three standard errors are 6.5
    assert covered >= 88
    assert seen >= 95


def test_equal_numbers_in_both_arms_differ() -> None:
    spent = Spent(np.array([5.0, 6.0, 7.0]), np.ones(3))
    held = comparison(spent, spent, METRIC, corpus="a", reference="b", resamples=100, permutations=100, seed=0)
    assert held.difference == 0
    assert held.p == 1.0
