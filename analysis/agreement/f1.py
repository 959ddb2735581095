"""Macro-F1 with an interval over dialogues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from analysis.effects import influence
from analysis.figures import LEVEL, Figure, Interval

METHOD = "linearised mean of F1 over dialogues, Student's t"

_Pair = tuple[frozenset[str], frozenset[str]]


def macro_f1(dialogues: Sequence[Sequence[_Pair]], labels: Sequence[str], *, corpus: str, metric: str) -> Figure:
    """The mean over `labels` of 2 * right / (given by human + given by annotator); (human, annotator) sets by dialogue.

    Each label's F1 is a ratio of sums over dialogues, so each dialogue has an influence on it (Cochran 1977, "Sampling
    techniques", §6.3), and on the mean. `labels` are those that a human gave, so no F1 is undefined. By 300 simulated
    corpora each (100 of 300 dialogues), Zipf-like shares, the interval covered the truth in 0.97 / 0.93 / 0.94 at 20 / 60 / 300
    dialogues with 5 labels, and in 0.90 / 0.95 / 0.92 with 9.
    """
    n = len(dialogues)
    if not labels or not n:
        return Figure(corpus=corpus, metric=metric, value=None, n=n, remark="No utterance has a human label.")
    values, influences = [], np.zeros(n)
    alone = 0
    for label in labels:
        right = np.array([2.0 * sum(label in a and label in b for a, b in one) for one in dialogues])
        given = np.array([float(sum((label in a) + (label in b) for a, b in one)) for one in dialogues])
        values.append(float(right.sum() / given.sum()))
        influences += influence(right, given) / len(labels)
        alone += int(np.count_nonzero(given) == 1)
    value = float(np.mean(values))
    if n == 1:
        return Figure(corpus=corpus, metric=metric, value=value, n=n, remark="One dialogue: no interval.")
    error = float(np.sqrt((influences**2).sum() / (n * (n - 1))))
    remark = (
        f"{alone} of {len(labels)} labels stand in one dialogue alone: the interval is too narrow." if alone else ""
    )
    if not error > 0:
        return Figure(
            corpus=corpus, metric=metric, value=value, n=n, remark=f"The same in every dialogue. {remark}".strip()
        )
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * error
    interval = Interval(max(0.0, value - reach), min(1.0, value + reach), METHOD)
    return Figure(corpus=corpus, metric=metric, value=value, n=n, interval=interval, remark=remark)
