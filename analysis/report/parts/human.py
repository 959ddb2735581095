"""The human gap: what counselors and clients do in their utterances, how alike dialogues begin and end, labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from analysis.figures import Ranking
from analysis.human.cues import agreement, held_out
from analysis.human.gap import RATIOS, gap_frame
from analysis.human.labels import label_rankings
from analysis.human.openings import METRICS, SAMPLE, opening_figures, opening_rankings
from analysis.human.phrases import clause_ranking, distinctive_clauses
from analysis.report.inputs import FEW_DIALOGUES
from analysis.report.parts.means import Resampling, compared, measured
from analysis.report.sections import Pair, Prepared, Section


def human(corpora: Sequence[Prepared], pairs: Sequence[Pair], resampling: Resampling) -> Section:
    """Ratios with comparisons, openings and closings, phrases that are over-used, labels where a corpus has them."""
    frames = {corpus.name: gap_frame(corpus.dialogues) for corpus in corpora}
    means = measured(corpora, frames, RATIOS, resampling)
    # Near copies are found more often among more dialogues, so the smallest corpus that says anything sets their number.
    sample = min([SAMPLE, *(size for corpus in corpora if (size := len(corpus.dialogues)) >= FEW_DIALOGUES)])
    openings = list(
        chain.from_iterable(
            opening_figures(corpus.name, corpus.dialogues, sample=sample, seed=resampling.seed) for corpus in corpora
        )
    )
    remarks = [
        f"How far cues agree with the strategy labels of {corpus.name}, on the half they were not written from: {words}."
        for corpus in corpora
        if (words := _agreement(corpus))
    ]
    return Section(
        metrics=[*means.metrics, *METRICS],
        figures=[*means.figures, *openings],
        comparisons=compared(pairs, frames, RATIOS, resampling),
        rankings=_rankings(corpora, pairs),
        remarks=remarks,
    )


def _rankings(corpora: Sequence[Prepared], pairs: Sequence[Pair]) -> list[Ranking]:
    found: list[Ranking] = []
    for corpus in corpora:
        found.append(clause_ranking(corpus.name, corpus.dialogues))
        found += opening_rankings(corpus.name, corpus.dialogues)
        found += label_rankings(corpus.name, corpus.input.entries)
    found += [
        distinctive_clauses(pair.corpus.name, pair.corpus.dialogues, pair.reference.name, pair.reference.dialogues)
        for pair in pairs
        if pair.reference.input.human
    ]
    return found


def _agreement(corpus: Prepared) -> str:
    return "; ".join(found.in_words() for found in agreement(held_out(corpus.input.entries)))
