"""What a kept dialogue costs: a sum over all rows divided by the dialogues kept, rows without one among the payers.

Unlike the ratios of `resampling`, a row whose denominator is 0 counts here: what was spent on a post that gave nothing is
part of the price of the others. Rows (posts) are the unit of chance; two arms share them, so pairs are drawn together.
Interval: studentised bootstrap (Efron and Tibshirani 1993, "An introduction to the bootstrap", §12.5), with the linearised
variance of a ratio (Cochran 1977, "Sampling techniques", §6.3). Test: partners swapped, studentised alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from analysis.effects import EFFECT_NAME, standardised_difference
from analysis.figures import LEVEL, Comparison, Figure, Interval, Metric
from analysis.permutation import HOW, p_value
from analysis.ratio_intervals import FEW

Floats = NDArray[np.float64]
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
_CELLS = 2_000_000  # of a matrix of draws that exists at once: 16 MB
METHOD = "studentised bootstrap over posts"
_T_METHOD = "linearised, Student's t over posts"


class Spent(NamedTuple):
    """What each row of an arm took, and whether it gave a dialogue: two arrays of one length."""

    costs: Floats
    kept: Floats

    @property
    def known(self) -> bool:
        return bool(len(self.costs) and np.isfinite(self.costs).all())

    @property
    def ratio(self) -> float | None:
        kept = float(self.kept.sum())
        return float(self.costs.sum()) / kept if kept and self.known else None


class _Found(NamedTuple):
    values: Floats
    errors: Floats


def figure(spent: Spent, metric: Metric, *, corpus: str, resamples: int, seed: int) -> Figure:
    """The cost of a kept dialogue. No value where nothing was kept or a cost is not known."""
    rows, value = len(spent.costs), spent.ratio
    if value is None:
        why = "Nothing was kept." if spent.known else "The endpoint did not count the tokens of every reply."
        return Figure(corpus=corpus, metric=metric.key, value=None, n=rows, remark=why)
    table = np.stack([spent.costs, spent.kept], axis=1)
    interval = _interval(table, resamples, np.random.default_rng(seed))
    remark = "Few posts: the interval covers less than it promises." if rows < FEW else ""
    return Figure(corpus=corpus, metric=metric.key, value=value, n=rows, interval=interval, remark=remark)


def comparison(
    one: Spent,
    other: Spent,
    metric: Metric,
    *,
    corpus: str,
    reference: str,
    resamples: int,
    permutations: int,
    seed: int,
) -> Comparison:
    """One arm's cost of a kept dialogue less another's; row i of both is the same post."""
    rows = len(one.costs)
    mine, theirs = one.ratio, other.ratio
    difference = mine - theirs if mine is not None and theirs is not None else None
    interval, effect, p, remark = None, None, None, "An arm kept nothing, or its tokens were not all counted."
    if difference is not None:
        remark = f"Over {rows} posts that both arms were given."
        table = np.stack([one.costs, one.kept, other.costs, other.kept], axis=1)
        rng = np.random.default_rng(seed)
        interval = _interval(table, resamples, rng)
        effect = standardised_difference(difference, _influence(one), _influence(other))
        observed = _ratios(table.sum(axis=0)[None], _products(table).sum(axis=0)[None])
        swapped = _statistics(_swapped(table, permutations, rng))
        if rows > 1:
            p = p_value(float(_statistics(observed)[0]), swapped, fewest=rows)
        if rows < FEW:
            remark += " Few posts: the interval covers less than it promises."
    return Comparison(
        metric=metric.key,
        corpus=corpus,
        reference=reference,
        difference=difference,
        interval=interval,
        effect=effect,
        effect_name=EFFECT_NAME,
        p=p,
        p_corrected=None,
        test=f"studentised permutation test, partners swapped, {permutations} permutations; {HOW}",
        n=rows,
        n_reference=rows,
        remark=remark,
    )


def _influence(spent: Spent) -> Floats:
    ratio = spent.ratio or 0.0
    return np.asarray((spent.costs - ratio * spent.kept) / spent.kept.mean())


def _products(table: Floats) -> Floats:
    """Of each row, every column times every other: (rows, columns squared)."""
    rows, columns = table.shape
    return np.asarray(np.einsum("ij,ik->ijk", table, table).reshape(rows, columns * columns))


def _ratios(sums: Floats, products: Floats) -> _Found:
    """A ratio (two columns) or the difference of two ratios (four) of each draw, with its standard error; NaN where undefined."""
    draws, columns = sums.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.where(sums[:, 1::2] > 0, sums[:, 1::2], np.nan)
        ratios = sums[:, ::2] / kept
        signs = np.array([1.0, -1.0])[: columns // 2]
        gradient = np.empty((draws, columns))
        gradient[:, ::2] = signs / kept
        gradient[:, 1::2] = -signs * ratios / kept
        matrix = products.reshape(draws, columns, columns)
        variance = np.einsum("di,dij,dj->d", gradient, matrix, gradient)
        # What rounding leaves of a variance of 0.
        size = np.einsum("di,dij,dj->d", np.abs(gradient), matrix, np.abs(gradient))
        variance = np.where(variance > 1e-12 * size, variance, 0.0)
    return _Found(np.asarray((ratios * signs).sum(axis=1)), np.sqrt(variance))


def _statistics(found: _Found, centre: float = 0.0) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = (found.values - centre) / found.errors
    return np.where(found.values == centre, 0.0, statistics)


def _interval(table: Floats, resamples: int, rng: np.random.Generator) -> Interval | None:
    rows = len(table)
    if rows < 2:  # noqa: PLR2004 - nothing varies
        return None
    products = _products(table)
    own = _ratios(table.sum(axis=0)[None], products.sum(axis=0)[None])
    value, error = float(own.values[0]), float(own.errors[0])
    if error == 0:
        return Interval(value, value, "no spread")
    parts = []
    for times in _chunks(resamples, rows):
        weights = rng.multinomial(rows, np.full(rows, 1 / rows), size=times).astype(float)
        parts.append(_ratios(weights @ table, weights @ products))
    found = _Found(np.concatenate([each.values for each in parts]), np.concatenate([each.errors for each in parts]))
    statistics = _statistics(found, value)
    statistics = statistics[~np.isnan(statistics)]
    if len(statistics):
        low, high = np.quantile(statistics, _TAILS, method="inverted_cdf")
        if np.isfinite([low, high]).all():
            return Interval(float(value - high * error), float(value - low * error), METHOD)
    reach = float(stdtrit(rows - 1, _TAILS[1])) * error
    return Interval(value - reach, value + reach, _T_METHOD)


def _swapped(table: Floats, permutations: int, rng: np.random.Generator) -> _Found:
    other = table[:, [2, 3, 0, 1]]
    products, other_products = _products(table), _products(other)
    parts = []
    for times in _chunks(permutations, len(table)):
        stay = rng.integers(0, 2, size=(times, len(table))).astype(float)
        parts.append(
            _ratios(stay @ table + (1 - stay) @ other, stay @ products + (1 - stay) @ other_products),
        )
    return _Found(np.concatenate([each.values for each in parts]), np.concatenate([each.errors for each in parts]))


def _chunks(times: int, rows: int) -> Iterator[int]:
    most = max(1, _CELLS // max(rows, 1))
    while times > 0:
        yield min(times, most)
        times -= most
