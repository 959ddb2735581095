"""Cleaning: Figure 8 in its order, 抱抱 clauses without a trace, and the cut at 1,800 Chinese characters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expander.cleaning import (
    ANSWER_FLOOR,
    QA_LIMIT,
    REPLACEMENTS,
    Cleaned,
    chinese_characters,
    clean,
    cut_to,
    without_hug_clauses,
)
from expander.post import Place, Post


def cleaned(answer: str, title: str = "题", description: str = "") -> Cleaned:
    return clean(
        Post(id="0", title=title, description=description, answer=answer, question_id="0", place=Place("a.json", 1))
    )


def test_figure_8_is_changed() -> None:
    printed = ["嗨, ", "楼主你", "题主你", "楼主你", "楼主", "题主", "楼主", "阿凉", "答主"]
    assert [old for old, _ in REPLACEMENTS if old != "嗨，"] == printed
    assert dict(REPLACEMENTS) == {
        "嗨, ": "",
        "嗨，": "",
        "楼主你": "你",
        "题主你": "你",
        "楼主": "你",
        "题主": "你",
        "阿凉": "我",
        "答主": "人",
    }


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("楼主你好", "你好", {"楼主你": 1}),
        ("楼主和题主你", "你和你", {"题主你": 1, "楼主": 1}),
        ("楼主楼主你好", "你好", {"楼主你": 2}),
        ("嗨, 阿凉说答主很多", "我说人很多", {"嗨, ": 1, "阿凉": 1, "答主": 1}),
        ("嗨，你好", "你好", {"嗨，": 1}),
        ("没有变", "没有变", {}),
    ],
    ids=["thread starter you", "order", "the repeated row", "one of each", "full-width comma", "nothing"],
)
def test_wording_is_replaced_out_of_order_or_miscounted(before: str, after: str, changes: dict[str, int]) -> None:
    result = cleaned(before)
    assert result.answer == after
    assert dict(result.changes) == changes


def test_the_question_is_left_as_it_was() -> None:
    result = cleaned("好", title="楼主你好", description="求抱抱，我很难过")
    assert (result.title, result.description) == ("你好", "我很难过")
    assert dict(result.changes) == {"楼主你": 1, "抱抱 clause": 1}


def test_a_match_runs_over_the_end_of_a_text() -> None:
    assert cleaned("你好", title="我问楼", description="主你在吗").changes == ()


HUGS = {
    "first": ("抱抱你，我懂。", "我懂。"),
    "middle": ("你好，抱抱你，我懂", "你好，我懂"),
    "last of a sentence": ("我懂你，抱抱。接下来", "我懂你。接下来"),
    "whole sentence": ("难过。抱抱！接下来", "难过。接下来"),
    "last of the text": ("我懂，抱抱", "我懂"),
    "two at the end": ("我懂，抱抱，再抱抱！好的", "我懂！好的"),
    "two sentences": ("抱抱！抱抱！好的。", "好的。"),
    "tilde": ("抱抱你～我在", "我在"),
    "tilde and comma": ("你好，抱抱~，我在", "你好，我在"),
    "dots": ("我懂……抱抱……真的", "我懂……真的"),
    "own line": ("你好。\n抱抱你。\n下一段", "你好。\n下一段"),
    "end of a line": ("你好，抱抱\n下一段", "你好\n下一段"),
    "bracketed": ("你好（抱抱，别怕）我在。真的", "真的"),
    "quoted": ("“别怕，抱抱你”他说，好", "好"),
    "bracket never closed": ("想（抱抱，好。行", "好。行"),
    "half-width": ("Hi, 抱抱! ok", "Hi! ok"),
    "nothing else": ("抱抱", ""),
}


@pytest.mark.parametrize("case", HUGS)
def test_a_hug_leaves_a_trace(case: str) -> None:
    before, after = HUGS[case]
    assert without_hug_clauses(before)[0] == after


def test_hugs_are_miscounted() -> None:
    assert dict(cleaned("我懂，抱抱，再抱抱抱抱！好的").changes) == {"抱抱 clause": 2}


@given(
    st.lists(
        st.sampled_from(["抱抱", "我懂", "好", "，", "。", "！", "～", "\n", "（", "）", "“", "”"]), max_size=14
    ).map("".join)
)
def test_a_hug_or_doubled_mark_stays(text: str) -> None:
    result, count = without_hug_clauses(text)
    assert "抱抱" not in result
    assert bool(count) == ("抱抱" in text)
    # A run of marks that the writer did not write would be new; the words that stay are in their order.
    runs = set(re.findall("[，。！～\n]+", text))
    assert all(any(run in written for written in runs) for run in re.findall("[，。！～\n]+", result))
    words = iter(text)
    assert all(character in words for character in re.sub("[，。！～\n]", "", result))


def test_the_cut_takes_the_question_or_too_much() -> None:
    result = cleaned("这是一句话。" * 400, title="题目" * 10, description="说明" * 100)
    assert (result.title, result.description) == ("题目" * 10, "说明" * 100)
    assert result.answer.endswith("。")
    assert QA_LIMIT - 5 < chinese_characters(result.title + result.description + result.answer) <= QA_LIMIT
    assert dict(result.changes) == {"cut characters": 400 * 6 - len(result.answer)}


@pytest.mark.parametrize("size", [QA_LIMIT - 1, QA_LIMIT, QA_LIMIT + 1])
def test_the_limit_is_off_by_one(size: int) -> None:
    result = cleaned("好" * (size - 1), title="题")
    assert chinese_characters(result.answer) == min(size, QA_LIMIT) - 1
    assert bool(result.changes) == (size > QA_LIMIT)


def test_punctuation_and_latin_are_counted() -> None:
    assert chinese_characters("我，。a1 —們𠀀〇") == 4
    assert cleaned("a，" * 3000).changes == ()


def test_a_long_question_leaves_no_answer() -> None:
    result = cleaned("答。" * 1000, title="题", description="说。" * 3000)
    assert chinese_characters(result.answer) == ANSWER_FLOOR
    assert chinese_characters(result.description) == QA_LIMIT - ANSWER_FLOOR - 1
    result = cleaned("短", title="题" * 4000, description="说")
    assert result.answer == "短"
    assert (len(result.title), result.description) == (QA_LIMIT - 1, "")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("一二三四五六七八。九十", 9, "一二三四五六七八。"),
        ("一二三四五六七八九十好好！”一二", 13, "一二三四五六七八九十好好！”"),
        ("一二三。四五六七八九十", 9, "一二三。四五六七八九"),
        ("一二三四五六七八。", 8, "一二三四五六七八。"),
        ("一二三四五六七\n八九十", 8, "一二三四五六七"),
        ("一二三", 0, ""),
    ],
    ids=["near end", "closing quote", "end too far back", "fits", "line feed", "nothing"],
)
def test_the_cut_is_not_at_a_sentence_end(text: str, limit: int, expected: str) -> None:
    assert cut_to(text, limit) == expected


@pytest.mark.parametrize(
    ("title", "description", "answer", "empty"),
    [("题", "", "抱抱！", "answer"), ("抱抱", "", "好", "question"), ("抱抱", "说", "好", None)],
    ids=["answer", "question", "description is left"],
)
def test_an_emptied_text_goes_unsaid(title: str, description: str, answer: str, empty: str | None) -> None:
    assert cleaned(answer, title, description).empty == empty
