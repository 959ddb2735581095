from __future__ import annotations

from analysis.figures import Figure, Group, Metric
from analysis.report.sections import Pair, Section, joined, pairs_of
from tests.analysis.making import dialogue
from tests.analysis.report.composed import corpus, entry, of_posts, prepared

METRIC = Metric(key="k", name="K", group=Group.SIZE, unit="u", definition="d", source="s")


def names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.corpus.name, pair.reference.name) for pair in pairs]


CORPORA = [prepared(of_posts(name, ["a"], human=name.startswith("h"))) for name in ("one", "two", "three", "h1", "h2")]


def test_a_corpus_is_held_against_the_wrong_one() -> None:
    against_people = [(made, human) for made in ("one", "two", "three") for human in ("h1", "h2")]
    assert names(pairs_of(CORPORA, None)) == [*against_people, ("two", "one"), ("three", "one")]
    assert names(pairs_of(CORPORA, "two")) == [*against_people, ("one", "two"), ("three", "two")]


def test_people_are_held_against_people() -> None:
    assert pairs_of(CORPORA[3:], None) == []
    assert pairs_of([], None) == []


def test_two_languages_are_held_against_each_other() -> None:
    other = prepared(corpus("other", [entry(0, dialogue("I am tired.", "Tell me more."))]))
    assert names(pairs_of([CORPORA[0], other], None)) == []
    assert names(pairs_of([other, CORPORA[0], CORPORA[3]], None)) == [("one", "h1")]


def test_a_metric_comes_twice_or_a_figure_is_lost() -> None:
    figures = [Figure(corpus=name, metric="k", value=1.0, n=1) for name in ("a", "b")]
    whole = joined(
        [Section(metrics=[METRIC], figures=figures[:1]), Section(metrics=[METRIC], figures=figures[1:]), Section()]
    )
    assert (list(whole.metrics), list(whole.figures)) == ([METRIC], figures)
