"""Intervals and tests for ratios of sums, with whole dialogues as the unit of chance.

Utterances of one dialogue resemble each other, so they are never drawn apart: rows of a frame, a row a dialogue, are.
All ratios of a frame share the same draws. What a draw needs of a ratio are five sums: of the residual d = x - R y, of
y, and of their products. From them come the ratio and its standard error (linearised: Cochran 1977, "Sampling
techniques", §6.3) in every draw, by one matrix product for all.

Which interval, by 500 to 1,000 simulated corpora of 20 / 60 / 400 dialogues each, share that covered the truth, aim 0.95:

    quantity                          percentile           BCa                  studentised          Wilson
    lognormal mean, sd of log 1       0.85 / 0.90 / 0.94   0.87 / 0.91 / 0.94   0.92 / 0.94 / 0.94
    lognormal, varying denominators   0.87 / 0.90 / 0.94   0.89 / 0.90 / 0.94   0.92 / 0.93 / 0.95
    counts (Poisson, mean 12)         0.94 / 0.95 / 0.93   0.94 / 0.94 / 0.93   0.96 / 0.95 / 0.93
    share of utterances, 0.3          0.92 / 0.95 / 0.95   0.93 / 0.95 / 0.95   0.96 / 0.95 / 0.94   0.94 / 0.95 / 0.95
    share of utterances, 0.02         0.87 / 0.88 / 0.92   0.87 / 0.92 / 0.94   0.88 / 0.98 / 0.95   0.97 / 0.93 / 0.95
    share of dialogues, 0.03          0.44 / 0.84 / 0.94   0.42 / 0.81 / 0.96   0.43 / 0.83 / 0.98   0.97 / 0.97 / 0.96

So shares take Wilson's interval with the number of dialogues that would give the same standard error (Korn and Graubard
1998, "Confidence intervals for proportions with small expected number of positive counts", Survey Methodology 24(2)),
and all else the studentised bootstrap (Efron and Tibshirani 1993, "An introduction to the bootstrap", §12.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import ndtri, stdtrit
from threadpoolctl import threadpool_limits

from analysis.effects import EFFECT_NAME, influence, residuals, standardised_difference
from analysis.figures import LEVEL, Comparison, Figure, Interval
from analysis.permutation import HOW, p_value
from analysis.ratios import Ratio

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Pairs = tuple[ArrayLike, ArrayLike]
"""Row numbers in one frame, and those of their partners in the other."""

FEW = 60
"""Below so many dialogues the studentised interval of a skewed quantity covers less than it promises: table above."""

STUDENTISED = "studentised bootstrap over dialogues"
PERCENTILE = "percentile bootstrap over dialogues"
WILSON = "Wilson's interval at the effective number of dialogues"
NEWCOMBE = "Newcombe's interval at the effective numbers of dialogues"
CONSTANT = "no spread"

_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
_ROUNDING = 1e-12  # relative size below which a sum of squares found by subtraction is rounding
_CELLS = 2_000_000  # cells of a matrix of draws that exist at once: 16 MB
_SPARSE = 0.05  # share of rows dealt below which a sparse product is the quicker one


@dataclass(frozen=True, slots=True)
class _Columns:
    """A frame's ratios as matrices, a row a dialogue (or a cluster of them), a column a ratio."""

    numerators: Floats
    denominators: Floats
    unreadable: Counts
    """Rows left out of each ratio because a value in them is not a finite number."""

    @property
    def rows(self) -> Counts:
        """Rows that each ratio rests on: those with a denominator above 0."""
        return np.asarray((self.denominators > 0).sum(axis=0), dtype=np.int64)

    @property
    def ratios(self) -> Floats:
        """Each ratio; NaN where it has no rows."""
        return _over(self.numerators.sum(axis=0), self.denominators.sum(axis=0))

    def at(self, rows: Counts) -> _Columns:
        return _Columns(self.numerators[rows], self.denominators[rows], self.unreadable)

    def used(self, place: int) -> tuple[Floats, Floats]:
        """Numerators and denominators of the rows that one ratio rests on."""
        used = self.denominators[:, place] > 0
        return self.numerators[used, place], self.denominators[used, place]

    def residuals(self, centres: Floats) -> Floats:
        """d = x - R y about the given ratios."""
        columns = zip(self.numerators.T, self.denominators.T, np.nan_to_num(centres), strict=True)
        return np.stack([residuals(x, y, float(centre)) for x, y, centre in columns], axis=1)

    def moments(self, centres: Floats) -> Floats:
        """d, y, dd, dy and yy side by side: (rows, 5 ratios)."""
        d, y = self.residuals(centres), self.denominators
        return np.hstack([d, y, d * d, d * y, y * y])


