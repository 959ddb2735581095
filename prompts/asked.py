"""What the wording of a prompt asks for: how many turns, who begins and ends, which labels, whether an analysis.

Read by patterns, so it finds the usual ways to say these things and misses others: silence is no proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from filters.dialogue import Role
from filters.labels import ALIASES, COLONS

_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_N = rf"(?:\d{{1,3}}|[二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九]|\b(?:{'|'.join(_WORDS)})\b)"
_ZH_UNIT = r"\s?个?(?:轮次?|回合|来回|次(?=对话|交流|交谈|互动|往返|往来|问答))"
_EN_UNIT = r"[\s-]?(?:(?:dialogue|conversation|conversational|full)\s)?(?:exchange|turn|round)s?\b"
_UNIT = rf"(?:{_ZH_UNIT}|{_EN_UNIT})"
_LEAST = r"(?:至少|最少|不少于|不低于|多于|超过|at least|no fewer than|not fewer than|no less than|minimum of)"
_MOST = r"(?:至多|最多|不超过|不多于|少于|at most|no more than|not more than|up to|maximum of)"
_TURNS = re.compile(
    rf"(?:(?P<low>{_N}){_UNIT}?\s?(?:[-–—~～到至]|to|and)\s?(?P<high>{_N}){_UNIT}"
    rf"|{_MOST}[^\d\n，。,.]{{0,4}}?(?P<most>{_N}){_UNIT}"
    rf"|(?P<fewer>{_N}){_UNIT}\s?(?:以内|以下|or fewer|or less)"
    rf"|{_LEAST}[^\d\n，。,.]{{0,4}}?(?P<least>{_N}){_UNIT}"
    rf"|(?P<more>{_N})(?:{_UNIT}\s?(?:及?以上|或以上|或更多|or more)|\s?(?:or more|\+){_EN_UNIT}|\s?(?:多|\+){_ZH_UNIT})"
    rf"|(?<![第每前])(?P<plain>{_N}){_UNIT})",
    re.IGNORECASE,
)
_FEWEST_MEANT = 2
"""一轮 and "one exchange" speak of a single turn, not of how many there are to be."""


class Turns(NamedTuple):
    """How many turns a prompt asks for, both ends included; None is an open end. `words` is how it says so."""

    low: int | None
    high: int | None
    start: int
    words: str
    exact: bool = False
    """One number alone, which people read as "about so many"."""


def turns(text: str) -> Iterator[Turns]:
    """Every number of turns in a prompt, in order. 多于, 超过 and 少于 are read as their bounds included."""
    for found in _TURNS.finditer(text):
        given = {name: _number(words) for name, words in found.groupdict().items() if words is not None}
        low = next((given[name] for name in ("low", "least", "more", "plain") if name in given), None)
        high = next((given[name] for name in ("high", "most", "fewer", "plain") if name in given), None)
        if all(end is None or end < _FEWEST_MEANT for end in (low, high)):
            continue
        yield Turns(low, high, found.start(), found[0].strip(), exact="plain" in given)


def _number(words: str) -> int:
    if words.isdecimal():
        return int(words)
    if words.lower() in _WORDS:
        return _WORDS.index(words.lower()) + 1
    tens, ten, ones = words.rpartition("十")
    return (10 * _DIGITS.get(tens, 1) if ten else 0) + _DIGITS.get(ones, 0)


_PAIRED = re.compile(r'"([^"\n]*)"|“([^“”\n]*+)”|「([^「」\n]*+)」|『([^『』\n]*+)』|‘([^‘’\n]*+)’|`([^`\n]*)`')
_LABEL = re.compile(rf"(?P<label>[^\W\d_](?:[\w\- ]{{0,22}}\w)?)\s?(?P<colon>[{COLONS}])")
_LINE = re.compile(rf"^[ \t]*(?P<label>[^\W\d_][\w\- ]{{0,22}}?)\s?(?P<colon>[{COLONS}])", re.MULTILINE)


class Label(NamedTuple):
    """A speaker's label in a prompt, with the colon it is written with."""

    text: str
    colon: str
    start: int
    quoted: bool


