from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import stdtrit
from scipy.stats import binom, chi2, hypergeom, norm, ttest_ind, ttest_rel

from analysis.corrections import corrected
from analysis.figures import Comparison, Group, Interval, Metric
from analysis.power import (
    MOST,
    detectable,
    detectable_paired,
    detectable_share,
    detectable_unpaired,
    level_of,
    needed,
    posts_for_half_width,
    power_of,
    within_arm,
)
from analysis.ratios import Ratio
from analysis.resampling import compare


def within_chance(found: int, runs: int, power: float) -> bool:
    """Within three standard errors of a binomial."""
    return abs(found / runs - power) <= 3 * math.sqrt(power * (1 - power) / runs)


# --- before a run


@pytest.mark.parametrize(
    ("posts", "paired", "unpaired"), [(34, 0.4950, None), (64, None, 0.4990), (26, None, 0.7925), (199, 0.1996, None)]
)
def test_sizes_differ_from_the_textbooks(posts: int, paired: float | None, unpaired: float | None) -> None:
    """Cohen (1988), table 2.4.1: 64 an arm for d = 0.5, 26 for 0.8; paired, 34 for 0.5 and 199 for 0.2, at 0.05 and 0.80."""
    if paired is not None:
        assert detectable_paired(posts) == pytest.approx(paired, abs=2e-3)
    if unpaired is not None:
        assert detectable_unpaired(posts) == pytest.approx(unpaired, abs=2e-3)


@pytest.mark.parametrize("free", [1, 3, 20, 400])
@pytest.mark.parametrize("level", [0.05, 0.001])
@pytest.mark.parametrize("noncentrality", [0.0, 0.5, 3.0, 8.0])
def test_power_differs_from_an_integral_over_the_spread(free: int, level: float, noncentrality: float) -> None:
    """P(|T| > c), T = (z + noncentrality) / s with free s² chi-squared, by summing over s."""
    edge = float(stdtrit(free, 1 - level / 2))

    def outside(squares: float) -> float:
        reach = edge * math.sqrt(squares / free)
        return float((norm.sf(reach - noncentrality) + norm.cdf(-reach - noncentrality)) * chi2.pdf(squares, free))

    expected = sum(
        quad(outside, low, high, limit=200)[0] for low, high in ((1e-12, 1e-3), (1e-3, free), (free, np.inf))
    )
    assert power_of(noncentrality, free, level) == pytest.approx(expected, abs=2e-4)


def test_the_normal_distribution_stands_too_far_from_t() -> None:
    assert power_of(2.8, 100_000, 0.001) == pytest.approx(power_of(2.8, 100_001, 0.001), abs=1e-4)


@pytest.mark.parametrize(("posts", "comparisons"), [(12, 1), (60, 1), (60, 40)])
def test_the_promised_power_is_not_reached(posts: int, comparisons: int) -> None:
    rng, runs, level = np.random.default_rng(1), 4000, level_of(comparisons)
    size, apart = (test(posts, comparisons=comparisons) or 0.0 for test in (detectable_paired, detectable_unpaired))
    reference = rng.normal(size=(runs, posts))
    together = reference + size + rng.normal(size=(runs, posts))
    assert within_chance(int((ttest_rel(together, reference, axis=1).pvalue < level).sum()), runs, 0.8)
    other = rng.normal(size=(runs, posts)) + apart
    assert within_chance(int((ttest_ind(other, reference, axis=1).pvalue < level).sum()), runs, 0.8)


def test_unlike_arms_and_correlated_partners_are_told_wrong() -> None:
    rng, runs = np.random.default_rng(2), 4000
    apart = detectable_unpaired(20, 90)
    assert apart is not None
    one, other = rng.normal(size=(runs, 20)) + apart, rng.normal(size=(runs, 90))
    assert within_chance(int((ttest_ind(one, other, axis=1).pvalue < 0.05).sum()), runs, 0.8)
    paired = detectable_paired(40)
    assert paired is not None
    common = math.sqrt(0.7) * rng.normal(size=(runs, 40))
    sides = [common + math.sqrt(0.3) * rng.normal(size=(runs, 40)) for _ in range(2)]
    found = ttest_rel(sides[0] + within_arm(paired, 0.7), sides[1], axis=1).pvalue < 0.05
    assert within_chance(int(found.sum()), runs, 0.8)


