"""Corpus statistics (SMILE, Tables 3 and 6) and how lengths are spread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    "sentences": (
        "Sentences (SMILE, Table 3: utterances)",
        "sentences",
        "Pieces between 。！？ in Chinese, sentences in English; SMILE's Table 3 calls them utterances.",
    ),
    "characters": ("Characters", "code points", "Length of all utterances, punctuation and spaces included."),
}
_ROLES = {"": "", "client_": ", client", "counselor_": ", counselor"}
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
        metrics=[*(metric for _, metric in _counted()), *means.metrics],
        figures=[
            *(figure for corpus in corpora for figure in _counts(corpus.name, frames[corpus.name])),
            *means.figures,
        ],
        comparisons=compared(pairs, frames, _RATIOS, resampling),
        distributions=_distributions(corpora, frames),
    )


def _counted() -> Iterator[tuple[str, Metric]]:
    """The frame's columns that are summed, with their metrics."""
    for column, (name, unit, definition) in _COUNTS.items():
        for role, who in _ROLES.items():
            if role and column == "dialogues":
                continue
            yield (
                f"{role}{column}",
                Metric(
                    key=f"total_{role}{column}",
                    name=f"{name}{who}",
                    group=Group.SIZE,
                    unit=unit,
                    definition=definition,
                    source=_TABLE_3,
                ),
            )


def _counts(corpus: str, frame: pd.DataFrame) -> list[Figure]:
    return [
        Figure(corpus=corpus, metric=metric.key, value=float(frame[column].sum()), n=len(frame))
        for column, metric in _counted()
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
