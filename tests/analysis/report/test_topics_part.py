from __future__ import annotations

import math

import pytest

from analysis.lexical.tokenizing import tokens_of
from analysis.report.inputs import CorpusInput
from analysis.report.parts.means import Resampling
from analysis.report.parts.topics import topics
from analysis.report.sections import Prepared
from tests.analysis.making import entry, sound

CODEBOOK = {"睡眠": "睡眠", "Sleep": "睡眠", "工作": "工作", "Work": "工作", "家庭": "家庭", "Family": "家庭"}


def labelled(*labels: list[str]) -> Prepared:
    entries = [entry(str(place), sound(), topics=each) for place, each in enumerate(labels)]
    given = CorpusInput(name="mine", file="mine", kind="messages", human=False, entries=entries)
    tokens = {"jieba": tokens_of(given.dialogues, "jieba")}
    return Prepared(input=given, dialogues=given.dialogues, language="zh", tokenizer="jieba", tokens=tokens)


def test_two_spellings_of_a_topic_count_as_two() -> None:
    corpus = labelled(["睡眠", "Sleep"], ["Work"], ["工作", "别的"])
    found = topics([corpus], [], CODEBOOK, Resampling(seed=0))
    values = {figure.metric: figure for figure in found.figures}
    assert values["topics_distinct_limited"].value == 2
    assert values["topic_entropy_limited"].value == pytest.approx(math.log2(3) - 2 / 3)
    assert values["topic_entropy_limited"].remark.startswith(f"At most {math.log2(3):.2f} bits")
    assert values["topics_off_list"].value == pytest.approx(1 / 4)
    assert [(entry.text, entry.count) for entry in found.rankings[0].entries] == [("工作", 2), ("别的", 1), ("睡眠", 1)]


def test_no_labels_leave_a_remark_and_no_figure() -> None:
    found = topics([labelled([], [])], [], CODEBOOK, Resampling(seed=0))
    assert not found.figures
    assert "No corpus carries topic labels" in found.remarks[0]
