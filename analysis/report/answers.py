"""The first screen in words: is it diverse, is it human, where is the gap. Sentences are made from figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analysis.corrections import SIGNIFICANCE
from analysis.effects import in_words
from analysis.figures import Comparison, Figure, Group, Metric
from analysis.report.model import Answer, Corpus
from analysis.report.wording import interval, number

MOST_NAMED = 3
"""Gaps named for each corpus: what a reader keeps in mind."""
NOTICEABLE = 0.2
"""Standardised differences below are small by Cohen (1988), whatever their p value."""


class _Sign(NamedTuple):
    """A metric of diversity, how a sentence says it, and whether more of it is more diverse."""

    metric: str
    words: str
    more: bool


_SIGNS = (
    _Sign(
        "distinct_2_jieba_matched", "distinct word pairs among all, at the same amount of text (distinct-2)", more=True
    ),
    _Sign(
        "distinct_2_words_matched", "distinct word pairs among all, at the same amount of text (distinct-2)", more=True
    ),
    _Sign("pairwise_cosine_mean", "mean likeness of two dialogues (cosine)", more=False),
    _Sign("stock_phrase_dialogues", "dialogues with one of the 20 most frequent four-word phrases", more=False),
)


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
        Answer(question="Is it diverse?", sentences=tuple(_diverse(made, human, by_key, values, comparisons))),
        Answer(question="Is it human?", sentences=tuple(_human(made, human, by_key, comparisons))),
        Answer(question="Where is the gap?", sentences=tuple(_gaps(made, human, by_key, values, comparisons))),
    )


Values = Mapping[tuple[str, str], Figure]


def _diverse(
    made: Sequence[str],
    human: Sequence[str],
    metrics: Mapping[str, Metric],
    values: Values,
    comparisons: Sequence[Comparison],
) -> Iterator[str]:
    held = [(corpus, reference) for corpus in made for reference in human]
    held += [(corpus, reference) for place, corpus in enumerate(made) for reference in made[:place]]
    said = False
    for corpus, reference in held:
        found = {each.metric: each for each in comparisons if (each.corpus, each.reference) == (corpus, reference)}
        signs = [sign for sign in _SIGNS if sign.metric in found and found[sign.metric].difference is not None]
        if signs:
            said = True
            verdict = _verdict([(sign, found[sign.metric]) for sign in signs])
            shown = [
                f"{sign.words}: {_value(values[corpus, sign.metric], metrics[sign.metric].unit)}"
                f" against {_value(values[reference, sign.metric], metrics[sign.metric].unit)}"
                for sign in signs
            ]
            yield f"{corpus} {verdict} {reference}: {'; '.join(shown)}."
    if not said:
        for sign in _SIGNS:
            having = [name for name in (*made, *human) if _has(values, name, sign.metric)]
            if having:
                said = True
                unit = metrics[sign.metric].unit
                listed = ", ".join(f"{name} {_value(values[name, sign.metric], unit)}" for name in having)
                yield f"{sign.words[0].upper()}{sign.words[1:]}: {listed}."
    if not said:
        yield "There is too little text to say."


def _verdict(signs: Sequence[tuple[_Sign, Comparison]]) -> str:
    """What the differences that hold after correction say together."""
    holding = [
        (found.difference or 0.0) > 0 if sign.more else (found.difference or 0.0) < 0
        for sign, found in signs
        if found.p_corrected is not None and found.p_corrected < SIGNIFICANCE
    ]
    if not holding:
        return "cannot be told apart in diversity from"
    if all(holding):
        return "is more diverse than"
    return "is in part more, in part less diverse than" if any(holding) else "is less diverse than"


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
