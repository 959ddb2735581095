"""Krippendorff's alpha: how far annotators agree beyond chance, where an answer is a set of labels.

alpha = 1 - D_o / D_e: the mean distance between two answers to one unit, over the mean distance between any two answers.
1 is full agreement, 0 what answers dealt out at random would give, below 0 worse than that. Krippendorff (2004),
"Content analysis", 2nd edition, chapter 11; for sets: Passonneau (2006), "Measuring agreement on set-valued items
(MASI)", LREC.

Which interval, by 500 simulated corpora each (250 of 300 units), share that covered the truth, aim 0.95:

    20 / 60 / 300 units                         percentile bootstrap   BCa                    jackknife              jackknife of log
    2 annotators, one of 5 labels, alpha 0.64   0.90 / 0.96 / 0.92     0.94 / 0.97 / 0.93     0.92 / 0.96 / 0.93     0.95 / 0.97 / 0.94
    2 annotators, 1 to 3 of 60, alpha 0.35      0.89 / 0.95 / 0.94     0.94 / 0.96 / 0.94     0.93 / 0.96 / 0.94     0.92 / 0.96 / 0.94
    4 annotators, 1 to 2 of 12, alpha 0.60      0.91 / 0.95 / 0.94     0.93 / 0.95 / 0.94     0.95 / 0.95 / 0.94     0.94 / 0.96 / 0.95
    2 annotators, one of 8, alpha 0.92          1.00 / 0.90 / 0.96     0.99 / 0.98 / 0.98     1.00 / 0.91 / 0.95     0.96 / 0.97 / 0.97

(In the last row samples of full agreement, a quarter at 20 units, have no interval and are left out.) So alpha takes the
jackknife over units on the scale of log(1 - alpha), which is that of a ratio of means and never passes 1: it covers as BCa
does, needs no seed, and costs one pass.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import stdtrit

from analysis.figures import LEVEL, Figure, Group, Interval, Metric

METHOD = "jackknife over units, on the scale of log(1 - alpha)"
METHOD_CLUSTERS = "jackknife over clusters of units, on the scale of log(1 - alpha)"

RELIABLE = 0.8
TENTATIVE = 2 / 3
"""Krippendorff (2004), §11.4.2: conclusions rest on 0.8 and more; between the two they are tentative."""

FEW = 20
"""The fewest units that the interval was tried on: table above."""

_CELLS = 2_000_000  # distances that exist at once: 16 MB

_Floats = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]
Answer = Collection[str] | None
"""The labels that one annotator gave to one unit; empty is an answer ("none of them"), None is no answer."""


class Distance(StrEnum):
    """How far apart two sets of labels are, from 0 to 1. For sets of one label all three are equal."""

    MASI = "MASI"
    """1 - Jaccard index * monotonicity: 1 where the sets are equal, 2/3 where one holds the other, 1/3 where they overlap."""
    JACCARD = "Jaccard"
    """1 - labels in both / labels in either."""
    NOMINAL = "nominal"
    """0 where the sets are equal, else 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Alpha with what it is made of. A value is None where it cannot be had, and `remark` says why."""

    alpha: float | None
    interval: Interval | None
    observed: float | None
    """D_o, 0 to 1: mean distance of two answers to one unit."""
    expected: float | None
    """D_e, 0 to 1: mean distance of any two answers."""
    units: int
    """Units with two answers or more: the others say nothing of agreement."""
    answers: int
    """Answers to those units."""
    annotators: int
    """Those with any answer among them."""
    distance: Distance
    remark: str = ""


def agreement(
    units: Sequence[Sequence[Answer]],
    distance: Distance = Distance.MASI,
    *,
    clusters: Sequence[Hashable] | None = None,
) -> Agreement:
    """Alpha over units (dialogues, utterances), each with an answer from each annotator in one order, None where missing.

    `clusters` has a name a unit: units of one name (the utterances of one dialogue) are left out together by the
    jackknife. Raises ValueError where units have unlike numbers of annotators, or clusters are not one a unit.
    """
    if len({len(unit) for unit in units}) > 1:
        raise ValueError("Units have unlike numbers of annotators; put None where one did not answer")
    if clusters is not None and len(clusters) != len(units):
        raise ValueError(f"{len(clusters)} cluster names for {len(units)} units")
    names = range(len(units)) if clusters is None else clusters
    pairable = [
        (name, [frozenset(answer) for answer in unit if answer is not None])
        for name, unit in zip(names, units, strict=True)
        if sum(answer is not None for answer in unit) > 1
    ]
    involved = [unit for unit in units if sum(answer is not None for answer in unit) > 1]
    annotators = sum(any(answer is not None for answer in column) for column in zip(*involved, strict=True))
    counted = sum(len(answers) for _, answers in pairable)

    def found(
        remark: str,
        alpha: float | None = None,
        interval: Interval | None = None,
        observed: float | None = None,
        expected: float | None = None,
    ) -> Agreement:
        return Agreement(
            alpha=alpha,
            interval=interval,
            observed=observed,
            expected=expected,
            units=len(pairable),
            answers=counted,
            annotators=annotators,
            distance=distance,
            remark=remark,
        )

    if len(pairable) < 2:  # noqa: PLR2004 - what chance would do shows between units alone
        return found("One unit has two answers." if pairable else "No unit has two answers.")
    sums = _sums(pairable, distance)
    within, answers, all_pairs = sums.within.sum(), sums.answers.sum(), sums.all_pairs
    observed, expected = float(within / answers), float(all_pairs / (answers * (answers - 1)))
    if not expected > 0:
        return found("All answers are the same, so no disagreement was possible.", observed=observed, expected=expected)
    alpha = 1 - observed / expected
    interval, remark = _interval(sums, clustered=clusters is not None)
    return found(remark, alpha, interval, observed, expected)


def agreement_metric(task: str, distance: Distance, group: Group) -> Metric:
    """The metric of an agreement on `task` ("topics", "strategy"): its key is `agreement_{task}_{distance}`."""
    how = {
        Distance.MASI: "MASI, which counts a set within the other as nearer than two that merely overlap",
        Distance.JACCARD: "Jaccard's",
        Distance.NOMINAL: "0 for equal sets and 1 for all others",
    }[distance]
    return Metric(
        key=f"agreement_{task}_{distance.lower()}",
        name=f"Agreement on {task} (Krippendorff's alpha, {distance})",
        group=group,
        unit="alpha",
        definition="1 - mean distance between two answers to one unit / mean distance between any two answers; the distance "
        f"between two sets of labels is {how}.",
        source="Krippendorff, Content analysis (2004), chapter 11; Passonneau (2006) for sets of labels",
        caveat="1 is full agreement, 0 what chance gives. Two runs of one model agree on its errors too.",
    )


def agreement_figure(found: Agreement, *, corpus: str, task: str, group: Group) -> Figure:
    """The figure of `agreement_metric`; its `n` are the units that have two answers."""
    return Figure(
        corpus=corpus,
        metric=agreement_metric(task, found.distance, group).key,
        value=found.alpha,
        n=found.units,
        interval=found.interval,
        remark=found.remark,
    )


def in_words(alpha: float) -> str:
    """What an alpha is good for, by Krippendorff's two thresholds."""
    if alpha >= RELIABLE:
        return "reliable"
    return "good for tentative conclusions" if alpha >= TENTATIVE else "too low to rest on"


