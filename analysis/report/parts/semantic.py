"""Semantic diversity (SMILE, Figure 5) and language transformation (Figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.figures import Comparison, Distribution, Figure, Group, Metric
from analysis.ratios import DIALOGUES, Ratio
from analysis.report.parts.means import Resampling, measured
from analysis.report.parts.vectors import Embedded
from analysis.report.sections import Pair, Prepared, Section, joined
from analysis.semantic import cosine, extras, neighbours, transformation
from analysis.semantic.cosine_difference import compare_means
from analysis.semantic.embedder import embedded
from analysis.semantic.transformation import NO_POST, OWN_POST, RANDOM_POST, PostCosines

_LINE = Metric(
    key="cosine_own_post_line",
    name="Mean less three standard deviations",
    group=Group.TRANSFORMATION,
    unit="cosine",
    definition="Mean of the cosines with the own post, less three of their standard deviations: the line of SMILE's Figure 4.",
    source="SMILE (Qiu et al. 2024), Figure 4",
    caveat="The published line, 0.9312, is that of another embedder: compare it with none of these.",
)
_ABOVE = Metric(
    key="random_post_above_line",
    name="Random posts above the line",
    group=Group.TRANSFORMATION,
    unit="share of dialogues",
    definition=(
        "Dialogues whose cosine with a random post lies above the line of the arm itself, or, for a corpus made without "
        "posts, above that of the first arm that has one."
    ),
    source="this project's own, after SMILE §4.2",
)


def semantic(corpora: Sequence[Prepared], pairs: Sequence[Pair], found: Embedded, resampling: Resampling) -> Section:
    """Pairwise cosine of each corpus, its companions, and the comparisons of each pair."""
    figures: list[Figure] = []
    distributions: list[Distribution] = []
    comparisons: list[Comparison] = []
    counted = {corpus.name: int(np.count_nonzero(embedded(found.corpora[corpus.name]))) for corpus in corpora}
    many = extras.matched_size([size for size in counted.values() if size >= _LEAST_MATCHED])
    for prepared in corpora:
        name = prepared.name
        vectors = found.corpora[name]
        pairwise = cosine.pairwise(vectors, corpus=name, seed=resampling.seed)
        figures += pairwise.figures
        if pairwise.distribution is not None:
            distributions.append(pairwise.distribution)
        if many:
            figures.append(extras.vendi(vectors, corpus=name, size=many, seed=resampling.seed))
            figures.append(neighbours.share_with_close_neighbour(vectors, corpus=name, size=many, seed=resampling.seed))
    for pair in pairs:
        corpus, reference = pair.corpus.name, pair.reference.name
        one, other = found.corpora[corpus], found.corpora[reference]
        means = compare_means(one, other, corpus=corpus, reference=reference, seed=resampling.seed)
        comparisons.append(means)
        if pair.reference.input.human:
            beside = [each.corpus.name for each in pairs if each.reference is pair.reference]
            most = extras.mauve_size([counted[name] for name in (*beside, reference)])
            comparisons.append(
                extras.mauve(one, other, corpus=corpus, reference=reference, most=most, seed=resampling.seed)
            )
    metrics = [cosine.MEAN, cosine.MEDIAN, cosine.IDENTICAL, extras.MAUVE]
    if many:
        metrics += [extras.VENDI, neighbours.CLOSE_NEIGHBOUR]
    figures = _saying_what_was_cut(figures, corpora, found)
    return Section(metrics=metrics, figures=figures, comparisons=comparisons, distributions=distributions)


def _saying_what_was_cut(figures: Sequence[Figure], corpora: Sequence[Prepared], found: Embedded) -> list[Figure]:
    """Figures of corpora with dialogues longer than the embedder reads say so."""
    remarks = {
        corpus.name: f"{cut:,} of {len(corpus.dialogues):,} dialogues are longer than the embedder reads: "
        "of these it saw the beginning"
        for corpus in corpora
        if (cut := found.cut.get(corpus.name, 0))
    }
    return [
        replace(figure, remark="; ".join(filter(None, (figure.remark, remarks.get(figure.corpus)))))
        for figure in figures
    ]


_LEAST_MATCHED = 20  # embedded dialogues of a corpus that others are cut down to; half of them are drawn


def transformed(corpora: Sequence[Prepared], found: Embedded, resampling: Resampling) -> Section:
    """Cosines of dialogues with posts; nothing where there is no post to hold them against."""
    if not len(found.posts):
        return Section()
    held = [corpus for corpus in corpora if corpus.tokenizer == found.tokenizer_of_posts]
    own = {
        corpus.name: transformation.with_own_post(found.corpora[corpus.name], found.posts, found.post_of[corpus.name])
        for corpus in held
        if (found.post_of[corpus.name] != NO_POST).any()
    }
    random = {
        corpus.name: transformation.with_random_post(
            found.corpora[corpus.name], found.posts, found.post_of[corpus.name], seed=resampling.seed
        )
        for corpus in held
    }
    lines = {name: line for name, each in own.items() if (line := transformation.boundary(each.values)) is not None}
    first = next(iter(lines), None)
    figures = [
        Figure(corpus=name, metric=_LINE.key, value=line, n=len(own[name].values)) for name, line in lines.items()
    ]
    for corpus in held:
        if first is None:
            break
        whose = corpus.name if corpus.name in lines else first
        share = transformation.share_above(random[corpus.name].values, lines[whose])
        remark = "" if whose == corpus.name else f"Above the line of {whose}."
        n = len(random[corpus.name].values)
        figures.append(Figure(corpus=corpus.name, metric=_ABOVE.key, value=share, n=n, remark=remark))
    means = [
        _means([corpus for corpus in held if corpus.name in group], group, metric, resampling)
        for metric, group in ((OWN_POST, own), (RANDOM_POST, random))
    ]
    drawn = [transformation.distribution(each, corpus=name) for group in (own, random) for name, each in group.items()]
    extra = Section(
        metrics=[_LINE, _ABOVE] if lines else [],
        figures=figures,
        distributions=[each for each in drawn if each is not None],
    )
    section = joined([*means, extra])
    return replace(section, figures=_saying_what_was_cut(section.figures, corpora, found))


def _means(
    corpora: Sequence[Prepared], cosines: dict[str, PostCosines], metric: Metric, resampling: Resampling
) -> Section:
    frames = {name: pd.DataFrame({"cosine": np.asarray(each.values), DIALOGUES: 1}) for name, each in cosines.items()}
    return measured(corpora, frames, [Ratio(metric=metric, numerator="cosine")], resampling)
