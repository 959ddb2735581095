from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.figures import Comparison, Figure, Group, Metric
from analysis.ratio_intervals import CONSTANT, NEWCOMBE, PERCENTILE, STUDENTISED, WILSON
from analysis.ratios import Ratio
from analysis.resampling import bootstrap, compare

Floats = NDArray[np.float64]


def ratio(numerator: str = "x", denominator: str = "y", unit: str = "things") -> Ratio:
    metric = Metric(key=f"{numerator}_{denominator}", name="", group=Group.SIZE, unit=unit, definition="", source="")
    return Ratio(metric=metric, numerator=numerator, denominator=denominator)


def frame(x: object, y: object = 1) -> pd.DataFrame:
    return pd.DataFrame({"x": x, "y": y})


def figure(held: pd.DataFrame, *, unit: str = "things", seed: int = 1, clusters: object = None) -> Figure:
    labels = None if clusters is None else np.asarray(clusters)
    return bootstrap(held, [ratio(unit=unit)], corpus="c", seed=seed, clusters=labels)[0]


def comparison(
    one: pd.DataFrame, other: pd.DataFrame, *, unit: str = "things", permutations: int = 999, **more: object
) -> Comparison:
    pairs = more.get("pairs")
    assert pairs is None or isinstance(pairs, tuple)
    return compare(
        one,
        other,
        [ratio(unit=unit)],
        corpus="one",
        reference="other",
        permutations=permutations,
        resamples=999,
        seed=1,
        pairs=pairs,
    )[0]


def standard_error(x: Floats, y: Floats) -> float:
    rest = x - x.sum() / y.sum() * y
    return math.sqrt(float((rest**2).sum()) * len(x) / (len(x) - 1)) / float(y.sum())


# --- one corpus


def test_the_value_is_another_than_the_ratio_of_the_sums() -> None:
    found = figure(frame([3, 5, 0, 4], [1, 2, 0, 3]))
    assert (found.value, found.n) == (2.0, 3)


def test_the_interval_strays_from_a_bootstrap_t_written_plainly() -> None:
    rng = np.random.default_rng(4)
    y = np.asarray(1 + rng.poisson(5, 80), dtype=np.float64)
    x = y * rng.lognormal(0, 0.8, 80)
    value, error = x.sum() / y.sum(), standard_error(x, y)
    statistics = []
    for _ in range(4000):
        rows = rng.integers(0, 80, 80)
        statistics.append((x[rows].sum() / y[rows].sum() - value) / standard_error(x[rows], y[rows]))
    low, high = value - np.quantile(statistics, [0.975, 0.025]) * error
    found = bootstrap(frame(x, y), [ratio()], corpus="c", resamples=4000, seed=9)[0]
    assert found.interval is not None
    assert found.interval.method == STUDENTISED
    assert tuple(found.interval[:2]) == pytest.approx((low, high), rel=0.03)
    assert found.remark == ""


def test_a_seed_does_not_settle_the_interval() -> None:
    held = frame(np.random.default_rng(1).lognormal(size=70))
    assert figure(held) == figure(held)
    assert figure(held).interval != figure(held, seed=2).interval


def test_ratios_of_one_frame_see_different_draws() -> None:
    held = frame(np.random.default_rng(1).lognormal(size=70)).assign(twice=lambda made: 2 * made["x"])
    one, two = bootstrap(held, [ratio(), ratio("twice")], corpus="c", seed=1)
    assert one.interval is not None
    assert two.interval is not None
    assert tuple(two.interval[:2]) == pytest.approx((2 * one.interval.low, 2 * one.interval.high))


def test_a_share_of_dialogues_has_another_interval_than_wilsons() -> None:
    """30 of 100; effective trials 99 * (1.95996 / 1.98422)**2, from the unbiased variance and Student's quantile."""
    found = figure(frame([1] * 30 + [0] * 70), unit="share of dialogues")
    trials, z = 99 * (1.95996 / 1.98422) ** 2, 1.95996
    middle = (0.3 + z * z / 2 / trials) / (1 + z * z / trials)
    spread = z * math.sqrt(0.21 / trials + z * z / 4 / trials**2) / (1 + z * z / trials)
    assert found.interval is not None
    assert found.interval.method == WILSON
    assert tuple(found.interval[:2]) == pytest.approx((middle - spread, middle + spread), abs=1e-5)


@pytest.mark.parametrize(("shares", "bounds"), [(0, (0.0, 0.16113)), (1, (0.83887, 1.0))])
def test_a_share_of_none_or_all_claims_certainty(shares: int, bounds: tuple[float, float]) -> None:
    """20 dialogues: z² / (20 + z²) = 0.16113."""
    found = figure(frame([5 * shares] * 20, [5] * 20), unit="share of utterances")
    assert found.interval is not None
    assert tuple(found.interval[:2]) == pytest.approx(bounds, abs=1e-5)
    assert "20 dialogues" in found.remark


