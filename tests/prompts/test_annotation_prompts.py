"""The published annotation prompt as published, and codebooks and rubrics that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prompts import TemplateError
from prompts.annotation import codebook, label_set, prompts, rubric


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("language", "first", "last"),
    [
        ("zh", "对话主题及其具体的定义为：", "这个对话的对话主题是："),
        ("en", "The topics and their specific definitions are:", "The topics for this dialogue are:"),
    ],
)
def test_the_wording_differs_from_figure_11(papers: Path, language: str, first: str, last: str) -> None:
    text = (papers / "smile.txt").read_text("utf-8")
    start = text.index(first)
    printed = text[start : text.index(last, start) + len(last)]
    found: dict[str, str] = {name: prompt.text for name, prompt in prompts("topics").by_language.items()}
    assert words(found[language]) == words(printed)


def test_the_labels_differ_from_those_of_the_data(data: Path) -> None:
    for labels in (label_set("strategy"), label_set("emotion")):
        used = {
            label
            for language in ("cn", "en")
            for dialogue in json.loads((data / f"psy_insight_{language}.json").read_text("utf-8"))
            for said in dialogue["dialog"]
            for label in said.get(labels.key) or ()
        }
        assert used - {"Unknown"} == {label.name for label in labels.labels}


def test_the_codebook_is_not_that_of_appendix_g() -> None:
    assert len(codebook()) == len({label.name for label in codebook()}) == 60


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {name: 家}\n- {name: 家}\n", "家"),
        ("- {definition: 没有名字}\n", "topic 1"),
        ("- {name: 家, colour: 红}\n", "colour"),
        ("name: 家\n", "list of topics"),
        ("[", "YAML"),
        ("[]", "list of topics"),
    ],
)
def test_a_codebook_that_makes_no_sense_is_used(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "book.yaml").write_text(text, "utf-8")
    with pytest.raises(TemplateError, match=says):
        codebook(tmp_path / "book.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: scores\ncriteria: [{key: a, low: 2, high: 1, description: x}]\n", "low must be below high"),
        ("kind: scores\ncriteria: [{key: a, high: 99999999999999999999, description: x}]\n", "10000"),
        ("kind: scores\ncriteria: [{key: a, description: x}, {key: a, description: y}]\n", "one key"),
        ("kind: votes\ncriteria: [{key: a, description: x}]\n", "kind"),
        ("kind: scores\ncriteria: []\n", "criteria"),
        ("kind: scores\ncriteria: [{key: A b, description: x}]\n", "key"),
    ],
)
def test_a_rubric_that_makes_no_sense_is_used(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "rubric.yaml").write_text(text, "utf-8")
    with pytest.raises(TemplateError, match=says):
        rubric(str(tmp_path / "rubric.yaml"))
