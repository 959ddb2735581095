"""Permutation tests of differences between ratios: all dialogues dealt to the sides anew, or partners swapped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from analysis.permutation import p_value
from analysis.ratio_columns import Columns, Counts, Floats, RatioDraws, over, paired_moments, paired_ratios, ratios_of
from analysis.ratio_intervals import studentised

CELLS = 2_000_000
"""Cells of a matrix of draws that exist at once: 16 MB."""
_SPARSE = 0.05  # share of rows dealt below which a sparse product is the quicker one


def _pooled_ratios(one: Columns, other: Columns) -> Floats:
    top = one.numerators.sum(axis=0) + other.numerators.sum(axis=0)
    return over(top, one.denominators.sum(axis=0) + other.denominators.sum(axis=0))


def difference_of(one: RatioDraws, other: RatioDraws) -> RatioDraws:
    return RatioDraws(one.shifts - other.shifts, one.variances + other.variances)


def dealt_anew(one: Columns, other: Columns, times: int, rng: np.random.Generator) -> list[float | None]:
    """p of each ratio when the pooled rows are dealt to the sides anew; sums of the smaller side give the larger's."""
    if not len(one.numerators) or not len(other.numerators):
        return [None] * one.numerators.shape[1]
    small, large = sorted((one, other), key=lambda side: len(side.numerators))
    centres = _pooled_ratios(one, other)
    moments = np.vstack([small.moments(centres), large.moments(centres)])
    total, few, many = moments.sum(axis=0), len(small.numerators), len(large.numerators)

    def dealt(sums: Floats) -> Floats:
        sides = ratios_of(sums, np.array(few)), ratios_of(total - sums, np.array(many))
        return studentised(difference_of(*sides))

    statistics = map(dealt, _dealt_sums(moments, few, times, rng))
    return _p_values(dealt(moments[:few].sum(axis=0)), statistics, np.minimum(one.rows, other.rows))


def _dealt_sums(moments: Floats, few: int, times: int, rng: np.random.Generator) -> Iterator[Floats]:
    rows = len(moments)
    block = max(1, CELLS // rows)
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


def partners_swapped(one: Columns, other: Columns, times: int, rng: np.random.Generator) -> list[float | None]:
    """p of each ratio when partners change sides by the toss of a coin."""
    centres = _pooled_ratios(one, other)
    moments = paired_moments(one, other, (centres, centres))
    pairs, width = len(moments), one.numerators.shape[1]
    if not pairs:
        return [None] * width
    ours, theirs, even, crossed, crossed_back = np.split(moments, np.array([5, 10, 12, 13]) * width, axis=1)
    turned = np.hstack([theirs, ours, even, crossed_back, crossed]) - moments
    total = moments.sum(axis=0)

    def after(swaps: Floats) -> Floats:
        return studentised(paired_ratios(total + swaps @ turned, pairs))

    block = max(1, CELLS // pairs)
    tosses = (
        rng.integers(0, 2, (min(block, times - start), pairs)).astype(np.float64) for start in range(0, times, block)
    )
    return _p_values(after(np.zeros((1, pairs)))[0], map(after, tosses), np.minimum(one.rows, other.rows))


def _p_values(observed: Floats, permuted: Iterator[Floats], fewest: Counts) -> list[float | None]:
    """p of each ratio; `fewest` are the dialogues of its smaller side."""
    with threadpool_limits(1, user_api="blas"):  # the products are made here; as in `_resampled_sums`
        found = np.vstack(list(permuted))
    return [p_value(float(seen), found[:, place], fewest=int(fewest[place])) for place, seen in enumerate(observed)]