def test_a_count_of_none_claims_certainty() -> None:
    found = figure(frame([0] * 300))
    assert (found.value, found.interval) == (0.0, None)
    assert "0.01 of dialogues" in found.remark


@pytest.mark.parametrize("y", [1, [1, 2, 3, 7]])
def test_a_constant_has_no_point_for_an_interval(y: object) -> None:
    held = frame(0.1, y) if y != 1 else frame([0.1] * 4)
    held["x"] = 0.1 * held["y"]
    found = figure(held)
    assert found.value == pytest.approx(0.1)
    assert found.interval == (found.value, found.value, CONSTANT)


@pytest.mark.parametrize(
    ("held", "value"),
    [
        (frame([], []), None),
        (frame([0, 0], [0, 0]), None),
        (frame([math.nan, 1], [1, math.nan]), None),
        (frame([4], [2]), 2.0),
        (frame([4, 0], [2, 0]), 2.0),
    ],
    ids=["no row", "no denominator", "no number", "one row", "one row with a denominator"],
)
def test_too_little_has_an_interval_or_no_remark(held: pd.DataFrame, value: float | None) -> None:
    found = figure(held.astype(float))
    assert (found.value, found.interval) == (value, None)
    assert found.remark


def test_a_number_that_is_not_finite_reaches_a_figure_or_goes_in_silence() -> None:
    found = figure(frame([1, 3, math.inf, math.nan, 5], [1, 1, 1, 1, math.nan]))
    assert (found.value, found.n) == (2.0, 2)
    assert "3 dialogues left out" in found.remark


def test_a_thing_that_few_have_has_an_infinite_interval() -> None:
    found = figure(frame([1] + [0] * 69))
    assert found.interval is not None
    assert found.interval.method == PERCENTILE
    assert 0 <= found.interval.low <= found.interval.high < 0.1
    assert "covers less" in found.remark


def test_a_few_dialogues_have_no_remark() -> None:
    values = np.random.default_rng(1).lognormal(size=60)
    assert "covers less" in figure(frame(values[:59])).remark
    assert figure(frame(values)).remark == ""


def test_dialogues_of_one_cluster_are_drawn_apart() -> None:
    """Every dialogue twice under one label says no more than once."""
    x, y = np.random.default_rng(3).lognormal(size=(2, 90))
    once = figure(frame(x, y))
    twice = figure(frame(np.repeat(x, 2), np.repeat(y, 2)), clusters=np.repeat(np.arange(90), 2))
    apart = figure(frame(np.repeat(x, 2), np.repeat(y, 2)))
    assert once.interval is not None
    assert twice.interval is not None
    assert apart.interval is not None
    assert tuple(twice.interval[:2]) == pytest.approx(tuple(once.interval[:2]))
    assert apart.interval.high - apart.interval.low < 0.8 * (once.interval.high - once.interval.low)
    assert twice.n == 180
    assert "90 clusters" in twice.remark


def test_a_frame_that_does_not_fit_is_taken() -> None:
    with pytest.raises(ValueError, match="'z'"):
        bootstrap(frame([1]), [ratio("z")], corpus="c", seed=1)
    with pytest.raises(ValueError, match="negative"):
        figure(frame([1, 1], [1, -1]))
    with pytest.raises(ValueError, match="labels"):
        figure(frame([1, 1]), clusters=[1])
    assert bootstrap(frame([1]), [], corpus="c", seed=1) == []


def rare_share(rng: np.random.Generator) -> pd.DataFrame:
    y = 1 + rng.poisson(6, 60)
    return frame(rng.binomial(y, rng.beta(0.4, 19.6, 60)), y)


def skewed_mean(rng: np.random.Generator) -> pd.DataFrame:
    return frame(rng.lognormal(0, 1, 60))


@pytest.mark.parametrize(
    ("made", "truth", "unit"),
    [(rare_share, 0.02, "share of utterances"), (skewed_mean, math.exp(0.5), "things")],
    ids=["rare share", "skewed mean"],
)
def test_intervals_miss_the_truth_too_often(
    made: Callable[[np.random.Generator], pd.DataFrame], truth: float, unit: str
) -> None:
    """Of 400 corpora of 60 dialogues; 0.93 to 0.94 in long runs, standard error 0.013. Percentiles: 0.88 to 0.90."""
    rng = np.random.default_rng(12)
    intervals = [
        bootstrap(made(rng), [ratio(unit=unit)], corpus="c", resamples=499, seed=seed)[0].interval
        for seed in range(400)
    ]
    covered = [interval is None or interval.low <= truth <= interval.high for interval in intervals]
    assert sum(covered) / 400 > 0.905