def share_ratio() -> Ratio:
    return Ratio(
        metric=Metric(key="m", name="", group=Group.SIZE, unit="share of dialogues", definition="", source=""),
        numerator="x",
        denominator="y",
    )


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("comparisons", [1, 30])
def test_an_exact_test_of_shares_has_another_power(share: float, comparisons: int) -> None:
    """Two arms of 150: over all outcomes, those where twice the smaller hypergeometric tail is below the level."""
    posts, level = 150, level_of(comparisons)
    difference = detectable_share(posts, share, comparisons=comparisons)
    assert difference is not None
    one, other = np.meshgrid(np.arange(posts + 1), np.arange(posts + 1), indexing="ij")
    pool = 2 * posts, one + other, posts
    tails = hypergeom.sf(one - 1, *pool), hypergeom.cdf(one, *pool)
    chances = np.outer(
        binom.pmf(np.arange(posts + 1), posts, share + difference), binom.pmf(np.arange(posts + 1), posts, share)
    )
    assert 0.77 <= chances[2 * np.minimum(*tails) < level].sum() <= 0.86


def test_the_reports_own_test_has_another_power_for_paired_shares() -> None:
    rng, posts, runs, found = np.random.default_rng(3), 150, 250, 0
    difference = detectable_share(posts, 0.5)
    assert difference is not None
    rows = np.arange(posts)
    for _ in range(runs):
        sides = [
            pd.DataFrame({"x": (rng.random(posts) < chance).astype(float), "y": 1.0})
            for chance in (0.5 + difference, 0.5)
        ]
        p = compare(
            sides[0],
            sides[1],
            [share_ratio()],
            corpus="one",
            reference="other",
            permutations=999,
            resamples=10,
            seed=1,
            pairs=(rows, rows),
        )[0].p
        assert p is not None
        found += p < 0.05
    assert within_chance(found, runs, 0.8)


def test_a_share_without_room_is_promised() -> None:
    assert detectable_share(500, 1.0) is None
    assert detectable_share(5, 0.9) is None
    assert detectable_share(500, 0.9) is not None
    assert detectable_share(500, 0.0) == pytest.approx(9.85 / 507.85, abs=1e-4)
    assert detectable_share(1, 0.5) is None
    with pytest.raises(ValueError, match=r"share of 1\.2"):
        detectable_share(500, 1.2)


def test_correlated_partners_need_more() -> None:
    found = [detectable_share(200, 0.4, correlation=correlation) or 0.0 for correlation in (0.0, 0.5, 0.9)]
    assert found[0] > found[1] > found[2] > 0


def test_more_posts_show_less_and_more_comparisons_show_more() -> None:
    sizes = [detectable_paired(posts) or 0.0 for posts in (2, 3, 5, 20, 100, 500, 9_999, 10_002, 100_000, MOST)]
    assert sizes == sorted(sizes, reverse=True)
    families = [detectable_unpaired(100, comparisons=family) or 0.0 for family in (1, 10, 1000)]
    assert families == sorted(families)
    assert families[0] < families[2]


def test_a_plan_promises_something_of_one_post_or_hides_its_numbers() -> None:
    one, many = detectable(1, comparisons=3), detectable(500, comparisons=36)
    assert (one.paired, one.unpaired, one.share) == (None, None, None)
    assert one.sentence == "1 posts an arm can show no difference: at least 2 are needed."
    assert many.level == pytest.approx(0.05 / 36)
    for said in ("500 posts", "36 comparisons", "80%", "0.18", "0.26", "63 %"):
        assert said in many.sentence
    with pytest.raises(ValueError, match="0 comparisons"):
        detectable(500, comparisons=0)


# --- after a run


def observed(difference: float | None, half_width: float | None, n: int = 100, n_reference: int = 100) -> Comparison:
    interval = None
    if difference is not None and half_width is not None:
        interval = Interval(difference - half_width, difference + half_width, "m")
    return Comparison(
        metric="m",
        corpus="one",
        reference="other",
        difference=difference,
        interval=interval,
        effect=None,
        effect_name="",
        p=0.2,
        p_corrected=None,
        test="",
        n=n,
        n_reference=n_reference,
    )


