"""What n posts can show before a run, and how many more would settle a comparison after it.

All rests on Student's t: a mean of n differences with standardised size d has a noncentral t statistic of noncentrality
d sqrt(n) (Cohen 1988, "Statistical power analysis for the behavioral sciences", §2.2 to 2.4 and 12.8). Over k comparisons
the level is SIGNIFICANCE / k: what Holm's correction asks of its smallest p value, so what is promised here holds for each
comparison whatever the others show. The tests of the report are permutation tests of the same studentised statistics;
`tests/analysis/test_power.py` holds the promise against them by simulation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from analysis.corrections import SIGNIFICANCE
from analysis.figures import LEVEL, Comparison

POWER = 0.8
"""The usual convention: Cohen (1988), §2.4."""
MOST = 1_000_000
"""Posts beyond which a needed number is not worked out: "more than" this many."""

_LARGEST = 1_000.0  # standardised difference that any two posts show
_NORMAL = (
    100_000  # degrees of freedom from which the normal distribution stands for t: powers then differ by less than 1e-4
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """The smallest differences that a run of n posts an arm shows with the stated power. None where it shows none."""

    posts: int
    comparisons: int
    """Over which the correction runs."""
    power: float
    level: float
    """SIGNIFICANCE / comparisons."""
    paired: float | None
    """In standard deviations of the differences between partners (Cohen's d_z)."""
    unpaired: float | None
    """In standard deviations within an arm (Cohen's d)."""
    share: float | None
    """Of a thing that one arm has in half of its dialogues, not paired: the most that any share needs."""

    @property
    def sentence(self) -> str:
        """The same for a reader."""
        if self.paired is None or self.unpaired is None:
            return f"{self.posts} posts an arm can show no difference: at least 2 are needed."
        shares = "" if self.share is None else f", or a share of 50 % that becomes {50 + 100 * self.share:.0f} %"
        return (
            f"With {self.posts} posts an arm and {self.comparisons} comparisons, a true difference is found {self.power:.0%} of "
            f"the time where it is at least {self.paired:.2f} standard deviations of the differences post by post, or "
            f"{self.unpaired:.2f} standard deviations of the dialogues where arms share no posts{shares}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """How many posts would settle a comparison. Numbers are posts an arm; None where no number can be said."""

    posts: int
    """That it rests on now."""
    settled: bool
    """It is a finding already, after correction."""
    total: int | None
    """For POWER, were the true difference the observed one."""
    at_least: int | None
    """For POWER, were the true difference as large as its interval allows: fewer than these will not do."""
    capped: bool
    """`total` is above MOST, and MOST stands for it."""
    sentence: str

    @property
    def more(self) -> int | None:
        """`total` less the posts there are."""
        return None if self.total is None else max(0, self.total - self.posts)


def level_of(comparisons: int) -> float:
    """The level at which each of so many comparisons is tested. Raises ValueError below 1."""
    if comparisons < 1:
        raise ValueError(f"{comparisons} comparisons: there must be one or more")
    return SIGNIFICANCE / comparisons


def power_of(noncentrality: float, free: float, level: float) -> float:
    """The chance that a two-sided t test at `level` with `free` degrees of freedom finds a difference."""
    if free > _NORMAL:
        edge = float(ndtri(1 - level / 2))
        return float(ndtr(noncentrality - edge) + ndtr(-noncentrality - edge))
    edge = float(stdtrit(free, 1 - level / 2))
    below, beyond = float(nctdtr(free, noncentrality, -edge)), float(nctdtr(free, noncentrality, edge))
    # Far out, the noncentral t's arithmetic fails where the answer is 0.
    return 1 - (beyond if math.isfinite(beyond) else 0.0) + (below if math.isfinite(below) else 0.0)


def detectable_paired(posts: int, *, comparisons: int = 1, power: float = POWER) -> float | None:
    """The smallest mean of differences between partners, in their standard deviations, that is found with `power`.

    None below two posts. For partners whose values correlate by r it is a difference of d sqrt(2 (1 - r)) standard
    deviations of one arm (`within_arm`).
    """
    if posts < 2:  # noqa: PLR2004 - no spread without two
        return None
    return _smallest(lambda size: size * math.sqrt(posts), posts - 1, level_of(comparisons), power)


def detectable_unpaired(
    posts: int, posts_reference: int | None = None, *, comparisons: int = 1, power: float = POWER
) -> float | None:
    """The smallest difference of two arms' means, in standard deviations within an arm, that is found with `power`.

    None where an arm has fewer than two posts.
    """
    others = posts if posts_reference is None else posts_reference
    if min(posts, others) < 2:  # noqa: PLR2004 - as above
        return None
    scale = math.sqrt(posts * others / (posts + others))
    return _smallest(lambda size: size * scale, posts + others - 2, level_of(comparisons), power)


def within_arm(paired: float, correlation: float) -> float:
    """A paired difference (in standard deviations of the differences) in standard deviations of one arm.

    `correlation` is that of partners' values, -1 to 1: equal spreads taken, sd of differences = sd sqrt(2 (1 - r)); Cohen
    (1988), §2.3.5.
    """
    return paired * math.sqrt(2 * (1 - correlation))


def detectable_share(
    posts: int,
    share: float,
    *,
    upward: bool = True,
    correlation: float = 0.0,
    comparisons: int = 1,
    power: float = POWER,
) -> float | None:
    """How far an arm's share must lie above (below) the reference's `share` to be found with `power`; a positive number.

    A share of dialogues, a dialogue a post. `correlation` is that of partners' answers; 0 serves arms that share no posts.
    None where even a share of 1 (0) would not do. From both shares' own variances, normal: Chow, Shao and Wang (2008),
    "Sample size calculations in clinical research", 2nd edition, §4.2.1; of the posts, 2 / difference are lost to counts
    being whole numbers: Fleiss, Tytun and Ury (1980), Biometrics 36(2). The exact conditional test
    then reaches 0.78 to 0.85 where 0.8 is promised to 150 posts an arm, 0.79 to 0.84 at 500, 0.74 to 0.84 at 40 (shares of 0.02
    to 0.7, one and 30 comparisons).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"A share of {share}: it must lie in 0 to 1")
    room = 1 - share if upward else share
    if room * posts <= 2:  # noqa: PLR2004 - nothing is left after the correction below
        return None
    wanted = float(ndtri(1 - level_of(comparisons) / 2) + ndtri(power))

    def surplus(difference: float) -> float:
        other = share + difference if upward else share - difference
        spread, other_spread = share * (1 - share), max(0.0, other * (1 - other))
        variance = max(0.0, spread + other_spread - 2 * correlation * math.sqrt(spread * other_spread))
        return difference * math.sqrt(max(0.0, posts - 2 / difference)) - wanted * math.sqrt(variance)

    low = 2 / posts
    if surplus(room) < 0:
        return None
    return low if surplus(low) >= 0 else float(brentq(surplus, low, room))


def detectable(posts: int, *, comparisons: int, power: float = POWER) -> Detectable:
    """What a run of n posts an arm can show over so many comparisons: for a plan, before any request is sent."""
    return Detectable(
        posts=posts,
        comparisons=comparisons,
        power=power,
        level=level_of(comparisons),
        paired=detectable_paired(posts, comparisons=comparisons, power=power),
        unpaired=detectable_unpaired(posts, comparisons=comparisons, power=power),
        share=detectable_share(posts, 0.5, comparisons=comparisons, power=power),
    )


def needed(comparison: Comparison, *, paired: bool, comparisons: int, power: float = POWER) -> Needed:
    """How many posts an arm would show the difference that was observed, by the width of its interval.

    The interval's half width over Student's quantile is the standard error, which falls as one over the root of the posts.
    `n` of the comparison are taken for posts; of unlike sides, the smaller, and both grow alike. An observed difference
    that was picked for being large is larger than the true one, so numbers are worded as the fewest.
    """
    posts = min(comparison.n, comparison.n_reference)
    if comparison.p_corrected is not None and comparison.p_corrected < SIGNIFICANCE:
        return _needed(
            posts, "Settled: more posts only narrow the interval.", settled=True, total=posts, at_least=posts
        )
    difference, interval = comparison.difference, comparison.interval
    if difference is None or interval is None or posts < 2:  # noqa: PLR2004 - as above
        return _needed(posts, "No interval, so nothing says how many posts would settle it.")
    if not difference:
        return _needed(posts, "No difference was observed, so no number of posts would be expected to show one.")
    both = comparison.n + comparison.n_reference
    error = (interval.high - interval.low) / 2 / float(stdtrit(posts - 1 if paired else both - 2, (1 + LEVEL) / 2))
    if not error > 0:
        return _needed(posts, "No spread: the same in every dialogue, so chance has no part in it.")
    level = level_of(comparisons)

    def fewest(size: float) -> int | None:
        def reached(n: int) -> bool:
            free = n - 1 if paired else n * both / posts - 2
            return power_of(size / error * math.sqrt(n / posts), free, level) >= power

        return _first(reached)

    total = fewest(abs(difference))
    farthest = max(abs(interval.low), abs(interval.high), abs(difference))
    at_least = fewest(farthest)
    if at_least is None:
        said = f"More than {MOST:,} posts, even were the difference as large as its interval allows."
    elif total is None:
        said = f"At least {at_least:,} posts; more than {MOST:,}, were the true difference the observed one."
    else:
        said = f"At least {at_least:,} posts; {total:,}, were the true difference the observed one."
    least = MOST if at_least is None else at_least
    return _needed(posts, said, total=MOST if total is None else total, at_least=least, capped=total is None)


def posts_for_half_width(comparison: Comparison, half_width: float) -> int | None:
    """Posts an arm at which the interval would reach `half_width` to either side; None without an interval, or above MOST.

    For calling two arms alike: choose the largest difference that does not matter. Width falls as one over the root of n.
    Raises ValueError unless `half_width` is above 0.
    """
    if not half_width > 0:
        raise ValueError(f"A half width of {half_width}: it must be above 0")
    if comparison.interval is None:
        return None
    low, high, _ = comparison.interval
    posts = math.ceil(min(comparison.n, comparison.n_reference) * ((high - low) / 2 / half_width) ** 2)
    return None if posts > MOST else max(2, posts)


def _needed(
    posts: int,
    sentence: str,
    *,
    settled: bool = False,
    total: int | None = None,
    at_least: int | None = None,
    capped: bool = False,
) -> Needed:
    return Needed(posts=posts, settled=settled, total=total, at_least=at_least, capped=capped, sentence=sentence)


def _smallest(noncentrality: Callable[[float], float], free: int, level: float, power: float) -> float | None:
    """The size whose test has the power. None where even _LARGEST does not."""

    def surplus(size: float) -> float:
        return power_of(noncentrality(size), free, level) - power

    # Doubling from small sizes: the far tail of the noncentral t is where its arithmetic fails.
    high = 0.01
    while surplus(high) < 0:
        high *= 2
        if high > _LARGEST:
            return None
    return float(brentq(surplus, 0.0, high, xtol=1e-9)) if surplus(0.0) < 0 else 0.0


def _first(reached: Callable[[int], bool]) -> int | None:
    """The first n from 2 to MOST for which it holds; it holds for all above the first."""
    if not reached(MOST):
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
