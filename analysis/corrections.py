"""Many comparisons at once: what a p-value is worth when a report holds a hundred of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.figures import LEVEL, Comparison

SIGNIFICANCE = round(1 - LEVEL, 10)
"""Largest chance of one or more false findings among all comparisons of a report where nothing differs."""


def corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same comparisons in the same order, `p_corrected` set for each that has a p.

    The family is everything handed in, so hand in the whole report at once. The method is Holm's: valid whatever the
    dependence between the metrics, and never worse than Bonferroni's. Values are capped at 1 and keep the order of the
    p-values. Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6(2).

    It guards every single row, since a reader may act on any one of them; the false discovery rate of Benjamini and
    Hochberg (1995) would let one finding in twenty be false. Its price is p values that must be far below 0.05: `permutation.p_value`.
    """
    family = sorted((comparison.p, place) for place, comparison in enumerate(comparisons) if comparison.p is not None)
    held: dict[int, float] = {}
    highest = 0.0
    for rank, (p, place) in enumerate(family):
        highest = max(highest, min(1.0, (len(family) - rank) * p))
        held[place] = highest
    return tuple(replace(comparison, p_corrected=held.get(place)) for place, comparison in enumerate(comparisons))
