"""Ratios of sums as matrices: a row a dialogue, a column a ratio, and the five sums that a draw needs of each.

Those are sums of the residual d = x - R y, of y, and of their products. From them come the ratio and its standard error
(linearised: Cochran 1977, "Sampling techniques", §6.3) in every draw, by one matrix product for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from analysis.effects import residuals
from analysis.ratios import Ratio

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_ROUNDING = 1e-12  # relative size below which a sum of squares found by subtraction is rounding


@dataclass(frozen=True, slots=True)
class Columns:
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
        return over(self.numerators.sum(axis=0), self.denominators.sum(axis=0))

    def at(self, rows: Counts) -> Columns:
        return Columns(self.numerators[rows], self.denominators[rows], self.unreadable)

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


class RatioDraws(NamedTuple):
    """Ratios of one or many draws: how far from the centre, and their squared standard errors. NaN where undefined."""

    shifts: Floats
    variances: Floats


def columns_of(frame: pd.DataFrame, ratios: Sequence[Ratio]) -> Columns:
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
    return Columns(x, y, np.asarray(bad.sum(axis=0), dtype=np.int64))


def clustered(columns: Columns, labels: NDArray[np.generic]) -> Columns:
    codes, found = pd.factorize(labels, use_na_sentinel=False)
    if len(codes) != len(columns.numerators):
        raise ValueError(f"{len(codes)} cluster labels for {len(columns.numerators)} rows")
    member = sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(len(found), len(codes)))
    return Columns(member @ columns.numerators, member @ columns.denominators, columns.unreadable)


def over(top: Floats, bottom: Floats) -> Floats:
    """top / bottom; NaN where the bottom is not above 0."""
    held = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=held, where=bottom > 0)
    return held


def ratios_of(sums: Floats, rows: Counts) -> RatioDraws:
    """From sums of moments, (..., 5 ratios); `rows` are what the standard error counts as independent."""
    d, y, dd, dy, yy = np.split(sums, 5, axis=-1)
    shift = over(d, y)
    whole = dd + shift * shift * yy
    return RatioDraws(shift, over(_spread(whole - 2 * shift * dy, whole), y * y) * _unbiased(rows))


def _spread(squares: Floats, whole: Floats) -> Floats:
    """A sum of squares that was found as a difference: 0 where only rounding is left of the whole."""
    return np.where(squares <= _ROUNDING * whole, 0.0, squares)


def _unbiased(rows: Counts) -> Floats:
    return np.asarray(rows / np.maximum(rows - 1, 1), dtype=np.float64)


def paired_moments(one: Columns, other: Columns, centres: tuple[Floats, Floats]) -> Floats:
    """Both sides' moments, then the products d d', y y', d y' and y d' across: (pairs, 14 ratios)."""
    d, e, y, z = one.residuals(centres[0]), other.residuals(centres[1]), one.denominators, other.denominators
    return np.hstack([one.moments(centres[0]), other.moments(centres[1]), d * e, y * z, d * z, y * e])


def paired_ratios(sums: Floats, pairs: int) -> RatioDraws:
    """Differences between partners, from sums of paired moments: the variance of the difference of influences."""
    d, y, dd, dy, yy, e, z, ee, ez, zz, de, yz, dz, ye = np.split(sums, 14, axis=-1)
    s, t = over(d, y), over(e, z)
    whole = over(dd + s * s * yy, y * y) + over(ee + t * t * zz, z * z)
    apart = over(2 * s * dy, y * y) + over(2 * t * ez, z * z)
    shared = over(de - t * dz - s * ye + s * t * yz, y * z)
    return RatioDraws(s - t, _spread(whole - apart - 2 * shared, whole) * _unbiased(np.array(pairs)))
