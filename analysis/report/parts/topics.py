"""Dialogue topics (SMILE, §5.3 and Table 2), where labels stand beside a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.report.parts.means import Resampling
from analysis.report.sections import Pair, Prepared, Section
from analysis.topics.distance import DISTANCE, topic_distance
from analysis.topics.entropy import Reading, topic_spread
from analysis.topics.labels import Labels, labels_of
from analysis.topics.measures import labelled_figure, labelled_metric, topic_figures, topic_metrics, topic_ranking

SHOWN = 60
"""Topics of a ranking: as many as SMILE's codebook has."""


def topics(
    corpora: Sequence[Prepared], pairs: Sequence[Pair], codebook: Mapping[str, str], resampling: Resampling
) -> Section:
    """Both readings of the labels of each corpus that has any; nothing where none has."""
    labels = {corpus.name: _named(labels_of(corpus.input.entries), codebook) for corpus in corpora}
    names = frozenset(codebook.values())
    labelled = {name: found for name, found in labels.items() if any(found.dialogues)}
    if not labelled:
        return Section(remarks=["No corpus carries topic labels, so nothing is said of topics (SMILE, Table 2)."])
    figures = []
    for name, found in labelled.items():
        for reading in Reading:
            spread = topic_spread(found.dialogues, names if reading is Reading.LIMITED else None)
            if reading is Reading.UNLIMITED:
                figures.append(labelled_figure(spread, corpus=name))
            figures += topic_figures(spread, corpus=name, remark=found.remark)
    comparisons = [
        topic_distance(
            labelled[pair.corpus.name].dialogues,
            labelled[pair.reference.name].dialogues,
            corpus=pair.corpus.name,
            reference_name=pair.reference.name,
            seed=resampling.seed,
        )
        for pair in pairs
        if pair.corpus.name in labelled and pair.reference.name in labelled
    ]
    return Section(
        metrics=[labelled_metric(), *(metric for reading in Reading for metric in topic_metrics(reading)), DISTANCE],
        figures=figures,
        comparisons=comparisons,
        rankings=[topic_ranking(found, corpus=name, top=SHOWN) for name, found in labelled.items()],
        remarks=[
            f"{corpus.name} carries no topic labels; its topics are in no figure."
            for corpus in corpora
            if corpus.name not in labelled
        ],
    )


def _named(labels: Labels, codebook: Mapping[str, str]) -> Labels:
    """The same labels under the codebook's own names, each once a dialogue."""
    named = tuple(tuple(dict.fromkeys(codebook.get(label, label) for label in each)) for each in labels.dialogues)
    return replace(labels, dialogues=named)
