"""Topic labels that stand beside a corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.corpora import BrokenEntry, read_corpus
from analysis.topics.labels import GIVEN, GIVEN_REMARK, given_topics, labels_of
from tests.analysis.making import entry, sound


@pytest.mark.parametrize(
    ("extra", "labels"),
    [
        ({"topic": " Sleep "}, ("Sleep",)),
        ({"topic": "Work, and rest"}, ("Work, and rest",)),
        ({"topics": ["Sleep", "Work", "Sleep"]}, ("Sleep", "Work")),
        ({"topics": ["Work, and rest", None, 3, "None"]}, ("Work, and rest",)),
        ({"topics": "睡眠, 工作，家庭、睡眠"}, ("睡眠", "工作", "家庭")),
        ({"keywords": "睡眠,工作"}, ("睡眠", "工作")),
        ({"keywords": "睡眠,工作", "topic": "家庭"}, ("家庭",)),
        ({"labels": [{"name": "Sleep"}, {"label": "Work"}, {"other": "x"}]}, ("Sleep", "Work")),
        ({"annotations": {"topics": ["Sleep"], "emotion": "sad"}}, ("Sleep",)),
        ({"topic": "Sle\ud800ep"}, ("Sle?ep",)),
    ],
)
def test_a_label_is_lost_or_read_twice(extra: dict[str, object], labels: tuple[str, ...]) -> None:
    assert labels_of([entry("a", sound(), **extra)]).dialogues == (labels,)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"topic": ""},
        {"topic": "None"},
        {"topic": "none"},
        {"topic": " Unknown "},
        {"topics": []},
        {"topics": None},
        {"labels": 3},
        {"annotations": {"a": 1}},
        {"topics": [["deep"]]},
        {"provenance": "x"},
        {"provenance": {"topic": None}},
    ],
)
def test_what_is_no_label_is_one(extra: dict[str, object]) -> None:
    found = labels_of([entry("a", sound(), **extra)])
    assert found.dialogues == ((),)
    assert found.source == ""
    assert found.remark == "The corpus has no topic labels."


def test_a_corpus_without_entries_breaks() -> None:
    assert labels_of([]).dialogues == ()


def test_two_ways_of_labelling_are_mixed() -> None:
    found = labels_of([entry("a", sound(), topics=["x"]), entry("b", sound(), topic="y")])
    assert found.dialogues == (("x",), ())
    assert found.source == "topics"


def test_a_given_topic_passes_for_what_a_dialogue_is_about() -> None:
    given = [entry("a", sound(), provenance={"topic": "睡眠"}), entry("b", sound(), provenance={"topic": None})]
    found = labels_of(given)
    assert found.dialogues == (("睡眠",), ())
    assert (found.source, found.remark) == (GIVEN, GIVEN_REMARK)
    annotated = [entry("a", sound(), provenance={"topic": "睡眠"}, topics=["工作"])]
    assert labels_of(annotated).dialogues == (("工作",),)
    assert given_topics(annotated).dialogues == (("睡眠",),)


def test_the_topics_of_psy_insight_are_not_found(data: Path) -> None:
    found = [one for one in read_corpus(data / "psy_insight_cn.json") if not isinstance(one, BrokenEntry)]
    labels = labels_of(found)
    assert labels.source == "topic"
    assert sum(map(bool, labels.dialogues)) == 430
    assert len({label for one in labels.dialogues for label in one}) == 11
