"""Means over dialogues, all in one form: a sum over dialogues divided by another sum over the same dialogues.

Sentences a counselor utterance, turns a dialogue, the share of utterances that ask: each is a ratio of two columns of one
frame that has a row a dialogue. So one bootstrap and one permutation test, both over whole dialogues, serve them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.figures import Metric

DIALOGUES = "dialogues"
"""The column that every frame may rely on: 1 in each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A metric with the two columns it is made of. `numerator` and `denominator` name columns of a frame with a row a dialogue.

    Rows where the denominator is 0 add nothing; a corpus whose denominators are all 0 has no value.
    """

    metric: Metric
    numerator: str
    denominator: str = DIALOGUES
