"""The first screen in words: is it diverse, is it human, where is the gap. Sentences are made from figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from analysis.corrections import SIGNIFICANCE
from analysis.effects import in_words
from analysis.figures import Comparison, Figure, Group, Metric
from analysis.report.model import Answer, Corpus
from analysis.report.wording import listed, number

MOST_NAMED = 4
"""Gaps named: what a reader keeps in mind."""
NOTICEABLE = 0.2
"""Standardised differences below are small by Cohen (1988), whatever their p value."""


class _Sign(NamedTuple):
    """A metric of diversity, how a sentence says it, and whether more of it is more diverse."""

    metric: str
    words: str
    more: bool


_SIGNS = (
    _Sign(
        "distinct_2_jieba_matched",
        "Distinct word pairs among all, at the same amount of text (distinct-2; more is more diverse)",
        more=True,
    ),
    _Sign(
        "distinct_2_words_matched",
        "Distinct word pairs among all, at the same amount of text (distinct-2; more is more diverse)",
        more=True,
    ),
    _Sign("pairwise_cosine_mean", "Mean likeness of two dialogues (cosine; less is more diverse)", more=False),
    _Sign(
        "self_repetition",
        "Four-word phrases that another dialogue holds too (self-repetition; less is more diverse)",
        more=False,
    ),
)


_NOT_HELD = "No corpus could be held against a human one: they are in different languages, or too small."
_ONLY_HUMAN = "Only human sessions were given: there is nothing to hold against them."


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
    for corpus in made:
        verdicts: dict[str, list[str]] = {}
        for reference in (*human, *made):
            found = {each.metric: each for each in comparisons if (each.corpus, each.reference) == (corpus, reference)}
            signs = [(sign, found[sign.metric]) for sign in _SIGNS if sign.metric in found]
            if any(each.p_corrected is not None for _, each in signs):  # what was not tested was not found alike
                verdicts.setdefault(_verdict(signs), []).append(reference)
        if verdicts:
            yield f"{corpus} {'; '.join(f'{verdict} {listed(names)}' for verdict, names in verdicts.items())}."
    said = False
    for sign in _SIGNS:
        shown = [name for name in (*made, *human) if _has(values, name, sign.metric)]
        if shown:
            said = True
            unit = metrics[sign.metric].unit
            yield f"{sign.words}: {', '.join(f'{name} {number(values[name, sign.metric].value, unit)}' for name in shown)}."
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


def _human(
    made: Sequence[str], human: Sequence[str], metrics: Mapping[str, Metric], comparisons: Sequence[Comparison]
) -> Iterator[str]:
    if not human:
        yield "No human corpus was given, so nothing can be said of it: name one with --human."
        return
    said = False
    for reference in human:
        parts = []
        for corpus in made:
            held = [found for found in _of(comparisons, corpus, reference, metrics) if found.effect is not None]
            if held:
                parts.append(f"{corpus} on {sum(map(_real, held))} of {len(held)}")
        if parts:
            said = True
            yield (
                "Measures of how people talk on which a corpus differs from "
                f"{reference} by more than a small amount and more than chance explains: {', '.join(parts)}."
            )
    if not said:
        yield _NOT_HELD if made else _ONLY_HUMAN


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
    if not any(_of(comparisons, corpus, reference, metrics) for corpus in made for reference in human):
        yield _NOT_HELD if made else _ONLY_HUMAN
        return
    said = tested = False
    for reference in human:
        widest: dict[str, float] = {}
        held = {corpus: _of(comparisons, corpus, reference, metrics) for corpus in made}
        tested = tested or any(found.p is not None for found in chain.from_iterable(held.values()))
        for found in filter(_real, chain.from_iterable(held.values())):
            widest[found.metric] = max(widest.get(found.metric, 0.0), abs(found.effect or 0.0))
        for key in sorted(widest, key=lambda key: -widest[key])[:MOST_NAMED]:
            said = True
            metric = metrics[key]
            names = [*(corpus for corpus in made if held[corpus]), reference]
            shown = [
                f"{number(values[name, key].value, metric.unit)} in {name}" for name in names if _has(values, name, key)
            ]
            yield f"{metric.name}: {listed(shown)} ({in_words(widest[key])} difference)."
    if not said and tested:
        yield "No difference is larger than small and more than chance explains."
    elif not said:
        yield "No difference could be tested: there are too few dialogues to tell one from chance."


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