@dataclass(frozen=True, slots=True)
class _Sums:
    """What alpha is made of, an entry for each cluster of units, shape (clusters,)."""

    within: _Floats
    """Distances between ordered pairs of answers to one unit, each over the unit's answers - 1."""
    answers: _Floats
    all_pairs: float
    """Distances between ordered pairs of all answers."""
    touching: _Floats
    """The share of `all_pairs` that has an answer of the cluster on either side."""


def _sums(units: Sequence[tuple[Hashable, Sequence[frozenset[str]]]], distance: Distance) -> _Sums:
    codes: dict[frozenset[str], int] = {}
    groups: dict[Hashable, list[list[int]]] = {}
    for name, answers in units:
        groups.setdefault(name, []).append([codes.setdefault(answer, len(codes)) for answer in answers])
    sets = _Sets.of(list(codes))
    times = np.bincount([code for group in groups.values() for unit in group for code in unit], minlength=len(codes))
    reach = sets.reach(times.astype(np.float64), distance)
    within, count, touching = [], [], []
    for group in groups.values():
        members = np.array([code for unit in group for code in unit], dtype=np.int64)
        apart = sets.apart(members, members, distance)
        sizes = np.array([len(unit) for unit in group], dtype=np.int64)
        owners = np.repeat(np.arange(len(group)), sizes)
        same = owners[:, None] == owners[None, :]
        within.append(float((apart * same / (sizes[owners] - 1)).sum()))
        count.append(len(members))
        touching.append(2 * float(reach[members].sum()) - float(apart.sum()))
    return _Sums(np.array(within), np.array(count, dtype=np.float64), float(times @ reach), np.array(touching))


