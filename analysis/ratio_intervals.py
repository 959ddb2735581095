"""Which interval a ratio gets: Wilson's for shares, the studentised bootstrap's for all else.

By 500 to 1,000 simulated corpora of 20 / 60 / 400 dialogues each, share that covered the truth, aim 0.95:

    quantity                          percentile           BCa                  studentised          Wilson
    lognormal mean, sd of log 1       0.85 / 0.90 / 0.94   0.87 / 0.91 / 0.94   0.92 / 0.94 / 0.94
    lognormal, varying denominators   0.87 / 0.90 / 0.94   0.89 / 0.90 / 0.94   0.92 / 0.93 / 0.95
    counts (Poisson, mean 12)         0.94 / 0.95 / 0.93   0.94 / 0.94 / 0.93   0.96 / 0.95 / 0.93
    share of utterances, 0.3          0.92 / 0.95 / 0.95   0.93 / 0.95 / 0.95   0.96 / 0.95 / 0.94   0.94 / 0.95 / 0.95
    share of utterances, 0.02         0.87 / 0.88 / 0.92   0.87 / 0.92 / 0.94   0.88 / 0.98 / 0.95   0.97 / 0.93 / 0.95
    share of dialogues, 0.03          0.44 / 0.84 / 0.94   0.42 / 0.81 / 0.96   0.43 / 0.83 / 0.98   0.97 / 0.97 / 0.96

Differences between the shares of partners, by 400 simulated pairs of corpora of 20 / 60 / 400 dialogues:

    shares and their correlation                           studentised          Newcombe
    0.95 and 0.90, 0.3                                     0.83 / 0.91 / 0.94   0.99 / 0.97 / 0.95
    0.98 and 0.60, 0.3                                     0.96 / 0.95 / 0.93   0.98 / 0.97 / 0.93
    0.50 and 0.40, 0.5                                     0.92 / 0.94 / 0.94   0.94 / 0.95 / 0.95
    0.99 and 0.95, 0.8                                     0.53 / 0.90 / 0.94   1.00 / 0.99 / 0.95

So shares take Wilson's interval with the number of dialogues that would give the same standard error (Korn and Graubard
1998, "Confidence intervals for proportions with small expected number of positive counts", Survey Methodology 24(2)),
and all else the studentised bootstrap (Efron and Tibshirani 1993, "An introduction to the bootstrap", §12.5).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.effects import influence
from analysis.figures import LEVEL, Interval
from analysis.ratio_columns import Columns, Floats, RatioDraws, ratios_of
from analysis.ratios import Ratio

FEW = 60
"""Below so many dialogues the studentised interval of a skewed quantity covers less than it promises: table above."""

STUDENTISED = "studentised bootstrap over dialogues"
PERCENTILE = "percentile bootstrap over dialogues"
WILSON = "Wilson's interval at the effective number of dialogues"
NEWCOMBE = "Newcombe's interval at the effective numbers of dialogues"
CONSTANT = "no spread"

_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def studentised(found: RatioDraws) -> Floats:
    """Each shift in standard errors: infinite where there is a shift and no spread, NaN where there is no ratio."""
    errors = np.sqrt(found.variances)
    held = np.divide(found.shifts, errors, out=np.copysign(np.inf, found.shifts), where=errors != 0)
    held[found.shifts == 0] = 0.0
    held[np.isnan(found.shifts)] = np.nan
    return held


def resampled_interval(value: float, variance: float, draws: RatioDraws) -> Interval | None:
    """Studentised; by percentiles where too many draws have no spread to divide by. For one ratio's draws."""
    defined = ~np.isnan(draws.shifts)
    if not defined.any():
        return None
    # An order statistic, not a mean of two: among the statistics are infinities.
    low, high = np.quantile(studentised(draws)[defined], _TAILS, method="inverted_cdf")
    if np.isfinite([low, high]).all():
        error = variance**0.5
        return Interval(float(value - high * error), float(value - low * error), STUDENTISED)
    low, high = np.quantile(draws.shifts[defined], _TAILS, method="inverted_cdf")
    return Interval(float(value + low), float(value + high), PERCENTILE)


