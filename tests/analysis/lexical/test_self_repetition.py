from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.lexical.self_repetition import HOLDING, LINEARISED, REPEATING, self_repetition
from analysis.lexical.tokenizing import tokens_of
from analysis.resampling import bootstrap
from tests.analysis.lexical.making import Source, read, rows_of, tokens_from
from tests.analysis.making import dialogue

SAID = [
    dialogue("how are you today", "how are you today"),
    dialogue("so how are you today"),
    dialogue("! ! ! ! !"),
    dialogue("one two three"),
    dialogue("we will see how it goes"),
]


def test_a_phrase_counts_once_a_dialogue() -> None:
    found = self_repetition(tokens_of(SAID, "words"), np.arange(5), "mine")
    first = found.ranking.entries[0]
    assert (first.text, first.count, first.share) == ("how are you today", 2, 0.4)
    assert (found.ranking.name, found.ranking.corpus, found.ranking.n) == ("four_grams", "mine", 5)
    # Five places in the first dialogue, two in the second, none, none, three.
    assert found.dialogues["four_grams"].tolist() == [5, 2, 0, 0, 3]
    assert found.dialogues["shared_four_grams"].tolist() == [2, 1, 0, 0, 0]
    assert found.dialogues["holds_top_four_gram"].tolist() == [1, 1, 0, 0, 1]
    top = self_repetition(tokens_of(SAID, "words"), np.arange(5), "mine", top=1)
    assert top.dialogues["holds_top_four_gram"].tolist() == [1, 1, 0, 0, 0]


def test_chinese_phrases_stand_without_spaces_and_without_bare_punctuation() -> None:
    said = [dialogue("你最近睡得好吗？？？？？？"), dialogue("你最近睡得怎么样？？？？？")]
    found = self_repetition(tokens_of(said, "characters"), np.arange(2), "mine")
    assert [entry.text for entry in found.ranking.entries[:2]] == ["你最近睡", "最近睡得"]
    assert "？？？？" not in {entry.text for entry in found.ranking.entries}
    assert "吗？？？" in {entry.text for entry in found.ranking.entries}


def test_only_the_numbered_dialogues_count() -> None:
    found = self_repetition(tokens_of(SAID, "words"), np.array([4, 1]), "mine")
    assert {entry.count for entry in found.ranking.entries} == {1}
    assert found.dialogues["four_grams"].tolist() == [3, 2]


def test_a_sample_with_a_dialogue_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        self_repetition(tokens_of(SAID, "words"), np.array([1, 1]), "mine")


@pytest.mark.parametrize("rows", [[], [[]], [[1, 2, 3]], [[], [1], []]], ids=["none", "empty", "short", "nearly empty"])
def test_without_a_phrase_there_is_a_remark(rows: list[list[int]]) -> None:
    found = self_repetition(tokens_from(rows), np.arange(len(rows)), "mine")
    assert found.ranking.entries == ()
    assert found.ranking.remark == "No dialogue holds 4 tokens in a row with a word among them."
    assert len(found.dialogues) == len(rows)
    for ratio in (HOLDING, REPEATING):
        assert found.dialogues[ratio.numerator].sum() == 0


def test_identical_dialogues_repeat_each_other_wholly() -> None:
    found = self_repetition(tokens_from([[1, 2, 3, 4, 5]] * 6), np.arange(6), "mine")
    assert found.dialogues["shared_four_grams"].equals(found.dialogues["four_grams"])
    assert {entry.share for entry in found.ranking.entries} == {1.0}


def test_real_dialogues_are_counted_as_plain_sets_count_them(data: Path) -> None:
    tokens = tokens_of(read(data / "smilechat.jsonl.xz", 250), "jieba")
    found = self_repetition(tokens, np.arange(250), "synthetic")
    grams = [[tuple(row[at : at + 4]) for at in range(len(row) - 3)] for row in rows_of(tokens)]
    spoken = [[gram for gram in row if any(sign.isalnum() for sign in "".join(gram))] for row in grams]
    holders: dict[tuple[str, ...], int] = {}
    for row in spoken:
        for gram in set(row):
            holders[gram] = holders.get(gram, 0) + 1
    assert [entry.count for entry in found.ranking.entries] == sorted(holders.values(), reverse=True)[:20]
    assert found.dialogues["four_grams"].tolist() == [len(row) for row in spoken]
    assert found.dialogues["shared_four_grams"].tolist() == [sum(holders[gram] > 1 for gram in row) for row in spoken]


def test_what_others_owe_to_a_dialogue_is_what_they_lose_without_it() -> None:
    rows = Source(5, kinds=12).dialogues(25, mean=20)
    found = self_repetition(tokens_from(rows, 12), np.arange(25), "mine").dialogues
    assert found[LINEARISED].sum() == pytest.approx(found["shared_four_grams"].sum())
    lost = []
    for left_out in range(25):
        others = [row for place, row in enumerate(rows) if place != left_out]
        without = self_repetition(tokens_from(others, 12), np.arange(24), "mine").dialogues
        lost.append(found["shared_four_grams"].drop(left_out).sum() - without["shared_four_grams"].sum())
    owed = found[LINEARISED] - found["shared_four_grams"]
    assert np.ptp(lost) > 0
    assert (owed - owed.mean()).tolist() == pytest.approx((np.array(lost) - np.mean(lost)).tolist())


def test_the_interval_of_self_repetition_misses_its_expected_value_too_often() -> None:
    """Against the mean of 1,000 corpora of the same size; 300 intervals, aim 0.95."""
    source = Source(8, kinds=40)
    values, intervals = [], []
    for number in range(1_000):
        tokens = source.tokens(60, 25)
        frame = self_repetition(tokens, np.arange(60), "mine").dialogues
        values.append(frame["shared_four_grams"].sum() / frame["four_grams"].sum())
        if number < 300:
            intervals.append(bootstrap(frame, [REPEATING], corpus="mine", resamples=400, seed=number)[0].interval)
    truth = float(np.mean(values))
    held = [found.low <= truth <= found.high for found in intervals if found is not None]
    assert len(held) == 300
    assert 0.91 < np.mean(held) < 0.985
