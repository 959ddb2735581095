"""What counts as a content word."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from analysis.words import stop_words as module
from analysis.words.stop_words import content_word, stop_words


def listed() -> dict[str, list[str]]:
    text = Path(module.__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return {
        language: [word for words in classes.values() for word in words.split()]
        for language, classes in yaml.safe_load(text).items()
    }


def test_a_stop_word_stands_twice_in_its_list() -> None:
    twice = {word: times for words in listed().values() for word, times in Counter(words).items() if times > 1}
    assert not twice


def test_the_stop_words_are_too_few_to_clear_a_cloud() -> None:
    longer = [word for word in listed()["chinese"] if len(word) > 1]
    assert len(longer) >= 500
    assert len(listed()["english"]) >= 200


def test_every_stop_word_is_lower_case_and_has_no_curved_apostrophe() -> None:
    assert not [word for word in stop_words() if word != word.lower() or "’" in word]


@pytest.mark.parametrize(
    "word",
    [
        "焦虑",
        "睡眠",
        "父母",
        "压力",
        "支持",
        "感受",
        "觉得",
        "希望",
        "谢谢",
        "anxiety",
        "sleep",
        "parents",
        "feel",
        "support",
        "thank",
    ],
)
def test_a_content_word_is_dropped(word: str) -> None:
    assert content_word(word) == word


@pytest.mark.parametrize(
    "token",
    [
        "我们",
        "因为",
        "一个",
        "可以",
        "The",
        "don't",
        "DON’T",
        "，",
        "……",
        "42",
        "3.5",
        "2024",
        "三十",
        "第二",
        "两年",
        "几百个",
        "我",
        "a",
        "",
        " ",
        "\ud800",
        "1级",
        "＂",
    ],
)
def test_a_token_without_content_is_counted(token: str) -> None:
    assert content_word(token) is None


@pytest.mark.parametrize(
    ("token", "word"), [("Sleep", "sleep"), ("mother’s", "mother's"), ("VIP客户", "vip客户"), ("千金", "千金")]
)
def test_a_word_is_counted_under_another_form(token: str, word: str) -> None:
    assert content_word(token) == word
