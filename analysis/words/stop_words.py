"""Which tokens are content words: not a function word, a number, a sign, or a single character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_suffix(".yaml")
_NUMERALS = "第几数两零〇一二三四五六七八九十百千万亿半"
_SHORTEST = 2
"""Letters. A Han character alone is mostly a particle, a verb of all work or half of a word that was cut badly."""

LEFT_OUT = "Stop words, numbers, signs and single characters are not counted."
"""For a remark beside every count of content words."""


@cache
def stop_words() -> frozenset[str]:
    """The words of both languages, lower case: English stands inside Chinese sessions too."""
    return frozenset(word for classes in _classes().values() for words in classes.values() for word in words.split())


def content_word(token: str) -> str | None:
    """The token as it is counted, lower case and with ' for ’; None where it is no content word."""
    word = token.strip().lower().replace("’", "'")
    if sum(map(str.isalpha, word)) < _SHORTEST or word in stop_words() or _numbers().fullmatch(word):
        return None
    return word


@cache
def _classes() -> Mapping[str, Mapping[str, str]]:
    classes: Mapping[str, Mapping[str, str]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return classes


@cache
def _numbers() -> re.Pattern[str]:
    measures = "".join(_classes()["chinese"]["measure"].split())
    return re.compile(f"[{_NUMERALS}]+[{measures}]?")
