"""Intervals and tests for ratios of sums, with whole dialogues as the unit of chance.

Utterances of one dialogue resemble each other, so they are never drawn apart: rows of a frame, a row a dialogue, are.
All ratios of a frame share the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from analysis.effects import EFFECT_NAME, influence, standardised_difference
from analysis.figures import Comparison, Figure, Interval
from analysis.permutation import HOW
from analysis.ratio_columns import (
    Columns,
    Counts,
    Floats,
    RatioDraws,
    clustered,
    columns_of,
    paired_moments,
    paired_ratios,
    ratios_of,
)
from analysis.ratio_intervals import (
    CONSTANT,
    FEW,
    difference_of_shares,
    interval_of,
    is_constant,
    is_share,
    resampled_interval,
)
from analysis.ratio_tests import CELLS, dealt_anew, difference_of, partners_swapped
from analysis.ratios import Ratio

Pairs = tuple[ArrayLike, ArrayLike]
"""Row numbers in one frame, and those of their partners in the other."""


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
    dialogues = columns_of(frame, ratios)
    units = dialogues if clusters is None else clustered(dialogues, np.asarray(clusters))
    moments = units.moments(units.ratios)
    own = ratios_of(moments.sum(axis=0), units.rows)
    draws = ratios_of(_resampled_sums(moments, resamples, np.random.default_rng(seed)), units.rows)
    figures = []
    for place, ratio in enumerate(ratios):
        value = finite(dialogues.ratios[place])
        interval, remark = None, "No dialogue has what this is measured on."
        if value is not None:
            interval, remark = interval_of(
                units,
                place,
                float(own.variances[place]),
                RatioDraws(draws.shifts[:, place], draws.variances[:, place]),
                share=is_share(ratio, units, place),
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
    one, other = columns_of(frame, ratios), columns_of(reference_frame, ratios)
    common = ""
    if pairs is not None:
        rows = _paired_rows(pairs, len(frame), len(reference_frame))
        common = f"Over {len(rows[0])} pairs of {len(frame)} and {len(reference_frame)} dialogues."
        one, other = one.at(rows[0]), other.at(rows[1])
    rng = np.random.default_rng(seed)
    own, draws = (_apart if pairs is None else _together)(one, other, resamples, rng)
    p_values = (dealt_anew if pairs is None else partners_swapped)(one, other, permutations, rng)
    how = "dialogues dealt anew" if pairs is None else "partners swapped"
    comparisons = []
    for place, ratio in enumerate(ratios):
        n, n_reference = int(one.rows[place]), int(other.rows[place])
        difference = finite(one.ratios[place] - other.ratios[place])
        interval, effect, p, remark = None, None, None, "A side has no dialogue that this is measured on."
        if difference is not None:
            variance = float(own.variances[place])
            remark = "" if min(n, n_reference) > 1 else "A side has one dialogue: no interval, effect or test."
            if not remark:
                p = p_values[place]
                effect = standardised_difference(difference, influence(*one.used(place)), influence(*other.used(place)))
                if is_share(ratio, one, place) and is_share(ratio, other, place):
                    interval = difference_of_shares(one, other, place, variance if pairs is not None else None)
                elif variance == 0:
                    interval, remark = (
                        Interval(difference, difference, CONSTANT),
                        "The same in every dialogue of each side.",
                    )
                else:
                    of_place = RatioDraws(draws.shifts[:, place], draws.variances[:, place])
                    interval = resampled_interval(difference, variance, of_place)
                    if any(is_constant(side, place) for side in (one, other)):
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


def _apart(one: Columns, other: Columns, times: int, rng: np.random.Generator) -> tuple[RatioDraws, RatioDraws]:
    """The difference itself, and the differences of independent resamples of both sides."""
    own, draws = [], []
    for side in (one, other):
        moments = side.moments(side.ratios)
        own.append(ratios_of(moments.sum(axis=0), side.rows))
        draws.append(ratios_of(_resampled_sums(moments, times, rng), side.rows))
    return difference_of(*own), difference_of(*draws)


def _together(one: Columns, other: Columns, times: int, rng: np.random.Generator) -> tuple[RatioDraws, RatioDraws]:
    """The difference itself, and the differences in resamples of pairs."""
    moments = paired_moments(one, other, (one.ratios, other.ratios))
    sums = _resampled_sums(moments, times, rng)
    return paired_ratios(moments.sum(axis=0), len(moments)), paired_ratios(sums, len(moments))


def _resampled_sums(moments: Floats, times: int, rng: np.random.Generator) -> Floats:
    """Sums of the moments over each draw of as many rows as there are: (times, columns)."""
    rows = len(moments)
    if not rows:
        return np.zeros((1, moments.shape[1]))
    sums = np.empty((times, moments.shape[1]))
    weights = np.empty((min(times, max(1, CELLS // rows)), rows))  # one block for all draws: fresh pages are dear
    with threadpool_limits(
        1, user_api="blas"
    ):  # measured on busy cores: threads that wait for each other take 4 times as long
        for start in range(0, times, len(weights)):
            block = weights[: times - start]
            for draw in block:
                draw[:] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
            np.matmul(block, moments, out=sums[start : start + len(block)])
    return sums


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