def test_the_needed_number_does_not_reach_its_power() -> None:
    """Differences of mean 0.1 and sd 1, seen at 100 posts: the number must give 80 % where the truth is what was seen."""
    seen = observed(0.1, 1.98422 / math.sqrt(100))
    found = needed(seen, paired=True, comparisons=1)
    assert found.total == pytest.approx(787, abs=2)
    assert found.more == (found.total or 0) - 100
    rng, runs = np.random.default_rng(4), 2000
    values = rng.normal(0.1, 1, size=(runs, found.total or 0))
    p = ttest_rel(values, np.zeros_like(values), axis=1).pvalue
    assert within_chance(int((p < 0.05).sum()), runs, 0.8)


def test_the_needed_number_is_another_than_the_plan_says() -> None:
    """A plan says which d_z n posts show; a run that saw just that d_z, and no finding, needs n posts."""
    for family in (1, 25):
        size = detectable_paired(400, comparisons=family) or 0.0
        half_width = 1.98422 / math.sqrt(100)
        found = needed(observed(size, half_width), paired=True, comparisons=family)
        assert found.total == pytest.approx(400, abs=1)
        apart = detectable_unpaired(400, comparisons=family) or 0.0
        width = 1.97202 * math.sqrt(2 / 100)
        assert needed(observed(apart, width), paired=False, comparisons=family).total == pytest.approx(400, abs=1)


def test_the_interval_gives_more_than_what_was_seen() -> None:
    found = needed(observed(0.1, 0.2), paired=True, comparisons=1)
    assert found.at_least is not None
    assert found.total is not None
    assert found.at_least < found.total
    assert (
        found.sentence
        == f"At least {found.at_least:,} posts; {found.total:,}, were the true difference the observed one."
    )


def test_the_sign_of_a_difference_matters() -> None:
    assert needed(observed(-0.1, 0.2), paired=True, comparisons=1) == needed(
        observed(0.1, 0.2), paired=True, comparisons=1
    )


def test_a_tiny_difference_has_a_number_without_end() -> None:
    found = needed(observed(1e-9, 0.2), paired=True, comparisons=4)
    assert (found.capped, found.total) == (True, MOST)
    assert found.at_least is not None
    assert f"more than {MOST:,}" in found.sentence
    hopeless = needed(observed(1e-9, 1e-9, n=2, n_reference=2), paired=False, comparisons=1)
    assert not hopeless.capped


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        (observed(0.0, 0.2), "No difference was observed"),
        (observed(None, None), "No interval"),
        (observed(0.3, None), "No interval"),
        (observed(0.3, 0.0), "No spread"),
    ],
    ids=["no difference", "no value", "no interval", "no spread"],
)
def test_a_number_comes_of_nothing(comparison: Comparison, said: str) -> None:
    found = needed(comparison, paired=True, comparisons=1)
    assert (found.total, found.at_least, found.more, found.settled) == (None, None, None, False)
    assert found.sentence.startswith(said)


def test_a_finding_needs_more() -> None:
    found = needed(replace(observed(0.5, 0.1), p_corrected=0.01), paired=True, comparisons=9)
    assert (found.settled, found.more) == (True, 0)
    assert not needed(replace(observed(0.5, 0.6), p_corrected=0.2), paired=True, comparisons=9).settled


def test_a_real_comparison_breaks_the_number() -> None:
    rng = np.random.default_rng(5)
    one, other = (pd.DataFrame({"x": rng.normal(mean, 1, 80), "y": 1.0}) for mean in (10.15, 10.0))
    rows = np.arange(80)
    plain = replace(share_ratio(), metric=replace(share_ratio().metric, unit="things"))
    (found,) = corrected(compare(one, other, [plain], corpus="one", reference="other", seed=1, pairs=(rows, rows)))
    assert found.difference is not None
    error = (one["x"] - other["x"]).std()
    answer = needed(found, paired=True, comparisons=1)
    assert not answer.settled
    assert answer.total == pytest.approx((2.8016 * error / found.difference) ** 2, rel=0.15)


def test_a_half_width_needs_another_number_than_the_root_says() -> None:
    assert posts_for_half_width(observed(0.1, 0.2), 0.1) == 400
    assert posts_for_half_width(observed(0.1, 0.2), 1e-9) is None
    assert posts_for_half_width(observed(0.1, None), 0.1) is None
    with pytest.raises(ValueError, match="half width of 0"):
        posts_for_half_width(observed(0.1, 0.2), 0)