small_frames = st.lists(
    st.tuples(st.sampled_from([0.0, 1, 2, 0.1, 7, 1e5, -3, math.nan, math.inf]), st.sampled_from([0.0, 1, 3, 1e5])),
    max_size=12,
).map(lambda rows: frame([x for x, _ in rows], [y for _, y in rows]).astype(float))


def assert_sound(found: Figure | Comparison) -> None:
    value = found.value if isinstance(found, Figure) else found.difference
    numbers = [value] if isinstance(found, Figure) else [value, found.effect, found.p]
    assert all(number is None or (type(number) is float and math.isfinite(number)) for number in numbers)
    if found.interval is None:
        assert found.remark
    else:
        assert math.isfinite(found.interval.low)
        assert math.isfinite(found.interval.high)
        assert found.interval.low <= found.interval.high


@given(small_frames, st.sampled_from(["things", "share of things"]))
@settings(deadline=None)
def test_some_rows_break_a_figure(held: pd.DataFrame, unit: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_sound(bootstrap(held, [ratio(unit=unit)], corpus="c", resamples=60, seed=1)[0])


# --- two corpora


def test_a_difference_or_its_effect_is_another_than_by_hand() -> None:
    found = comparison(frame([1.0, 2, 3, 4]), frame([3.0, 5, 7, 9, 11]))
    assert found.difference == -4.5
    assert found.effect == pytest.approx(-4.5 / math.sqrt(45 / 7) * (1 - 3 / 27))
    assert (found.n, found.n_reference, found.p_corrected) == (4, 5, None)


def welch(one: Floats, other: Floats) -> float:
    error = one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)
    return float((one.mean() - other.mean()) / math.sqrt(error))


def test_p_strays_from_dealing_in_every_way() -> None:
    one, other = np.array([1.0, 4.5, 7.25, 9]), np.array([6.0, 8.5, 11, 15.5, 10.75])
    pooled = np.concatenate([one, other])
    statistics = []
    for chosen in itertools.combinations(range(9), 4):
        picked = np.isin(np.arange(9), chosen)
        statistics.append(welch(pooled[picked], pooled[~picked]))
    observed = welch(one, other) + 1e-9
    exact = 2 * sum(value <= observed for value in statistics) / len(statistics)
    found = comparison(frame(one), frame(other), permutations=20_000)
    assert found.p == pytest.approx(exact, abs=0.01)


def test_p_of_pairs_strays_from_swapping_in_every_way() -> None:
    """Influence of a pair: its ours less its theirs, each about its own ratio and over its own mean denominator."""
    rng = np.random.default_rng(8)
    y, z = rng.integers(1, 5, (2, 8)).astype(float)
    x, w = y * rng.lognormal(0.6, 0.5, 8), z * rng.lognormal(0, 0.5, 8)

    def statistic(swapped: NDArray[np.bool_]) -> float:
        a, b = np.where(swapped, w, x), np.where(swapped, z, y)
        c, d = np.where(swapped, x, w), np.where(swapped, y, z)
        ours, theirs = a.sum() / b.sum(), c.sum() / d.sum()
        influences = (a - ours * b) / b.mean() - (c - theirs * d) / d.mean()
        return float((ours - theirs) / math.sqrt(influences.var(ddof=1) / 8))

    statistics = [statistic(np.array(swaps)) for swaps in itertools.product([False, True], repeat=8)]
    observed = statistics[0] - 1e-9
    exact = 2 * sum(value >= observed for value in statistics) / len(statistics)
    rows = np.arange(8)
    found = comparison(frame(x, y), frame(w, z), permutations=20_000, pairs=(rows, rows))
    assert 0 < exact < 1
    assert found.p == pytest.approx(exact, abs=0.01)


def test_pairs_tell_no_more_than_strangers() -> None:
    rng = np.random.default_rng(6)
    post = rng.normal(20, 5, 100)
    one, other = frame(post + rng.normal(0.5, 1, 100)), frame(post + rng.normal(0, 1, 100))
    order = rng.permutation(100)
    paired = comparison(one, other.iloc[order].reset_index(drop=True), pairs=(np.arange(100), np.argsort(order)))
    apart = comparison(one, other)
    assert paired.interval is not None
    assert apart.interval is not None
    assert paired.interval.high - paired.interval.low < 0.4 * (apart.interval.high - apart.interval.low)
    assert paired.p is not None
    assert apart.p is not None
    assert paired.p < 0.01
    assert apart.p > 0.2


def test_what_rounding_leaves_of_a_spread_widens_an_interval() -> None:
    """Most resamples hold none of the odd pairs: their variance is 0, and was once 1e-17."""
    one, other = frame([3.1] * 18 + [4.7, 2.9]), frame([0.3] * 19 + [0.7])
    rows = np.arange(20)
    found = comparison(one, other, pairs=(rows, rows))
    assert found.interval is not None
    assert 1.5 < found.interval.low < found.interval.high < 3.5


