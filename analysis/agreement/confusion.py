"""Which label an annotator gives where a human gives another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.figures import Ranked, Ranking

NONE = "(none)"
"""The row of labels that only the annotator gave, and the column of human labels that it had nothing for."""
TOP = 15
"""Entries of a ranking: what fits beside a figure."""

_Pair = tuple[frozenset[str], frozenset[str]]


def confusion(utterances: Sequence[_Pair]) -> pd.DataFrame:
    """Human labels by row, the annotator's by column, most frequent first, `NONE` last; of (human, annotator) sets.

    A label that both gave counts on the diagonal. Each other human label is spread evenly over the annotator's other
    labels, or falls to `NONE`; so a row sums to the utterances that the human gave its label. An annotator's label that
    stands beside no missed human label falls to the row `NONE`. For single labels it is the usual table.
    """
    weights: dict[tuple[str, str], float] = {}

    def add(row: str, column: str, weight: float = 1.0) -> None:
        weights[row, column] = weights.get((row, column), 0.0) + weight

    for human, said in utterances:
        for label in human & said:
            add(label, label)
        # In the order of the alphabet, so that sums round alike in each process.
        missed, extra = sorted(human - said), sorted(said - human)
        for label in missed:
            for other in extra or [NONE]:
                add(label, other, 1 / max(1, len(extra)))
        for other in [] if missed else extra:
            add(NONE, other)
    humans = Counter(label for human, _ in utterances for label in human)
    saids = Counter(label for _, said in utterances for label in said)
    order = sorted(humans | saids, key=lambda label: (-humans[label], -saids[label], label))
    rows, columns = [*(label for label in order if humans[label]), NONE], [*order, NONE]
    cells = [[weights.get((row, column), 0.0) for column in columns] for row in rows]
    table = pd.DataFrame(cells, index=rows, columns=columns, dtype=np.float64)
    table.index.name, table.columns.name = "human", "annotator"
    return table


def top_confusions(utterances: Sequence[_Pair], *, corpus: str, task: str, k: int = TOP) -> Ranking:
    """The k most frequent confusions "human → annotator": utterances where only the human gave one label and only the
    annotator the other. An utterance with several such labels counts for each pair.
    """
    counts = Counter(
        (missed, extra) for human, said in utterances for missed in human - said for extra in (said - human) or {NONE}
    )
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:k]
    return Ranking(
        corpus=corpus,
        name=f"{task}_confusions",
        title=f"Confusions, {task}: human → annotator",
        unit="labelled utterances",
        n=len(utterances),
        entries=tuple(Ranked(f"{a} → {b}", count, count / len(utterances)) for (a, b), count in top),
    )
