from __future__ import annotations

import pytest

from analysis.report.compose import ReportSettings, compose
from analysis.report.inputs import CorpusInput
from analysis.report.model import Report
from tests.analysis.making import dialogue
from tests.analysis.report.composed import corpus, entry, of_posts, talk

POSTS = [f"p{number}" for number in range(12)]
ONE = of_posts("one", POSTS)
TWO = of_posts("two", POSTS, start=40)
PEOPLE = corpus("people", [entry(number, talk(number + 80, 3)) for number in range(12)], human=True)


def made(*corpora: CorpusInput, **settings: object) -> Report:
    return compose(corpora, ReportSettings(examples=2, **settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole() -> Report:
    return made(PEOPLE, ONE, TWO)


def test_people_stand_before_the_others(whole: Report) -> None:
    assert [each.name for each in whole.corpora] == ["one", "two", "people"]


def test_a_figure_has_no_metric_or_stands_twice(whole: Report) -> None:
    keys = [metric.key for metric in whole.metrics]
    assert len(set(keys)) == len(keys)
    assert {figure.metric for figure in whole.figures} <= set(keys)
    assert {found.metric for found in whole.comparisons} <= set(keys)
    told = [(figure.corpus, figure.metric) for figure in whole.figures]
    assert len(set(told)) == len(told)


def test_p_values_are_not_corrected_over_the_whole_page(whole: Report) -> None:
    tested = [found for found in whole.comparisons if found.p is not None]
    assert tested
    assert f"Holm over {len(tested)} comparisons" in str(whole.settings["correction"])
    least = min(tested, key=lambda found: found.p or 0)
    assert least.p is not None
    assert least.p_corrected == pytest.approx(min(1, least.p * len(tested)))


def test_every_corpus_lacks_some_metric_that_another_has(whole: Report) -> None:
    """Of those that need no post and are counted on whole corpora."""
    by_corpus = {
        name: {figure.metric for figure in whole.figures if figure.corpus == name and "own_post" not in figure.metric}
        for name in ("one", "two", "people")
    }
    assert by_corpus["one"] == by_corpus["two"]
    assert by_corpus["one"] - by_corpus["people"] <= {"random_post_above_line"}


def test_the_same_seed_gives_another_report(whole: Report) -> None:
    assert made(PEOPLE, ONE, TWO) == whole
    assert made(PEOPLE, ONE, TWO, seed=9).figures != whole.figures


def test_a_corpus_without_a_dialogue_has_figures_or_no_remark() -> None:
    found = made(ONE, corpus("empty", []))
    assert {figure.corpus for figure in found.figures} == {"one"}
    assert [each.remarks for each in found.corpora if each.name == "empty"] == [
        ("It holds no dialogue, so it has no figure.",)
    ]


def test_a_report_of_nothing_breaks() -> None:
    found = made(corpus("empty", []))
    assert (found.figures, found.comparisons, found.examples) == ((), (), ())
    assert all(answer.sentences for answer in found.answers)


def test_another_language_is_held_against_the_first() -> None:
    english = corpus("english", [entry(n, dialogue(f"I am tired of day {n}.", "Tell me more.")) for n in range(4)])
    found = made(ONE, english)
    assert found.comparisons == ()
    assert any("never held against each other" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("corpora", "settings", "words"),
    [((ONE, ONE), {}, "named alike"), ((ONE, TWO), {"baseline": "three"}, "'three' is no corpus")],
)
def test_a_wrong_name_passes(corpora: tuple[CorpusInput, ...], settings: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(*corpora, **settings)