def test_rows_without_a_partner_enter_the_difference_or_go_in_silence() -> None:
    found = comparison(frame([1.0, 5, 9, 100]), frame([2.0, 3, 4]), pairs=([2, 0, 1], [1, 0, 2]))
    assert found.difference == 2.0
    assert (found.n, found.n_reference) == (3, 3)
    assert "3 pairs of 4 and 3" in found.remark


@pytest.mark.parametrize("pairs", [([0], [0, 1]), ([0, 9], [0, 1]), ([0, -1], [0, 1])])
def test_pairs_that_do_not_fit_are_taken(pairs: tuple[list[int], list[int]]) -> None:
    with pytest.raises(ValueError, match="Pairs"):
        comparison(frame([1, 2]), frame([1, 2]), pairs=pairs)


def test_unequal_spreads_pass_for_a_difference_of_means() -> None:
    """300 pairs of corpora of equal means; dealing raw differences would call 0.45 of them different."""
    rng = np.random.default_rng(7)
    found = 0
    for seed in range(300):
        one, other = frame(rng.normal(10, 3, 40)), frame(rng.normal(10, 1, 800))
        p = compare(one, other, [ratio()], corpus="a", reference="b", permutations=199, resamples=20, seed=seed)[0].p
        assert p is not None
        found += p <= 0.05
    assert found / 300 < 0.09


def test_a_rare_thing_that_is_common_on_one_side_passes_for_chance() -> None:
    """A dealt side with none of it has no spread; its infinite statistic must not outdo the observed one."""
    one, other = frame([1] * 8 + [0] * 192), frame([1] * 6 + [0] * 5994)
    found = comparison(one, other, unit="share of dialogues", permutations=1999)
    assert found.p == pytest.approx(2 / 2000)


def test_corpora_that_are_the_same_differ() -> None:
    held = frame(np.random.default_rng(2).lognormal(size=50))
    found = comparison(held, held)
    assert (found.difference, found.effect) == (0.0, 0.0)
    assert found.p is not None
    assert found.p > 0.9
    constant = comparison(frame([2.0] * 5), frame([2.0] * 9))
    assert (constant.difference, constant.p, constant.effect) == (0.0, 1.0, None)
    assert constant.interval == (0.0, 0.0, CONSTANT)


def test_corpora_of_two_constants_pass_for_the_same() -> None:
    found = comparison(frame([2.0] * 30), frame([3.0] * 30))
    assert found.p == pytest.approx(2 / 1000)
    assert found.interval == (-1.0, -1.0, CONSTANT)
    assert found.remark


def test_the_difference_of_shares_has_another_interval_than_newcombes() -> None:
    """56 of 70 against 48 of 80: (0.0524, 0.3339), Newcombe (1998), table II a, method 10; ours is a little wider."""
    one, other = frame([1] * 56 + [0] * 14), frame([1] * 48 + [0] * 32)
    found = comparison(one, other, unit="share of dialogues")
    assert found.interval is not None
    assert found.interval.method == NEWCOMBE
    assert tuple(found.interval[:2]) == pytest.approx((0.0524, 0.3339), abs=0.006)
    assert found.interval.low < 0.0524
    assert found.interval.high > 0.3339


def test_shares_of_none_on_both_sides_differ_for_certain() -> None:
    found = comparison(frame([0] * 20), frame([0] * 50), unit="share of dialogues")
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(-0.0713, abs=1e-4)
    assert found.interval.high == pytest.approx(0.1611, abs=1e-4)


@given(small_frames, small_frames, st.sampled_from(["things", "share of things"]), st.booleans())
@settings(deadline=None)
def test_some_rows_break_a_comparison(one: pd.DataFrame, other: pd.DataFrame, unit: str, paired: bool) -> None:  # noqa: FBT001
    rows = np.arange(min(len(one), len(other)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(
            one,
            other,
            [ratio(unit=unit)],
            corpus="a",
            reference="b",
            permutations=40,
            resamples=40,
            seed=1,
            pairs=(rows, rows) if paired else None,
        )[0]
    assert_sound(found)


@pytest.mark.slow
def test_a_large_corpus_takes_longer_than_a_reader_waits() -> None:
    rng = np.random.default_rng(1)
    names = [f"c{number}" for number in range(40)]
    large, small = (pd.DataFrame(rng.poisson(6, (rows, 40)) + 1.0, columns=names) for rows in (55_165, 431))
    ratios = [ratio(one, other) for one, other in zip(names, names[1:] + names[:1], strict=True)]
    began = time.process_time()
    bootstrap(large, ratios, corpus="c", seed=1)
    between = time.process_time()
    compare(small, large, ratios, corpus="c", reference="d", seed=1)
    assert between - began < 3
    assert time.process_time() - between < 5
