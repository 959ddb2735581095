"""Corpus statistics (SMILE, Tables 3 and 6) and how lengths are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.corpus_statistics import RATIOS, statistics_frame
from analysis.figures import Distribution, Figure, Group, Metric
from analysis.ratios import Ratio
from analysis.report.parts.means import Resampling, compared, measured
from analysis.report.sections import Pair, Prepared, Section
from analysis.simple_distribution import distribution, shared_edges

_TABLE_3 = "SMILE (Qiu et al. 2024), Tables 3 and 6"
_COUNTS: Mapping[str, tuple[str, str, str]] = {
    "dialogues": ("Dialogues", "dialogues", "Dialogues that could be read."),
    "utterances": ("Utterances", "utterances", "Messages of one speaker; what SMILE's Table 6 counts."),
    "sentences": ("Sentences", "sentences", "What SMILE's Table 3 calls utterances: pieces between 。！？ in Chinese."),
    "characters": ("Characters", "code points", "Length of all utterances, punctuation and spaces included."),
}
_SPREADS = {"turns_per_dialogue": "turns", "characters_per_dialogue": "characters"}
_CHARACTERS = Ratio(
    metric=Metric(
        key="characters_per_dialogue",
        name="Characters per dialogue",
        group=Group.SIZE,
        unit="code points a dialogue",
        definition="Code points of all utterances of a dialogue, punctuation and spaces included; mean over dialogues.",
        source=_TABLE_3,
    ),
    numerator="characters",
)
_RATIOS = (*RATIOS, _CHARACTERS)


def size(corpora: Sequence[Prepared], pairs: Sequence[Pair], resampling: Resampling) -> Section:
    """Totals, means with intervals, and the distributions of turns and lengths."""
    frames = {corpus.name: statistics_frame(corpus.dialogues) for corpus in corpora}
    means = measured(corpora, frames, _RATIOS, resampling)
    return Section(
        metrics=[*_count_metrics(), *means.metrics],
        figures=[
            *(figure for corpus in corpora for figure in _counts(corpus.name, frames[corpus.name])),
            *means.figures,
        ],
        comparisons=compared(pairs, frames, _RATIOS, resampling),
        distributions=_distributions(corpora, frames),
    )


def _count_metrics() -> list[Metric]:
    return [
        Metric(key=f"total_{key}", name=name, group=Group.SIZE, unit=unit, definition=definition, source=_TABLE_3)
        for key, (name, unit, definition) in _COUNTS.items()
    ]


def _counts(corpus: str, frame: pd.DataFrame) -> list[Figure]:
    return [
        Figure(corpus=corpus, metric=f"total_{key}", value=float(frame[key].sum()), n=len(frame)) for key in _COUNTS
    ]


def _distributions(corpora: Sequence[Prepared], frames: Mapping[str, pd.DataFrame]) -> list[Distribution]:
    found: list[Distribution] = []
    for metric, column in _SPREADS.items():
        edges = shared_edges([frames[corpus.name][column] for corpus in corpora])
        drawn = (
            distribution(frames[corpus.name][column], corpus=corpus.name, metric=metric, unit="dialogues", edges=edges)
            for corpus in corpora
        )
        found += [each for each in drawn if each is not None]
    return found
