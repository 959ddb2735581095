"""The first screen in words: is it diverse, is it human, where is the gap. Sentences are made from figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.corrections import SIGNIFICANCE
from analysis.effects import in_words
from analysis.figures import Comparison, Figure, Group, Metric
from analysis.report.model import Answer, Corpus
from analysis.report.wording import interval, number

MOST_NAMED = 3
"""Gaps named for each corpus: what a reader keeps in mind."""
NOTICEABLE = 0.2
"""Standardised differences below are small by Cohen (1988), whatever their p value."""
_DIVERSE = ("distinct_2_jieba_matched", "distinct_2_words_matched", "pairwise_cosine_mean", "stock_phrase_dialogues")


def answers(
    corpora: Sequence[Corpus],
    metrics: Sequence[Metric],
    figures: Sequence[Figure],
    comparisons: Sequence[Comparison],
) -> tuple[Answer, ...]:
    """Three questions. Where there is nothing to hold a corpus against, the answer says what is missing."""
    by_key = {metric.key: metric for metric in metrics}
    values = {(figure.corpus, figure.metric): figure for figure in figures}
    human = [corpus.name for corpus in corpora if corpus.human]
    made = [corpus.name for corpus in corpora if not corpus.human]
    return (
        Answer(question="Is it diverse?", sentences=tuple(_diverse(made, human, by_key, values))),
        Answer(question="Is it human?", sentences=tuple(_human(made, human, by_key, comparisons))),
        Answer(question="Where is the gap?", sentences=tuple(_gaps(made, human, by_key, values, comparisons))),
    )


Values = Mapping[tuple[str, str], Figure]


def _diverse(made: Sequence[str], human: Sequence[str], metrics: Mapping[str, Metric], values: Values) -> Iterator[str]:
    said = False
    for key in _DIVERSE:
        if key not in metrics:
            continue
        shown = [
            f"{name} {_value(values[name, key], metrics[key].unit)}"
            for name in (*made, *human)
            if _has(values, name, key)
        ]
        if shown:
            said = True
            yield f"{_DIVERSE_WORDS[key]}: {', '.join(shown)}."
    if not said:
        yield "There is too little text to say."


_DIVERSE_WORDS = {
    "distinct_2_jieba_matched": "Different word pairs of all, at the same amount of text (distinct-2; more is more diverse)",
    "distinct_2_words_matched": "Different word pairs of all, at the same amount of text (distinct-2, English; more is more diverse)",
    "pairwise_cosine_mean": "Mean likeness of two dialogues (cosine; less is more diverse)",
    "stock_phrase_dialogues": "Dialogues that hold one of the 20 most frequent four-word phrases (less is more diverse)",
}


def _has(values: Values, corpus: str, key: str) -> bool:
    return (corpus, key) in values and values[corpus, key].value is not None


def _value(figure: Figure, unit: str) -> str:
    between = interval(figure.interval, unit)
    return f"{number(figure.value, unit)}{f' ({between})' if between else ''}"


def _human(
    made: Sequence[str], human: Sequence[str], metrics: Mapping[str, Metric], comparisons: Sequence[Comparison]
) -> Iterator[str]:
    if not human:
        yield "No human corpus was given, so nothing can be said of it: name one with --human."
        return
    for corpus, reference in ((corpus, reference) for corpus in made for reference in human):
        held = [found for found in _of(comparisons, corpus, reference, metrics) if found.effect is not None]
        if not held:
            continue
        apart = [found for found in held if _real(found)]
        yield (
            f"Of {len(held)} measures of how people talk, {corpus} differs from {reference} on {len(apart)} by more than a "
            "small amount and more than chance explains."
        )


def _gaps(
    made: Sequence[str],
    human: Sequence[str],
    metrics: Mapping[str, Metric],
    values: Values,
    comparisons: Sequence[Comparison],
) -> Iterator[str]:
    if not human:
        yield "Without human sessions to compare with, no gap can be named."
        return
    said = False
    for corpus, reference in ((corpus, reference) for corpus in made for reference in human):
        apart = [found for found in _of(comparisons, corpus, reference, metrics) if _real(found)]
        apart.sort(key=lambda found: -abs(found.effect or 0.0))
        for found in apart[:MOST_NAMED]:
            said = True
            metric = metrics[found.metric]
            one, other = (number(values[name, metric.key].value, metric.unit) for name in (corpus, reference))
            size = in_words(found.effect or 0.0)
            yield f"{metric.name}: {one} in {corpus}, {other} in {reference} ({size} difference)."
    if not said:
        yield "No difference is larger than small and more than chance explains."


def _of(
    comparisons: Sequence[Comparison], corpus: str, reference: str, metrics: Mapping[str, Metric]
) -> list[Comparison]:
    return [
        found
        for found in comparisons
        if found.corpus == corpus
        and found.reference == reference
        and metrics[found.metric].group is Group.HUMAN
        and found.difference is not None
    ]


def _real(found: Comparison) -> bool:
    return (
        found.effect is not None
        and abs(found.effect) >= NOTICEABLE
        and found.p_corrected is not None
        and found.p_corrected < SIGNIFICANCE
    )