class _Ratios(NamedTuple):
    """Ratios of one or many draws: how far from the centre, and their squared standard errors. NaN where undefined."""

    shifts: Floats
    variances: Floats


def _columns(frame: pd.DataFrame, ratios: Sequence[Ratio]) -> _Columns:
    names = sorted({name for ratio in ratios for name in (ratio.numerator, ratio.denominator)})
    if missing := [name for name in names if name not in frame.columns]:
        raise ValueError(f"The frame has no column {', '.join(map(repr, missing))}")
    held = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names}
    if below := [ratio.denominator for ratio in ratios if (held[ratio.denominator] < 0).any()]:
        raise ValueError(f"The column {below[0]!r} is a denominator and holds negative values")
    shape = len(frame), len(ratios)
    x, y = np.empty(shape), np.empty(shape)
    for place, ratio in enumerate(ratios):
        x[:, place], y[:, place] = held[ratio.numerator], held[ratio.denominator]
    bad = ~np.isfinite(y) | (~np.isfinite(x) & (y != 0))
    y[bad] = 0
    x[y == 0] = 0
    return _Columns(x, y, np.asarray(bad.sum(axis=0), dtype=np.int64))


def _clustered(columns: _Columns, labels: NDArray[np.generic]) -> _Columns:
    codes, found = pd.factorize(labels, use_na_sentinel=False)
    if len(codes) != len(columns.numerators):
        raise ValueError(f"{len(codes)} cluster labels for {len(columns.numerators)} rows")
    member = sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(len(found), len(codes)))
    return _Columns(member @ columns.numerators, member @ columns.denominators, columns.unreadable)


def _over(top: Floats, bottom: Floats) -> Floats:
    """top / bottom; NaN where the bottom is not above 0."""
    held = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=held, where=bottom > 0)
    return held


def _ratios(sums: Floats, rows: Counts) -> _Ratios:
    """From sums of moments, (..., 5 ratios); `rows` are what the standard error counts as independent."""
    d, y, dd, dy, yy = np.split(sums, 5, axis=-1)
    shift = _over(d, y)
    whole = dd + shift * shift * yy
    return _Ratios(shift, _over(_spread(whole - 2 * shift * dy, whole), y * y) * _unbiased(rows))


def _spread(squares: Floats, whole: Floats) -> Floats:
    """A sum of squares that was found as a difference: 0 where only rounding is left of the whole."""
    return np.where(squares <= _ROUNDING * whole, 0.0, squares)


def _unbiased(rows: Counts) -> Floats:
    return np.asarray(rows / np.maximum(rows - 1, 1), dtype=np.float64)


def _paired_moments(one: _Columns, other: _Columns, centres: tuple[Floats, Floats]) -> Floats:
    """Both sides' moments, then the products d d', y y', d y' and y d' across: (pairs, 14 ratios)."""
    d, e, y, z = one.residuals(centres[0]), other.residuals(centres[1]), one.denominators, other.denominators
    return np.hstack([one.moments(centres[0]), other.moments(centres[1]), d * e, y * z, d * z, y * e])


def _paired_ratios(sums: Floats, pairs: int) -> _Ratios:
    """Differences between partners, from sums of paired moments: the variance of the difference of influences."""
    d, y, dd, dy, yy, e, z, ee, ez, zz, de, yz, dz, ye = np.split(sums, 14, axis=-1)
    s, t = _over(d, y), _over(e, z)
    own = _over(dd - 2 * s * dy + s * s * yy, y * y)
    partner = _over(ee - 2 * t * ez + t * t * zz, z * z)
    shared = _over(de - t * dz - s * ye + s * t * yz, y * z)
    whole = own + partner
    return _Ratios(s - t, _spread(whole - 2 * shared, whole) * _unbiased(np.array(pairs)))