def labels(text: str) -> Iterator[Label]:
    """What looks like a label: words and a colon at the start of a quotation ("求助者: "), or at the start of a line.

    Of the latter, a heading (要求：) is one too: a caller keeps those it knows.
    """
    for quoted in _PAIRED.finditer(text):
        inside = next(group for group in quoted.groups() if group is not None)
        if found := _LABEL.match(inside):
            yield Label(found["label"], found["colon"], quoted.start() + 1, quoted=True)
    for found in _LINE.finditer(text):
        yield Label(found["label"], found["colon"], found.start("label"), quoted=False)


def roles_of(client: tuple[str, ...], counselor: tuple[str, ...]) -> Mapping[str, Role]:
    """Whose name a word is, in any case: a format's labels before the names that a reading knows anyway."""
    known = {name.casefold(): role for role, names in ALIASES.items() for name in names}
    known |= {name.casefold(): Role.CLIENT for name in client}
    return known | {name.casefold(): Role.COUNSELOR for name in counselor}


class Position(NamedTuple):
    """Who is to speak first, or last."""

    role: Role
    start: int
    words: str


_Q = r"[\"“「『‘`]"
_Q_END = r"[\"”」』’`]"
_NAMED = rf"{_Q}(?P<label>[^\"“”「」『』‘’`\n{COLONS}]{{1,24}})[{COLONS}]?\s?{_Q_END}"
_OPENS = re.compile(
    rf"\b(?:begin|start)s?\s+with\s+{_NAMED}|{_NAMED.replace('label', 'zh')}\s?(?:开始|开头|起头)", re.IGNORECASE
)
_CLOSES = re.compile(
    rf"\b(?:end|close|finish)(?:e?s)?\s+with\s+{_NAMED}|{_NAMED.replace('label', 'zh')}\s?(?:结束|结尾|收尾)",
    re.IGNORECASE,
)
_OF_EVERY_LINE = re.compile(r"每|各|\beach\b|\bevery\b|\blines?\b|\bsentences?\b|\butterances?\b", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[。；;！!？?\n]|\.\s|[，,]")
_EITHER = re.compile(rf"{_Q_END}\s?(?:或者?|和|与|及|、|/|\bor\b|\band\b)\s?{_Q}", re.IGNORECASE)
_NEAR = 12  # code points around a name in which a second name would stand


def opening(text: str, known: Mapping[str, Role]) -> Iterator[Position]:
    """Each place that says whose words the dialogue begins with; not those that say how every line does."""
    return _positions(_OPENS, text, known)


def closing(text: str, known: Mapping[str, Role]) -> Iterator[Position]:
    """The same for the end."""
    return _positions(_CLOSES, text, known)


def _positions(pattern: re.Pattern[str], text: str, known: Mapping[str, Role]) -> Iterator[Position]:
    for found in pattern.finditer(text):
        which = "label" if found["label"] is not None else "zh"
        role = known.get(found[which].strip().casefold())
        begin = max((end.end() for end in _CLAUSE_END.finditer(text, 0, found.start())), default=0)
        clause = text[begin : found.start()]
        around = text[max(begin, found.start(which) - _NEAR) : found.end(which) + _NEAR]
        if role is None or _OF_EVERY_LINE.search(clause) or _EITHER.search(around):
            continue
        yield Position(role, found.start(), found[0].strip())


_ANALYSIS = re.compile(
    r"逐步分析|一步一步|先.{0,4}分析|请分析|分析(?:以上|上述|下面|下列)|思考过程|思维链|说明(?:你的)?(?:理由|思路)"
    r"|step[ -]by[ -]step|gradually analy[sz]e|\bfirst,? analy[sz]e|\bbefore (?:you )?(?:writ|rewrit)\w*|explain your",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"\bin English\b|(?:用|以|使用)英[文语]", re.IGNORECASE)


def analysis(text: str) -> re.Match[str] | None:
    """Where a prompt asks for words before the dialogue."""
    return _ANALYSIS.search(text)


def english(text: str) -> re.Match[str] | None:
    """Where a prompt asks for a dialogue in English."""
    return _ENGLISH.search(text)
