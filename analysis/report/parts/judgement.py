"""What a judge said of dialogues: mean scores by a rubric, and who wins where two corpora are held side by side."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.agreement.judgements import Criterion, Judging, score_frame, score_ratios
from analysis.agreement.pairwise import Duel, PairJudging, duel, duel_metrics
from analysis.figures import Comparison, Figure, Group, Metric
from analysis.report.parts.means import Resampling, compared, measured
from analysis.report.sections import Pair, Prepared, Section, joined

CHANCE = "chance"
"""How dialogues were paired that have nothing in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A corpus whose dialogues a judge gave scores."""

    corpus: str
    rubric: str
    """Its name in keys, such as `cehs`."""
    source: str
    criteria: tuple[Criterion, ...]
    judge: str
    """Who judged, and how it was asked: only scores of one judge are held against each other."""
    scores: Sequence[tuple[str, Judging | None]]
    """A dialogue's id and what it got, in the corpus's order; None where no answer could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two corpora whose dialogues a judge held against each other, pair by pair."""

    corpus: str
    against: str
    rubric: str
    criteria: tuple[str, ...]
    paired_by: str
    """`post`, `question` or `chance`."""
    judgings: Sequence[PairJudging]
    """`first` and `second` are the names of the two corpora."""
    remark: str = ""


def judgement(
    corpora: Sequence[Prepared],
    pairs: Sequence[Pair],
    judgements: Sequence[Scored | Compared],
    resampling: Resampling,
) -> Section:
    """Scores as means over the dialogues that were asked about, duels as shares of pairs. No corpus is scored twice by
    one rubric.
    """
    rubrics: defaultdict[str, list[Scored]] = defaultdict(list)
    for one in judgements:
        if isinstance(one, Scored):
            rubrics[one.rubric].append(one)
    duels = [one for one in judgements if isinstance(one, Compared)]
    return joined(
        [
            *(_scores(corpora, pairs, given, resampling) for given in rubrics.values()),
            *(_duels(one, resampling, number if len(duels) > 1 else None) for number, one in enumerate(duels, 1)),
        ]
    )


def _scores(
    corpora: Sequence[Prepared], pairs: Sequence[Pair], given: Sequence[Scored], resampling: Resampling
) -> Section:
    by_corpus = {one.corpus: one for one in given}
    asked: dict[str, Prepared] = {}
    frames: dict[str, pd.DataFrame] = {}
    for corpus in corpora:
        if corpus.name in by_corpus:
            asked[corpus.name], judgings = _asked(corpus, by_corpus[corpus.name])
            frames[corpus.name] = score_frame(judgings, given[0].criteria)
    ratios = score_ratios(
        given[0].criteria, rubric=slug(given[0].rubric), source=given[0].source, group=Group.JUDGEMENT
    )
    remarks = [
        f"{corpus.name}: {len(asked[corpus.name].dialogues):,} of {len(corpus.dialogues):,} dialogues were judged by "
        f"{given[0].rubric}; its scores are of those."
        for corpus in corpora
        if corpus.name in asked and len(asked[corpus.name].dialogues) < len(corpus.dialogues)
    ]
    held = []
    for pair in pairs:
        one, other = by_corpus.get(pair.corpus.name), by_corpus.get(pair.reference.name)
        if one is None or other is None:
            continue
        if one.judge == other.judge:
            held.append(Pair(corpus=asked[one.corpus], reference=asked[other.corpus]))
        else:
            remarks.append(
                f"{one.corpus} and {other.corpus} were judged by {one.rubric} by different judges ({one.judge}; "
                f"{other.judge}): their scores are not held against each other."
            )
    means = measured(list(asked.values()), frames, ratios, resampling)
    # The share that was judged is no quality of a corpus, and each needless test makes the others weaker.
    return replace(means, comparisons=compared(held, frames, ratios[1:], resampling), remarks=remarks)


def _asked(corpus: Prepared, given: Scored) -> tuple[Prepared, list[list[Judging]]]:
    """The part of the corpus that the judge was asked about, and its judgings, a list a dialogue."""
    waiting: defaultdict[str, deque[Judging | None]] = defaultdict(deque)
    for name, scores in given.scores:
        waiting[name].append(scores)
    entries, judgings = [], []
    for entry in corpus.input.entries:
        if waiting.get(entry.id):
            entries.append(entry)
            scores = waiting[entry.id].popleft()
            judgings.append([] if scores is None else [scores])
    part = replace(corpus.input, entries=entries)
    return replace(corpus, input=part, dialogues=part.dialogues), judgings


def _duels(given: Compared, resampling: Resampling, number: int | None) -> Section:
    """All criteria of one comparison; `number` tells it apart where the report has several."""
    metrics: list[Metric] = []
    figures: list[Figure] = []
    comparisons: list[Comparison] = []
    for criterion in given.criteria:
        ours, theirs = (
            duel(
                given.judgings,
                arm=arm,
                reference=reference,
                criterion=criterion,
                group=Group.JUDGEMENT,
                seed=resampling.seed,
            )
            for arm, reference in ((given.corpus, given.against), (given.against, given.corpus))
        )
        own = duel_metrics(criterion, Group.JUDGEMENT)
        keys = {metric.key: _key(given.rubric, metric.key, number) for metric in own}
        # Two comparisons of one report are two metrics: a corpus has one win rate against each other corpus.
        title = "" if number is None else f": {given.corpus} against {given.against}"
        metrics += [replace(metric, key=keys[metric.key], name=metric.name + title) for metric in own]
        for figure, other in (
            (ours.wins, given.against),
            (theirs.wins, given.corpus),
            *((figure, given.against) for figure in (ours.ties, ours.first_place, ours.consistency)),
        ):
            remark = f"Against {other}. {_remark(given, ours)} {figure.remark}".strip()
            figures.append(replace(figure, metric=keys[figure.metric], remark=remark))
        comparisons += [
            replace(found, metric=keys[found.metric], remark=f"{_remark(given, ours)} {found.remark}".strip())
            for found in (ours.comparison, ours.position)
        ]
    return Section(
        metrics=metrics, figures=figures, comparisons=comparisons, remarks=[given.remark] if given.remark else []
    )


def _remark(given: Compared, found: Duel) -> str:
    paired = (
        "Paired by chance: this compares corpora, not what became of one post."
        if given.paired_by == CHANCE
        else f"Pairs of one {given.paired_by}."
    )
    unread = f" {found.unread} answers could not be read." if found.unread else ""
    return f"{found.pairs} pairs, {found.both_orders} of them judged in both orders. {paired}{unread}"


def _key(rubric: str, key: str, number: int | None) -> str:
    return f"{slug(rubric)}_{key}" + ("" if number is None else f"_{number}")


def slug(name: str) -> str:
    """The name in a metric's key: lower case, underscores."""
    return re.sub(r"\W+", "_", name.casefold()).strip("_") or "rubric"


def criteria_of(judgings: Sequence[Mapping[str, object] | None]) -> tuple[str, ...]:
    """The keys that answers hold, in the order they are met."""
    return tuple(dict.fromkeys(key for one in judgings if one is not None for key in one))