def _resampled_sums(moments: Floats, times: int, rng: np.random.Generator) -> Floats:
    """Sums of the moments over each draw of as many rows as there are: (times, columns)."""
    rows = len(moments)
    if not rows:
        return np.zeros((1, moments.shape[1]))
    sums = np.empty((times, moments.shape[1]))
    weights = np.empty((min(times, max(1, _CELLS // rows)), rows))  # one block for all draws: fresh pages are dear
    with threadpool_limits(
        1, user_api="blas"
    ):  # measured on busy cores: threads that wait for each other take 4 times as long
        for start in range(0, times, len(weights)):
            block = weights[: times - start]
            for draw in block:
                draw[:] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
            np.matmul(block, moments, out=sums[start : start + len(block)])
    return sums


def _statistics(found: _Ratios) -> Floats:
    """Each shift in standard errors: infinite where there is a shift and no spread, NaN where there is no ratio."""
    errors = np.sqrt(found.variances)
    held = np.divide(found.shifts, errors, out=np.copysign(np.inf, found.shifts), where=errors != 0)
    held[found.shifts == 0] = 0.0
    held[np.isnan(found.shifts)] = np.nan
    return held


def _resampled_interval(value: float, variance: float, draws: _Ratios) -> Interval | None:
    """Studentised; by percentiles where too many draws have no spread to divide by. For one ratio's draws."""
    defined = ~np.isnan(draws.shifts)
    if not defined.any():
        return None
    # An order statistic, not a mean of two: among the statistics are infinities.
    low, high = np.quantile(_statistics(draws)[defined], _TAILS, method="inverted_cdf")
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


def _is_share(ratio: Ratio, columns: _Columns, place: int) -> bool:
    x, y = columns.used(place)
    return ratio.metric.unit.startswith("share") and bool(((x >= 0) & (x <= y)).all())


def _is_constant(columns: _Columns, place: int) -> bool:
    return not influence(*columns.used(place)).any()


def _interval(
    columns: _Columns, place: int, variance: float, draws: _Ratios, *, share: bool
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
    interval = _resampled_interval(value, variance, draws)
    if interval is not None and (x >= 0).all():
        interval = interval._replace(low=max(0.0, interval.low))
    if rows < FEW or (interval is not None and interval.method == PERCENTILE):
        return interval, "Few dialogues carry this: where values are skewed, the interval covers less than it promises."
    return interval, ""


def bootstrap(
    frame: pd.DataFrame,
    ratios: Sequence[Ratio],
    *,
    corpus: str,
    resamples: int = 1000,
    seed: int,
    clusters: ArrayLike | None = None,
) -> list[Figure]:
    """Each ratio's value for the corpus, with an interval by resampling dialogues, or whole clusters of them.

    `clusters` has a label a row: dialogues of one label (one client, one post) are drawn together. A row with a value
    that is not finite is left out of that ratio. A figure has no value where no row has a denominator above 0, and no
    interval where fewer than two rows (clusters) have. Raises ValueError for a missing column, a negative denominator,
    or labels that are not one a row.
    """
    if not ratios:
        return []
    dialogues = _columns(frame, ratios)
    units = dialogues if clusters is None else _clustered(dialogues, np.asarray(clusters))
    moments = units.moments(units.ratios)
    own = _ratios(moments.sum(axis=0), units.rows)
    draws = _ratios(_resampled_sums(moments, resamples, np.random.default_rng(seed)), units.rows)
    figures = []
    for place, ratio in enumerate(ratios):
        value = _finite(dialogues.ratios[place])
        interval, remark = None, "No dialogue has what this is measured on."
        if value is not None:
            interval, remark = _interval(
                units,
                place,
                float(own.variances[place]),
                _Ratios(draws.shifts[:, place], draws.variances[:, place]),
                share=_is_share(ratio, units, place),
            )
            if clusters is not None:
                remark = f"Resampled as {units.rows[place]} clusters of dialogues. {remark}".strip()
        figures.append(
            Figure(
                corpus=corpus,
                metric=ratio.metric.key,
                value=value,
                n=int(dialogues.rows[place]),
                interval=interval,
                remark=_with_unreadable(remark, int(dialogues.unreadable[place])),
            )
        )
    return figures


def compare(
    frame: pd.DataFrame,
    reference_frame: pd.DataFrame,
    ratios: Sequence[Ratio],
    *,
    corpus: str,
    reference: str,
    permutations: int = 2000,
    resamples: int = 1000,
    seed: int,
    pairs: Pairs | None = None,
) -> list[Comparison]:
    """Each ratio of the corpus minus the reference's, with an interval, an effect size and a two-sided test.

    With `pairs`, only paired rows count: a resample draws pairs, and the test swaps partners. Without, both sides are
    resampled apart, and the test deals all dialogues anew. Statistics of the test are studentised, so that it also
    holds where means are equal and spreads are not (Janssen 1997; Chung and Romano 2013, "Exact and asymptotically
    robust permutation tests", Ann. Stat. 41(2)). p: `permutation.p_value`.
    Raises ValueError as `bootstrap` does, and for pairs that differ in length or name rows that are not there.
    """
    if not ratios:
        return []
    one, other = _columns(frame, ratios), _columns(reference_frame, ratios)
    common = ""
    if pairs is not None:
        rows = _paired_rows(pairs, len(frame), len(reference_frame))
        common = f"Over {len(rows[0])} pairs of {len(frame)} and {len(reference_frame)} dialogues."
        one, other = one.at(rows[0]), other.at(rows[1])
    rng = np.random.default_rng(seed)
    own, draws = (_apart if pairs is None else _together)(one, other, resamples, rng)
    p_values = (_dealt if pairs is None else _swapped)(one, other, permutations, rng)
    how = "dialogues dealt anew" if pairs is None else "partners swapped"
    comparisons = []
    for place, ratio in enumerate(ratios):
        n, n_reference = int(one.rows[place]), int(other.rows[place])
        difference = _finite(one.ratios[place] - other.ratios[place])
        interval, effect, p, remark = None, None, None, "A side has no dialogue that this is measured on."
        if difference is not None:
            variance = float(own.variances[place])
            remark = "" if min(n, n_reference) > 1 else "A side has one dialogue: no interval, effect or test."
            if not remark:
                p = p_values[place]
                effect = standardised_difference(difference, influence(*one.used(place)), influence(*other.used(place)))
                if pairs is None and _is_share(ratio, one, place) and _is_share(ratio, other, place):
                    interval = _difference_of_shares(one, other, place)
                elif variance == 0:
                    interval, remark = (
                        Interval(difference, difference, CONSTANT),
                        "The same in every dialogue of each side.",
                    )
                else:
                    of_place = _Ratios(draws.shifts[:, place], draws.variances[:, place])
                    interval = _resampled_interval(difference, variance, of_place)
                    if any(_is_constant(side, place) for side in (one, other)):
                        remark = "A side is the same in every dialogue: only the other's spread is in the interval."
                    elif min(n, n_reference) < FEW:
                        remark = "Few dialogues: where values are skewed, the interval covers less than it promises."
        unreadable = int(one.unreadable[place] + other.unreadable[place])
        comparisons.append(
            Comparison(
                metric=ratio.metric.key,
                corpus=corpus,
                reference=reference,
                difference=difference,
                interval=interval,
                effect=effect,
                effect_name=EFFECT_NAME,
                p=p,
                p_corrected=None,
                test=f"studentised permutation test, {how}, {permutations} permutations; {HOW}",
                n=n,
                n_reference=n_reference,
                remark=_with_unreadable(f"{common} {remark}".strip(), unreadable),
            )
        )
    return comparisons


def _with_unreadable(remark: str, rows: int) -> str:
    return f"{remark} {rows} dialogues left out: a value is not a finite number.".strip() if rows else remark


def _paired_rows(pairs: Pairs, rows: int, reference_rows: int) -> tuple[Counts, Counts]:
    first, second = (np.asarray(side, dtype=np.int64).ravel() for side in pairs)
    if len(first) != len(second):
        raise ValueError(f"Pairs of {len(first)} rows with {len(second)} rows")
    for side, limit in ((first, rows), (second, reference_rows)):
        if len(side) and (side.min() < 0 or side.max() >= limit):
            raise ValueError(f"Pairs name a row outside 0 to {limit - 1}")
    return first, second


def _difference_of_shares(one: _Columns, other: _Columns, place: int) -> Interval:
    """From both sides' Wilson intervals: Newcombe (1998), "Interval estimation for the difference between independent
    proportions", Stat. Med. 17, method 10.
    """
    sides = []
    for side in (one, other):
        variance = float(_ratios(side.moments(side.ratios).sum(axis=0), side.rows).variances[place])
        value = float(side.ratios[place])
        sides.append((value, _wilson(value, variance, int(side.rows[place]))))
    (a, (a_low, a_high, _)), (b, (b_low, b_high, _)) = sides
    down, up = np.hypot(a - a_low, b_high - b), np.hypot(a_high - a, b - b_low)
    return Interval(float(a - b - down), float(a - b + up), NEWCOMBE)


def _apart(one: _Columns, other: _Columns, times: int, rng: np.random.Generator) -> tuple[_Ratios, _Ratios]:
    """The difference itself, and the differences of independent resamples of both sides."""
    own, draws = [], []
    for side in (one, other):
        moments = side.moments(side.ratios)
        own.append(_ratios(moments.sum(axis=0), side.rows))
        draws.append(_ratios(_resampled_sums(moments, times, rng), side.rows))
    return _between(*own), _between(*draws)


def _between(one: _Ratios, other: _Ratios) -> _Ratios:
    return _Ratios(one.shifts - other.shifts, one.variances + other.variances)


def _together(one: _Columns, other: _Columns, times: int, rng: np.random.Generator) -> tuple[_Ratios, _Ratios]:
    """The difference itself, and the differences in resamples of pairs."""
    moments = _paired_moments(one, other, (one.ratios, other.ratios))
    sums = _resampled_sums(moments, times, rng)
    return _paired_ratios(moments.sum(axis=0), len(moments)), _paired_ratios(sums, len(moments))


def _pooled_ratios(one: _Columns, other: _Columns) -> Floats:
    top = one.numerators.sum(axis=0) + other.numerators.sum(axis=0)
    return _over(top, one.denominators.sum(axis=0) + other.denominators.sum(axis=0))


def _dealt(one: _Columns, other: _Columns, times: int, rng: np.random.Generator) -> list[float | None]:
    """p of each ratio when the pooled rows are dealt to the sides anew; sums of the smaller side give the larger's."""
    if not len(one.numerators) or not len(other.numerators):
        return [None] * one.numerators.shape[1]
    small, large = sorted((one, other), key=lambda side: len(side.numerators))
    centres = _pooled_ratios(one, other)
    moments = np.vstack([small.moments(centres), large.moments(centres)])
    total, few, many = moments.sum(axis=0), len(small.numerators), len(large.numerators)

    def dealt(sums: Floats) -> Floats:
        sides = _ratios(sums, np.array(few)), _ratios(total - sums, np.array(many))
        return _statistics(_between(*sides))

    statistics = map(dealt, _dealt_sums(moments, few, times, rng))
    return _p_values(dealt(moments[:few].sum(axis=0)), statistics, np.minimum(one.rows, other.rows))


def _dealt_sums(moments: Floats, few: int, times: int, rng: np.random.Generator) -> Iterator[Floats]:
    rows = len(moments)
    block = max(1, _CELLS // rows)
    dense = np.empty((0 if few < _SPARSE * rows else min(times, block), rows))
    for start in range(0, times, block):
        drawn = np.stack(
            [rng.choice(rows, few, replace=False, shuffle=False) for _ in range(min(block, times - start))]
        )
        if not len(dense):
            bounds = np.arange(len(drawn) + 1) * few
            yield sparse.csr_array((np.ones(drawn.size), drawn.ravel(), bounds), shape=(len(drawn), rows)) @ moments
            continue
        dealt = dense[: len(drawn)]
        dealt[:] = 0
        np.put_along_axis(dealt, drawn, 1.0, axis=1)
        yield dealt @ moments


def _swapped(one: _Columns, other: _Columns, times: int, rng: np.random.Generator) -> list[float | None]:
    """p of each ratio when partners change sides by the toss of a coin."""
    centres = _pooled_ratios(one, other)
    moments = _paired_moments(one, other, (centres, centres))
    pairs, width = len(moments), one.numerators.shape[1]
    if not pairs:
        return [None] * width
    ours, theirs, even, crossed, crossed_back = np.split(moments, np.array([5, 10, 12, 13]) * width, axis=1)
    turned = np.hstack([theirs, ours, even, crossed_back, crossed]) - moments
    total = moments.sum(axis=0)

    def after(swaps: Floats) -> Floats:
        return _statistics(_paired_ratios(total + swaps @ turned, pairs))

    block = max(1, _CELLS // pairs)
    tosses = (
        rng.integers(0, 2, (min(block, times - start), pairs)).astype(np.float64) for start in range(0, times, block)
    )
    return _p_values(after(np.zeros((1, pairs)))[0], map(after, tosses), np.minimum(one.rows, other.rows))


def _p_values(observed: Floats, permuted: Iterator[Floats], fewest: Counts) -> list[float | None]:
    """p of each ratio; `fewest` are the dialogues of its smaller side."""
    with threadpool_limits(1, user_api="blas"):  # the products are made here; as in `_resampled_sums`
        found = np.vstack(list(permuted))
    return [p_value(float(seen), found[:, place], fewest=int(fewest[place])) for place, seen in enumerate(observed)]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
