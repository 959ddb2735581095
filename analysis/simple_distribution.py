"""Histograms and boxes of plain values: one number a dialogue, an utterance or a pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.figures import Box, Distribution

Floats = NDArray[np.float64]

BINS = 40
"""Enough to show a shape, few enough to read; counts take as many or fewer."""

TAIL = 0.995
"""Values beyond this quantile share the last bin where they would stretch the axis."""

_STRETCH = 2.0
# How many times further from the median than that quantile the largest value must lie for the axis to be cut; measured:
# 3.0 for SMILECHAT's turns and 2.7 for its characters a dialogue, whose long tails are what is meant.
_STEPS = (1.0, 0.5)  # counts, and turns, which are utterances / 2
_WHOLE = 2.0**50  # below it, a half more or less is exact in a float
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def distribution(
    values: ArrayLike,
    *,
    corpus: str,
    metric: str,
    unit: str,
    bins: int = BINS,
    edges: Sequence[float] | None = None,
) -> Distribution | None:
    """How the values are spread; None where none of them is a finite number.

    Without `edges` the values' own are taken, as `shared_edges` makes them. Values outside the edges are counted in the
    first or last bin and the remark says how many; mean, standard deviation (n - 1 below; 0 for one value) and box are
    of all values as they are. Raises ValueError for edges that do not rise or are fewer than two.
    """
    held = _finite(values)
    if not len(held):
        return None
    axis = np.asarray(shared_edges([held], bins=bins) if edges is None else edges, dtype=np.float64)
    if len(axis) < 2 or not (np.diff(axis) > 0).all():  # noqa: PLR2004 - a bin has two edges
        raise ValueError("Edges must be two or more, each above the one before")
    counts, _ = np.histogram(np.clip(held, axis[0], axis[-1]), axis)
    box = np.quantile(held, _QUANTILES)
    return Distribution(
        corpus=corpus,
        metric=metric,
        unit=unit,
        n=len(held),
        mean=float(held.mean()),
        sd=float(held.std(ddof=1)) if len(held) > 1 else 0.0,
        box=Box(*map(float, box)),
        edges=tuple(map(float, axis)),
        counts=tuple(map(int, counts)),
        remark=_remark(held, axis, np.size(values) - len(held)),
    )


def shared_edges(arrays: Sequence[ArrayLike], *, bins: int = BINS) -> tuple[float, ...]:
    """Edges over the values of all arrays, so that corpora can be drawn over each other; at most `bins` bins.

    Whole and half numbers get bins as wide as a multiple of their step, edges half a step beside them, so that none
    falls on an edge and each bin holds as many of them. Where the longest tail reaches far past the `TAIL` quantile,
    the axis ends at that quantile. Without values, from 0 to 1. Raises ValueError for `bins` below 1.
    """
    if bins < 1:
        raise ValueError(f"{bins} bins: need at least one")
    held = [array for array in map(_finite, arrays) if len(array)]
    if not held:
        return (0.0, 1.0)
    low, high = min(float(array.min()) for array in held), max(map(_top, held))
    step = next((step for step in _STEPS if all(_in_steps(array, step) for array in held)), None)
    if step is not None:
        places = math.ceil(round((high - low) / step, 6)) + 1
        a_bin = math.ceil(places / bins)
        return tuple(low - step / 2 + step * a_bin * place for place in range(math.ceil(places / a_bin) + 1))
    edges = tuple(map(float, np.linspace(low, high, bins + 1)))
    if all(after > before for before, after in pairwise(edges)):
        return edges
    # One value, or values too near each other for so many steps between them.
    margin = max(0.5, abs(low) * 1e-6)
    return low - margin, max(low, high) + margin


def _finite(values: ArrayLike) -> Floats:
    held = np.asarray(values, dtype=np.float64).ravel()
    return held[np.isfinite(held)]


def _top(held: Floats) -> float:
    """Where the axis ends: the largest value, or the tail's beginning where the tail is long."""
    middle, tail, most = map(float, np.quantile(held, (0.5, TAIL, 1.0)))
    return tail if tail > middle and most - middle > _STRETCH * (tail - middle) else most


def _in_steps(held: Floats, step: float) -> bool:
    return bool((np.abs(held) < _WHOLE).all() and (held == np.rint(held / step) * step).all())


def _remark(held: Floats, axis: Floats, unreadable: int) -> str:
    above, below = int((held > axis[-1]).sum()), int((held < axis[0]).sum())
    said = []
    if above:
        said.append(
            f"{above} of {len(held)} values lie above {axis[-1]:g}, up to {held.max():g}: they stand in the last bin."
        )
    if below:
        said.append(
            f"{below} of {len(held)} values lie below {axis[0]:g}, down to {held.min():g}: they stand in the first bin."
        )
    if unreadable:
        said.append(f"{unreadable} values left out: they are not finite numbers.")
    return " ".join(said)