@dataclass(frozen=True, slots=True)
class _Sets:
    """The different answers as a matrix, a row an answer and a column a label."""

    members: sparse.csr_array
    sizes: _Floats

    @classmethod
    def of(cls, answers: Sequence[frozenset[str]]) -> _Sets:
        places: dict[str, int] = {}
        columns = [places.setdefault(label, len(places)) for answer in answers for label in sorted(answer)]
        ends = np.cumsum([0, *map(len, answers)])
        shape = (len(answers), max(1, len(places)))
        return cls(sparse.csr_array((np.ones(len(columns)), columns, ends), shape=shape), np.diff(ends).astype(float))

    def apart(self, rows: _Places, others: _Places, distance: Distance) -> _Floats:
        """Distances between answers, shape (rows, others)."""
        common = (self.members[rows] @ self.members[others].T).toarray()
        mine, theirs = self.sizes[rows][:, None], self.sizes[others][None, :]
        equal = (common == mine) & (common == theirs)
        if distance is Distance.NOMINAL:
            return np.where(equal, 0.0, 1.0)
        jaccard = common / np.maximum(mine + theirs - common, 1)
        if distance is Distance.MASI:
            held = common == np.minimum(mine, theirs)
            jaccard *= np.where(held, 2 / 3, 1 / 3)
        # Two empty sets are equal too, though they have no index.
        return np.where(equal, 0.0, 1 - jaccard)

    def reach(self, times: _Floats, distance: Distance) -> _Floats:
        """Each answer's distances from all answers given, summed, shape (different answers,)."""
        every, step = np.arange(len(times)), max(1, _CELLS // len(times))
        blocks = [self.apart(every[at : at + step], every, distance) @ times for at in range(0, len(every), step)]
        return np.concatenate(blocks)


def _interval(sums: _Sums, *, clustered: bool) -> tuple[Interval | None, str]:
    """By leaving each cluster out: Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 11."""
    clusters = len(sums.answers)
    if clusters < 2:  # noqa: PLR2004 - nothing varies
        return None, "One cluster of units: no interval."
    answers, within, all_pairs = float(sums.answers.sum()), float(sums.within.sum()), sums.all_pairs
    if not within > 0:
        what = "clusters" if clustered else "units"
        return None, (
            f"Full agreement on all {clusters} {what}, so nothing varies: up to {min(1.0, 3 / clusters):.2g} of {what} may hold "
            "some disagreement (rule of three)."
        )
    left_pairs = all_pairs - sums.touching
    if (left_pairs <= _ROUNDING * all_pairs).any():
        return None, "One unit holds all the variety there is: no interval can be had."
    ratio = within * (answers - 1) / all_pairs
    without = (within - sums.within) * (answers - sums.answers - 1) / left_pairs
    error = np.sqrt((clusters - 1) / clusters * ((without - without.mean()) ** 2).sum()) / ratio
    reach = float(stdtrit(clusters - 1, (1 + LEVEL) / 2) * error)
    interval = Interval(
        float(1 - ratio * np.exp(reach)), float(1 - ratio * np.exp(-reach)), METHOD_CLUSTERS if clustered else METHOD
    )
    return interval, (f"Few units: the interval was tried on {FEW} and more." if clusters < FEW else "")


_ROUNDING = 1e-12  # relative size below which a sum found by subtraction is rounding
