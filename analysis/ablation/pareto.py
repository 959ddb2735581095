"""What an arm costs against what it gives: which arms no other one beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.ablation.model import Pareto, Point
from analysis.figures import Comparison, Figure, Group, Metric

DIVERSITY = ("distinct_2_jieba_matched", "distinct_2_words_matched")
"""Distinct-2 of words at matched size; the first that a report has."""
_TOLD_APART = (
    "Marked arms are beaten by no other in both. The front is that of the values alone: arms whose intervals overlap may "
    "change places."
)


def paretos(
    arms: Sequence[str],
    metrics: Sequence[Metric],
    figures: Sequence[Figure],
    comparisons: Sequence[Comparison],
    human: Sequence[str],
) -> tuple[Pareto, ...]:
    """Diversity, and likeness to people where human sessions are there, each against the cost of a kept dialogue.

    The cost is money where prices are known for every arm, else tokens.
    """
    known = {metric.key: metric for metric in metrics}
    found = {(each.corpus, each.metric): each for each in figures}

    def value(arm: str, key: str) -> Figure | None:
        each = found.get((arm, key))
        return each if each is not None and each.value is not None else None

    priced = "money_per_1000_kept" in known and all(value(arm, "money_per_1000_kept") for arm in arms)
    cost = known.get("money_per_1000_kept" if priced else "tokens_per_kept")
    if cost is None:
        return ()
    costs = {arm: each for arm in arms if (each := value(arm, cost.key)) is not None}
    drawn = []
    if diversity := next((known[key] for key in DIVERSITY if key in known), None):
        qualities = {arm: each for arm in costs if (each := value(arm, diversity.key)) is not None}
        drawn.append(
            _pareto("diversity", "Diversity against cost", cost, diversity.name, costs, qualities, more_is_better=True)
        )
    for place, reference in enumerate(human):
        distances = {arm: each for arm in costs if (each := distance(arm, reference, metrics, comparisons)) is not None}
        quality = f"distance from {reference}"
        title = f"Distance from people ({reference}) against cost"
        drawn.append(_pareto(f"human-{place}", title, cost, quality, costs, distances, more_is_better=False))
    return tuple(each for each in drawn if each.points)


def distance(arm: str, reference: str, metrics: Sequence[Metric], comparisons: Sequence[Comparison]) -> Figure | None:
    """How far an arm is from human sessions: the mean size of its standardised differences over the measures of how people talk.

    0 is no distance; None without such a comparison. It has no interval: the measures hang together.
    """
    group = {metric.key for metric in metrics if metric.group is Group.HUMAN}
    sizes = [
        abs(each.effect)
        for each in comparisons
        if each.corpus == arm and each.reference == reference and each.metric in group and each.effect is not None
    ]
    if not sizes:
        return None
    return Figure(corpus=arm, metric="distance", value=float(np.mean(sizes)), n=len(sizes))


def _pareto(
    key: str,
    title: str,
    cost: Metric,
    quality: str,
    costs: Mapping[str, Figure],
    qualities: Mapping[str, Figure],
    *,
    more_is_better: bool,
) -> Pareto:
    arms = [arm for arm in costs if arm in qualities]
    values = {arm: (costs[arm].value or 0.0, qualities[arm].value or 0.0) for arm in arms}
    front = front_of(values, more_is_better=more_is_better)
    remark = _TOLD_APART
    if not more_is_better:
        most = max((qualities[arm].n for arm in arms), default=0)
        remark += f" Distance: the mean size of the standardised differences over {most} measures of how people talk."
    return Pareto(
        key=key,
        title=title,
        cost=cost.unit,
        quality=quality,
        more_is_better=more_is_better,
        points=tuple(
            Point(
                arm=arm,
                cost=values[arm][0],
                value=values[arm][1],
                cost_interval=costs[arm].interval,
                value_interval=qualities[arm].interval,
                front=arm in front,
            )
            for arm in arms
        ),
        remark=remark,
    )


def front_of(values: Mapping[str, tuple[float, float]], *, more_is_better: bool) -> frozenset[str]:
    """Those that no other one beats: (cost, value) at least as good in both and better in one. Equal ones stand together."""
    sign = -1.0 if more_is_better else 1.0
    losses = {name: (cost, sign * value) for name, (cost, value) in values.items()}
    return frozenset(
        name
        for name, mine in losses.items()
        if not any(theirs != mine and theirs[0] <= mine[0] and theirs[1] <= mine[1] for theirs in losses.values())
    )
