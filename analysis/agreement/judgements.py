"""Scores that a judge gave whole dialogues, as means over dialogues.

A rubric is a list of criteria; a judging gives each of them a score. What comes of it are ordinary ratios of a frame with
a row a dialogue, so `resampling.bootstrap` and `resampling.compare` give intervals, paired differences and tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.figures import Group, Metric
from analysis.ratios import DIALOGUES, Ratio

Judging = Mapping[str, float]
"""A score a criterion's key. A criterion may be missing: what is there still counts."""

_TOTAL = "total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One thing that a rubric asks about, scored from `low` to `high`."""

    key: str
    name: str
    low: float
    high: float
    definition: str

    def __post_init__(self) -> None:
        if not self.low < self.high or self.key == _TOTAL:
            raise ValueError(f"Criterion {self.key!r}: low must be below high, and the key not {_TOTAL!r}")


def score_frame(dialogues: Sequence[Sequence[Judging]], criteria: Sequence[Criterion]) -> pd.DataFrame:
    """A row a dialogue, of its judgings: usually one, none where no answer could be read, several where it was asked anew.

    Columns: `DIALOGUES`, and for each criterion and the total its sum and the judgings that gave it, in `score KEY` and
    `judged KEY`. The total is of judgings that scored every criterion. Raises ValueError for a score out of its bounds.
    """
    columns: dict[str, list[float]] = {DIALOGUES: [1.0] * len(dialogues)}
    for criterion in criteria:
        given = [[one[criterion.key] for one in judgings if criterion.key in one] for judgings in dialogues]
        for place, scores in enumerate(given):
            if not all(criterion.low <= score <= criterion.high for score in scores):
                bounds = f"{criterion.low:g} to {criterion.high:g}"
                raise ValueError(f"Dialogue {place + 1}: a score of {criterion.key!r} lies outside {bounds}")
        columns[f"score {criterion.key}"] = [float(sum(scores)) for scores in given]
        columns[f"judged {criterion.key}"] = [float(len(scores)) for scores in given]
    keys = [criterion.key for criterion in criteria]
    full = [
        [sum(one[key] for key in keys) for one in judgings if all(map(one.__contains__, keys))]
        for judgings in dialogues
    ]
    columns[f"score {_TOTAL}"] = [float(sum(totals)) for totals in full]
    columns[f"judged {_TOTAL}"] = [float(len(totals)) for totals in full]
    columns["judged"] = [float(any(judgings)) for judgings in dialogues]
    return pd.DataFrame(columns)


def score_ratios(criteria: Sequence[Criterion], *, rubric: str, source: str, group: Group) -> tuple[Ratio, ...]:
    """The rubric's mean scores over `score_frame`: the share of dialogues judged, each criterion, then the total.

    `rubric` is its name in keys (`cehs`), `source` its paper and table.
    """
    judged = Metric(
        key=f"{rubric}_judged",
        name=f"Judged dialogues, {rubric}",
        group=group,
        unit="share of dialogues",
        definition="Dialogues with an answer of the judge that could be read, of all.",
        source="this project's own",
        caveat="Where a judge answers for some dialogues only, its scores are of those.",
    )
    scores = [
        Ratio(
            metric=Metric(
                key=f"{rubric}_{criterion.key}",
                name=f"{criterion.name}, {rubric}",
                group=group,
                unit=f"points, {criterion.low:g} to {criterion.high:g}",
                definition=f"{criterion.definition} Mean over judged dialogues.",
                source=source,
                caveat=_CAVEAT,
            ),
            numerator=f"score {criterion.key}",
            denominator=f"judged {criterion.key}",
        )
        for criterion in criteria
    ]
    low, high = sum(one.low for one in criteria), sum(one.high for one in criteria)
    total = Metric(
        key=f"{rubric}_{_TOTAL}",
        name=f"All criteria together, {rubric}",
        group=group,
        unit=f"points, {low:g} to {high:g}",
        definition="The criteria's sum, of dialogues judged on all of them.",
        source="this project's own sum of the rubric's criteria",
        caveat=f"It weighs criteria by their ranges. {_CAVEAT}",
    )
    return (
        Ratio(metric=judged, numerator="judged"),
        *scores,
        Ratio(metric=total, numerator=f"score {_TOTAL}", denominator=f"judged {_TOTAL}"),
    )


_CAVEAT = (
    "A model's judgement, not a clinician's: it tells arms of one judge apart, and nothing about safety with clients."
)
