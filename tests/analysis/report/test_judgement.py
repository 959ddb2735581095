"""What judges said, as a section of a report: on corpora in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from analysis.agreement.by_label import by_label
from analysis.agreement.judgements import Criterion
from analysis.agreement.krippendorff import Distance, agreement
from analysis.agreement.pairwise import PairJudging, Winner
from analysis.report.parts.judgement import Compared, Scored, judgement, slug
from analysis.report.parts.means import Resampling
from analysis.report.sections import Prepared, Section, pairs_of
from tests.analysis.report.composed import corpus, entry, of_posts, prepared, talk

CRITERIA = (
    Criterion(key="warmth", name="warmth", low=0, high=2, definition="Whether it is warm."),
    Criterion(key="sense", name="sense", low=0, high=1, definition="Whether it makes sense."),
)
POSTS = [f"p{number}" for number in range(20)]
RESAMPLING = Resampling(seed=1, resamples=200, permutations=200)


def scored(name: str, scores: Sequence[tuple[int, int] | None], judge: str = "j", ids: Sequence[str] = ()) -> Scored:
    return Scored(
        corpus=name,
        rubric="mine",
        source="a test",
        criteria=CRITERIA,
        judge=judge,
        scores=[
            (ids[number] if ids else str(number), None if pair is None else {"warmth": pair[0], "sense": pair[1]})
            for number, pair in enumerate(scores)
        ],
    )


def section(corpora: list[Prepared], *judgements: Scored | Compared) -> Section:
    return judgement(corpora, pairs_of(corpora, None), judgements, RESAMPLING)


def value(found: Section, metric: str, name: str) -> float | None:
    (figure,) = [each for each in found.figures if (each.metric, each.corpus) == (metric, name)]
    return figure.value


def test_a_paired_difference_forgets_the_posts() -> None:
    """Each dialogue of b scores one point more than a's of the same post, whatever that is: no spread is left."""
    corpora = [prepared(of_posts("a", POSTS)), prepared(of_posts("b", list(reversed(POSTS))))]
    low = [(number % 2, 1) for number in range(20)]
    high = [((19 - number) % 2 + 1, 1) for number in range(20)]
    found = section(corpora, scored("a", low), scored("b", high))
    (held,) = [each for each in found.comparisons if each.metric == "mine_warmth"]
    assert (held.corpus, held.reference) == ("b", "a")
    assert held.difference == pytest.approx(1)
    assert held.interval is not None
    assert held.interval.low == held.interval.high == pytest.approx(1)
    assert held.n == 20


def test_dialogues_that_nobody_asked_about_count_as_unanswered() -> None:
    corpora = [prepared(of_posts("a", POSTS))]
    found = section(corpora, scored("a", [(2, 1), (1, 1), None, (0, 1)]))
    assert value(found, "mine_judged", "a") == pytest.approx(3 / 4)
    assert value(found, "mine_warmth", "a") == pytest.approx(1)
    assert list(found.remarks) == ["a: 4 of 20 dialogues were judged by mine; its scores are of those."]


def test_dialogues_with_one_id_get_one_score() -> None:
    corpora = [prepared(corpus("a", [entry(7, talk(1)), entry(7, talk(2)), entry(8, talk(3))]))]
    found = section(corpora, scored("a", [(2, 1), (0, 1), (2, 0)], ids=("7", "7", "8")))
    assert value(found, "mine_warmth", "a") == pytest.approx(4 / 3)


def test_a_corpus_without_judgement_or_of_another_judge_is_compared() -> None:
    corpora = [prepared(of_posts(name, POSTS)) for name in "abc"]
    scores: list[tuple[int, int] | None] = [(number % 3, 1) for number in range(20)]
    found = section(corpora, scored("a", scores), scored("b", scores, judge="k"))
    assert not found.comparisons
    assert {each.corpus for each in found.figures} == {"a", "b"}
    assert any("different judges (k; j)" in remark for remark in found.remarks)


def test_win_rates_of_the_two_sides_do_not_mirror() -> None:
    corpora = [prepared(of_posts(name, POSTS)) for name in "ab"]
    judgings = [
        PairJudging(pair=f"{number}", first=first, second=second, criterion="warmth", winner=winner)
        for number in range(8)
        for (first, second), winner in (
            (("a", "b"), Winner.FIRST),
            (("b", "a"), Winner.SECOND if number < 6 else Winner.FIRST),
        )
    ]
    given = Compared(
        corpus="a", against="b", rubric="Mine 2", criteria=("warmth",), paired_by="chance", judgings=judgings
    )
    found = section(corpora, given)
    assert value(found, "mine_2_warmth_win_rate", "a") == pytest.approx(7 / 8)
    assert value(found, "mine_2_warmth_win_rate", "b") == pytest.approx(1 / 8)
    assert value(found, "mine_2_warmth_first_place", "a") == pytest.approx(5 / 8)
    assert all("by chance" in each.remark for each in found.figures)
    assert all("by chance" in each.remark for each in found.comparisons)
    assert {(each.metric, each.difference) for each in found.comparisons} == {
        ("mine_2_warmth_win_rate", 0.75),
        ("mine_2_warmth_first_place", 0.25),
    }


@pytest.mark.parametrize(
    ("name", "key"), [("cehs", "cehs"), ("My Rubric-2", "my_rubric_2"), ("评分", "评分"), ("-", "rubric")]
)
def test_a_rubrics_name_is_no_key(name: str, key: str) -> None:
    assert slug(name) == key


def test_alpha_of_one_label_differs_from_that_of_yes_and_no() -> None:
    """The closed form against the general one, on three annotators who skip units."""
    said = ["ab", "a", "", None, "abc", "b", "c", "bc"]
    units = [(said[place % 8], said[(place * 3 + 1) % 8], said[(place * 5 + 2) % 8]) for place in range(40)]
    for each in by_label(units):
        yes = [tuple(None if one is None else one.count(each.label) * "y" for one in unit) for unit in units]
        assert each.alpha == pytest.approx(agreement(yes, Distance.NOMINAL).alpha)