def _wilson(share: float, variance: float, rows: int) -> Interval:
    """Wilson's interval, for the number of trials that would have this variance; `rows` trials where it is 0."""
    z = float(ndtri(_TAILS[1]))
    trials = float(rows)
    if variance > 0:
        # Few dialogues estimate the variance badly: Student's quantile widens, as Korn and Graubard do.
        trials = share * (1 - share) / variance * (z / float(stdtrit(rows - 1, _TAILS[1]))) ** 2
    spread = z * (share * (1 - share) / trials + (z / trials) ** 2 / 4) ** 0.5
    middle, scale = share + z * z / trials / 2, 1 + z * z / trials
    # Rounding must not part the interval from a share of exactly 0 or 1.
    low = 0.0 if share == 0 else max(0.0, (middle - spread) / scale)
    return Interval(low, 1.0 if share == 1 else min(1.0, (middle + spread) / scale), WILSON)


def is_share(ratio: Ratio, columns: Columns, place: int) -> bool:
    x, y = columns.used(place)
    return ratio.metric.unit.startswith("share") and bool(((x >= 0) & (x <= y)).all())


def is_constant(columns: Columns, place: int) -> bool:
    return not influence(*columns.used(place)).any()


def interval_of(
    columns: Columns, place: int, variance: float, draws: RatioDraws, *, share: bool
) -> tuple[Interval | None, str]:
    """A ratio's interval, with what a reader must know of it."""
    value, rows = float(columns.ratios[place]), int(columns.rows[place])
    x, _ = columns.used(place)
    if rows < 2:  # noqa: PLR2004 - nothing varies
        return None, "One dialogue: no interval."
    if share and value in {0.0, 1.0}:
        return _wilson(value, 0.0, rows), (
            f"{'None' if value == 0 else 'All'} in each of {rows} dialogues, so resampling cannot vary it: the interval "
            "takes each dialogue for one trial."
        )
    if not x.any():
        return None, (
            f"None in each of {rows} dialogues, so resampling cannot vary it: up to {min(1.0, 3 / rows):.2g} of dialogues may "
            "have some (rule of three)."
        )
    if variance == 0:
        return Interval(value, value, CONSTANT), "The same in every dialogue."
    if share:
        return _wilson(value, variance, rows), ""
    interval = resampled_interval(value, variance, draws)
    if interval is not None and (x >= 0).all():
        interval = interval._replace(low=max(0.0, interval.low))
    if rows < FEW or (interval is not None and interval.method == PERCENTILE):
        return interval, "Few dialogues carry this: where values are skewed, the interval covers less than it promises."
    return interval, ""


def difference_of_shares(one: Columns, other: Columns, place: int, variance_of_pairs: float | None = None) -> Interval:
    """From both sides' Wilson intervals: Newcombe (1998), "Interval estimation for the difference between independent
    proportions", Stat. Med. 17, 873-890, method 10.

    Of partners, given the variance of their difference: Newcombe (1998), "Improved confidence intervals for the difference
    between binomial proportions based on paired data", Stat. Med. 17, 2635-2650, method 10.
    """
    (a, (a_low, a_high, _), a_variance), (b, (b_low, b_high, _), b_variance) = (
        _side(each, place) for each in (one, other)
    )
    correlation = 0.0
    if variance_of_pairs is not None and a_variance > 0 and b_variance > 0:
        correlation = (a_variance + b_variance - variance_of_pairs) / (2 * (a_variance * b_variance) ** 0.5)
        # Pairs that agree to the last one do not make the interval a point: Newcombe's correction for continuity.
        continuity = 1 / (2 * int(one.rows[place]) * (a * (1 - a) * b * (1 - b)) ** 0.5)
        correlation = min(correlation, max(0.0, correlation - continuity))
    down, up = _joint(a - a_low, b_high - b, correlation), _joint(a_high - a, b - b_low, correlation)
    return Interval(float(a - b - down), float(a - b + up), NEWCOMBE)


def _side(columns: Columns, place: int) -> tuple[float, Interval, float]:
    """A share, its interval and its variance."""
    share, rows = float(columns.ratios[place]), int(columns.rows[place])
    variance = float(ratios_of(columns.moments(columns.ratios).sum(axis=0), columns.rows).variances[place])
    return share, _wilson(share, variance, rows), variance


def _joint(one: float, other: float, correlation: float) -> float:
    """How far the difference of two estimates reaches that reach so far themselves."""
    return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))
