"""Words that mark a corpus."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import pytest

from analysis.corpora import BrokenEntry, read_corpus
from analysis.words.clouds import Words, words_of
from analysis.words.distinctive import CAVEAT, PRIOR, distinctive, distinctive_ranking
from filters.dialogue import Dialogue
from tests.analysis.making import dialogue


def farm(*texts: str) -> Words:
    return words_of([dialogue("", text) for text in texts], language="en")


def test_z_differs_from_the_formula_by_hand() -> None:
    mine = farm(*["goat goat sheep"] * 10)  # 20 goat, 10 sheep
    theirs = farm(*["goat sheep sheep sheep"] * 10)  # 10 goat, 30 sheep
    (marker,) = distinctive(mine.counselor, theirs.counselor)
    # Both: 30 goat of 70 words, so the prior gives goat 1000 * 30 / 70.
    prior = PRIOR * 30 / 70
    mine_odds = (20 + prior) / (30 + PRIOR - 20 - prior)
    their_odds = (10 + prior) / (40 + PRIOR - 10 - prior)
    z = (math.log(mine_odds) - math.log(their_odds)) / math.sqrt(1 / (20 + prior) + 1 / (10 + prior))
    assert marker.word == "goat"
    assert marker.z == pytest.approx(z)
    assert (marker.count, marker.share, marker.reference_share) == (20, 20 / 30, 10 / 40)


def test_a_word_of_one_long_dialogue_marks_the_corpus() -> None:
    mine = farm("lamb " * 500, *["goat sheep"] * 9, *["cow"] * 4)
    theirs = farm(*["sheep"] * 20)
    assert [marker.word for marker in distinctive(mine.counselor, theirs.counselor)] == ["goat"]


def test_five_dialogues_of_a_large_corpus_are_enough() -> None:
    mine = farm(*["sheep"] * 994, *["goat sheep"] * 6)
    theirs = farm(*["sheep"] * 50)
    assert distinctive(mine.counselor, theirs.counselor) == ()


def test_a_word_as_common_there_as_here_marks_the_corpus() -> None:
    words = farm(*["goat sheep"] * 10)
    assert distinctive(words.counselor, words.counselor) == ()
    ranking = distinctive_ranking(words, words, corpus="a", reference_name="b")
    assert ranking.entries == ()
    assert ranking.remark.startswith("No word that 5 dialogues")


def test_the_ranking_lacks_its_caveat_or_its_own_shares() -> None:
    ranking = distinctive_ranking(
        farm(*["goat goat sheep"] * 10), farm(*["sheep"] * 30), corpus="a", reference_name="b"
    )
    assert ranking.name == "distinctive_counselor_words"
    assert [(one.text, one.count, one.share) for one in ranking.entries] == [("goat", 20, 20 / 30)]
    assert ranking.remark == CAVEAT


def test_corpora_of_two_languages_are_compared() -> None:
    english, chinese = farm(*["goat"] * 10), words_of([dialogue("", "山羊")] * 10, language="zh")
    ranking = distinctive_ranking(english, chinese, corpus="a", reference_name="b")
    assert ranking.entries == ()
    assert "different ways" in ranking.remark


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [([], []), ([], ["goat"] * 9), (["goat"] * 9, []), (["goat"] * 9, ["goat"] * 9), (["goat"] * 9, [""])],
    ids=["both empty", "nothing here", "nothing there", "one word alone", "silence there"],
)
def test_a_side_without_words_breaks_the_ranking(mine: list[str], theirs: list[str]) -> None:
    ranking = distinctive_ranking(farm(*mine), farm(*theirs), corpus="a", reference_name="b")
    assert ranking.entries == ()
    assert ranking.remark


def test_a_word_alone_on_one_side_breaks_the_odds() -> None:
    markers = distinctive(farm(*["goat"] * 9).counselor, farm(*["sheep"] * 9).counselor)
    assert [marker.word for marker in markers] == ["goat"]
    assert math.isfinite(markers[0].z)


def test_what_counselors_say_marks_no_corpus(data: Path) -> None:
    def read(name: str, count: int) -> list[Dialogue]:
        found = islice(read_corpus(data / name), count)
        return [one.dialogue for one in found if not isinstance(one, BrokenEntry)]

    made = words_of(read("smilechat.jsonl.xz", 400), language="zh")
    human = words_of(read("psy_insight_cn.json", 431), language="zh")
    # Synthetic counselors encourage; the human sessions are mostly cognitive therapy.
    assert {"支持", "尝试"} <= {marker.word for marker in distinctive(made.counselor, human.counselor, top=20)}
    assert {"思维", "信念"} <= {marker.word for marker in distinctive(human.counselor, made.counselor, top=20)}
