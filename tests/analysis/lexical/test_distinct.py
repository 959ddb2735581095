from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.figures import Group
from analysis.lexical.distinct import distinct, distinct_metrics, distinct_of_orders
from analysis.lexical.tokenizing import tokens_of
from filters.dialogue import Dialogue
from tests.analysis.lexical.making import plain_distinct, read, rows_of, tokens_from
from tests.analysis.making import dialogue


def test_n_grams_run_across_utterances_and_never_across_dialogues() -> None:
    tokens = tokens_of([dialogue("a b", "a b"), dialogue("b a")], "words")
    # a b a b | b a
    assert [(found.unique, found.total) for found in (distinct(tokens, n) for n in (1, 2, 3, 4, 5))] == [
        (2, 6),
        (2, 4),
        (2, 2),
        (1, 1),
        (0, 0),
    ]
    assert distinct(tokens, 2).value == 0.5


@pytest.mark.parametrize("rows", [[], [[]], [[], [4], []], [[1], [2]]], ids=["none", "empty", "one token", "too short"])
def test_without_n_grams_there_is_no_value_but_a_remark(rows: list[list[int]]) -> None:
    found = distinct(tokens_from(rows), 2)
    assert (found.value, found.total) == (None, 0)
    assert found.remark == "No dialogue is as long as 2 tokens."


def test_n_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="n is 0"):
        distinct(tokens_from([[1]]), 0)


def psyqa(path: Path) -> Iterator[Dialogue]:
    for question in json.loads(path.read_text()):
        asked = f"{question['question']}{question['description']}"
        for answer in question["answers"]:
            yield dialogue(asked, answer["answer_text"])


def corpora(data: Path) -> dict[str, list[Dialogue]]:
    return {
        "smilechat": list(read(data / "smilechat.jsonl.xz", 300)),
        "psy-insight cn": list(read(data / "psy_insight_cn.json", 1_000)),
        "psy-insight en": list(read(data / "psy_insight_en.json", 1_000)),
        "psyqa": list(psyqa(data / "psyqa_sample.json")),
    }


@pytest.mark.parametrize("tokenizer", ["jieba", "characters"])
def test_counts_are_those_of_plain_sets_on_real_dialogues(data: Path, tokenizer: str) -> None:
    for name, said in corpora(data).items():
        tokens = tokens_of(said, tokenizer)
        rows = rows_of(tokens)
        for found in distinct_of_orders(tokens):
            assert (found.unique, found.total) == plain_distinct(rows, found.n), (name, found.n)
        assert distinct(tokens, 2).total == tokens.total - sum(map(bool, rows))


def test_human_sessions_give_the_known_counts(data: Path) -> None:
    tokens = tokens_of(read(data / "psy_insight_cn.json", 1_000), "jieba")
    found = [(one.unique, one.total) for one in distinct_of_orders(tokens)]
    assert found == [(9455, 161_197), (63_334, 160_766), (121_459, 160_335)]


def test_each_metric_has_its_own_key() -> None:
    metrics = distinct_metrics("jieba") + distinct_metrics("/models/Qwen2.5-7B/")
    assert [metric.key for metric in metrics] == [
        "distinct_1_jieba",
        "distinct_2_jieba",
        "distinct_3_jieba",
        "distinct_1_jieba_matched",
        "distinct_2_jieba_matched",
        "distinct_3_jieba_matched",
        "distinct_1_qwen2_5_7b",
        "distinct_2_qwen2_5_7b",
        "distinct_3_qwen2_5_7b",
        "distinct_1_qwen2_5_7b_matched",
        "distinct_2_qwen2_5_7b_matched",
        "distinct_3_qwen2_5_7b_matched",
    ]
    assert {metric.group for metric in metrics} == {Group.LEXICAL}
    assert all(metric.caveat for metric in metrics)
