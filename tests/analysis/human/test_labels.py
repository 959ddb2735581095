"""Labels that a corpus carries, in the shapes that corpora give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.corpora import BrokenEntry, read_corpus
from analysis.figures import Ranked
from analysis.human.labels import emotions, label_rankings, strategies
from tests.analysis.making import dialogue, entry

SAID = dialogue("睡不着。", "多久了？", "两周。", "辛苦了。")


@pytest.mark.parametrize(
    "given",
    [
        [
            {"strategy": ["Question"]},
            {"strategy": "Question"},
            {"strategy": ("Question",)},
            {"strategy": [" Question "]},
        ],
        ({"strategy": ["Question", "", None, 3]},) * 4,
    ],
    ids=["lists, texts and white space", "a tuple, with values that are no labels"],
)
def test_labels_are_read_from_any_shape(given: object) -> None:
    assert strategies(entry("a", SAID, utterances=given)) == [("Question",)] * 4


@pytest.mark.parametrize(
    "given", [None, [], [{}] * 3, "四个字啊", [1, 2, 3, 4], [{"strategy": None}] * 4, [{"strategy": {"a": 1}}] * 4]
)
def test_labels_that_are_absent_or_out_of_step_are_none(given: object) -> None:
    assert strategies(entry("a", SAID, utterances=given)) == [()] * 4
    assert label_rankings("x", [entry("a", SAID, utterances=given)]) == []


def test_emotions_are_found_under_either_key() -> None:
    given = [{"emotional label": ["Fear"]}, {}, {"emotion": "sad"}, {"emotional label": [], "emotion": "glad"}]
    assert emotions(entry("a", SAID, utterances=given)) == [("Fear",), (), ("sad",), ("glad",)]


def test_rankings_count_labelled_utterances_of_the_right_speaker() -> None:
    given = [
        {"emotion": ["Fear", "Fear", "Anger"], "strategy": "ignored, for it is the client's"},
        {"strategy": ["Question"]},
        {"emotion": "Anger"},
        {},
    ]
    one = entry("a", SAID, utterances=given, psychotherapy="CBT", stage="")
    by_name = {ranking.name: ranking for ranking in label_rankings("x", [one, entry("b", SAID)])}
    assert set(by_name) == {"strategies", "emotions", "psychotherapies"}
    assert by_name["strategies"].entries == (Ranked("Question", 1, 1.0),)
    assert by_name["emotions"].entries == (Ranked("Anger", 2, 1.0), Ranked("Fear", 1, 0.5))
    assert by_name["emotions"].n == 2
    assert by_name["psychotherapies"].unit == "labelled dialogues"


def test_a_ranking_holds_k_entries_and_breaks_ties_by_the_alphabet() -> None:
    listed = [entry(name, SAID, stage=name) for name in "cab"]
    (ranking,) = label_rankings("x", listed, k=2)
    assert [ranked.text for ranked in ranking.entries] == ["a", "b"]
    assert ranking.remark.startswith("3 different labels")


def test_no_entries_have_no_rankings() -> None:
    assert label_rankings("x", []) == []


def test_psy_insight_carries_every_kind(data: Path) -> None:
    read = [one for one in read_corpus(data / "psy_insight_cn.json") if not isinstance(one, BrokenEntry)]
    rankings = label_rankings("cn", read)
    assert [ranking.name for ranking in rankings] == ["strategies", "emotions", "psychotherapies", "stages"]
    assert rankings[0].entries[0].text == "Question"
    assert rankings[0].entries[0].count == 1858
    assert rankings[0].n == 2911
