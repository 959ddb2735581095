"""A large corpus, whose words other processes cut while it is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.lexical.tokenizing import PARALLEL_FROM, tokens_of
from expander.commands import report_inputs
from expander.commands.reading import Reader
from expander.commands.report_inputs import corpus_input
from expander.consoles import console

CHINESE = ("第{}次考试又没考好，我很焦虑。", "听起来你很难过。发生了什么？")
ENGLISH = ("I failed my exam number {} again.", "That sounds hard. What happened?")


def written(path: Path, *parts: tuple[int, tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for count, (asked, answered) in parts:
            for number in range(count):
                said = (("user", asked.format(number)), ("assistant", answered))
                messages = [{"role": role, "content": text} for role, text in said]
                file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
        file.write("no JSON\n")
    return path


def test_words_cut_while_reading_are_others(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", (PARALLEL_FROM + 700, CHINESE))
    found = corpus_input(path, "mine", "messages", Reader(console(stderr=True)), human=False)
    assert (len(found.entries), found.broken, list(found.cut)) == (PARALLEL_FROM + 700, 1, ["jieba"])
    afterwards = tokens_of(found.dialogues, "jieba", processes=1)
    assert found.cut["jieba"].vocabulary == afterwards.vocabulary
    for name in ("ids", "dialogues", "utterances"):
        assert np.array_equal(getattr(found.cut["jieba"], name), getattr(afterwards, name)), name


def test_a_small_corpus_loses_dialogues_or_starts_processes(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.jsonl", (30, CHINESE), (3, ENGLISH))
    found = corpus_input(path, "mine", "messages", Reader(console(stderr=True)), human=False)
    assert (len(found.entries), found.broken, found.cut) == (33, 1, {})


def test_a_corpus_that_begins_in_another_language_is_cut_by_the_wrong_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thousands are English, all together are not: the report cuts them anew."""
    from analysis.report.compose import ReportSettings, compose

    monkeypatch.setattr(report_inputs, "PARALLEL_FROM", 40)
    path = written(tmp_path / "mine.jsonl", (40, ENGLISH), (400, CHINESE))
    found = corpus_input(path, "mine", "messages", Reader(console(stderr=True)), human=False)
    assert list(found.cut) == ["words"]
    report = compose([found], ReportSettings(title="", examples=0))
    assert {figure.metric for figure in report.figures} >= {"distinct_2_jieba"}
    assert "distinct_2_words" not in {figure.metric for figure in report.figures}
