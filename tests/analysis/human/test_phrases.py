"""Stock phrases: clauses, the dialogues that hold them, and what sets a corpus apart from another."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from analysis.corpora import BrokenEntry, read_corpus
from analysis.figures import Ranked
from analysis.human.phrases import clause_ranking, clauses, distinctive_clauses, is_phrase, top_texts
from filters.dialogue import Dialogue, Role
from tests.analysis.making import dialogue


def said(*counselor: str) -> Dialogue:
    """A dialogue whose counselor says these, after an empty line of the client each."""
    return dialogue(*(text for line in counselor for text in ("", line)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，今天怎么样？ 还好。", ["你好", "今天怎么样", "还好"]),
        ("“慢慢来”——不着急……", ["慢慢来”——不着急"]),
        ("Well, I'm here; DON’T worry.", ["well", "i'm here", "don't worry"]),
        ("。。。，  ，", []),
        ("", []),
        ("\ud800，好", ["\ud800", "好"]),
    ],
)
def test_clauses_are_cut_at_punctuation_and_trimmed(text: str, expected: list[str]) -> None:
    assert clauses(text) == expected


@pytest.mark.parametrize(
    ("clause", "expected"),
    [("好的", False), ("你来了", False), ("我们慢慢来", True), ("i see", False), ("take your time", True), ("", False)],
)
def test_back_channels_are_no_phrases(clause: str, *, expected: bool) -> None:
    assert is_phrase(clause) is expected


def test_a_clause_counts_once_a_dialogue_and_only_the_counselor_s() -> None:
    listed = [
        said("今天先到这里，今天先到这里。"),
        said("今天先到这里。", "我们慢慢来吧。"),
        said("我们慢慢来吧。今天先到这里。"),
        dialogue("今天先到这里。", "嗯。"),
        dialogue("今天先到这里。"),
    ]
    ranking = clause_ranking("x", listed)
    assert ranking.n == 4
    assert ranking.entries == (Ranked("今天先到这里", 3, 0.75), Ranked("我们慢慢来吧", 2, 0.5))


def test_ties_stand_in_the_order_of_their_characters_and_k_limits() -> None:
    listed = [said("丙丙丙丙，甲甲甲甲，乙乙乙乙")] * 2
    expected = sorted(["丙丙丙丙", "甲甲甲甲", "乙乙乙乙"])
    assert [ranked.text for ranked in clause_ranking("x", listed, k=2).entries] == expected[:2]


@pytest.mark.parametrize(
    ("listed", "n", "remark"),
    [
        ([], 0, "There is nothing to rank."),
        ([dialogue("在吗？")], 0, "There is nothing to rank."),
        ([said("只有这一次说过")], 1, "No two dialogues have one in common."),
        ([said(""), said("。")], 2, "No two dialogues have one in common."),
        ([said("累" * 100_000), said("累" * 100_000)], 2, "No two dialogues have one in common."),
    ],
    ids=["no dialogue", "client alone", "one dialogue", "empty", "overlong"],
)
def test_where_nothing_repeats_the_ranking_is_empty_and_says_so(listed: list[Dialogue], n: int, remark: str) -> None:
    ranking = clause_ranking("x", listed)
    assert (ranking.n, ranking.entries, ranking.remark) == (n, (), remark)


def test_distinctive_clauses_are_ranked_by_the_difference_of_shares() -> None:
    corpus = [said("人人都这样说，这里常这样说")] * 3 + [said("人人都这样说")]
    reference = [said("人人都这样说")] * 2 + [said("别的什么话吧")] * 2
    ranking = distinctive_clauses("x", corpus, "people", reference)
    assert ranking.entries == (Ranked("这里常这样说", 3, 0.75), Ranked("人人都这样说", 4, 0.5))
    assert ranking.unit == "dialogues, less the share in people"


def test_a_clause_that_the_reference_says_as_often_is_not_distinctive() -> None:
    listed = [said("人人都这样说")] * 2
    assert distinctive_clauses("x", listed, "people", listed).entries == ()


@pytest.mark.parametrize(
    ("corpus", "reference"), [([], []), ([said("说过的话呀")] * 2, []), ([], [said("说过的话呀")] * 2)]
)
def test_without_one_side_nothing_is_distinctive(corpus: list[Dialogue], reference: list[Dialogue]) -> None:
    ranking = distinctive_clauses("x", corpus, "people", reference)
    assert ranking.entries == ()
    assert ranking.remark


def test_texts_that_occur_once_are_not_ranked() -> None:
    ranking = top_texts("x", "openings", "Openings", "dialogues", ["你好", "你好", "嗯"], 5)
    assert ranking.entries == (Ranked("你好", 2, 2 / 3),)


def test_hashed_counts_are_those_of_a_plain_counter(data: Path) -> None:
    read = (one for one in read_corpus(data / "smilechat.jsonl.xz") if not isinstance(one, BrokenEntry))
    listed = [one.dialogue for one in islice(read, 500)]
    plain: Counter[str] = Counter()
    for one in listed:
        plain.update(
            {
                clause
                for role, text in one.utterances
                if role is Role.COUNSELOR
                for clause in clauses(text)
                if is_phrase(clause) and len(clause) <= 60
            }
        )
    expected = sorted(plain.items(), key=lambda item: (-item[1], item[0]))[:15]
    assert [(ranked.text, ranked.count) for ranked in clause_ranking("x", listed).entries] == expected
