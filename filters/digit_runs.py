"""Numbers that name a person: mobile, landline, resident ID, bank card; each by its validator.

A run of digits is cut into blocks at single spaces and dashes, and a number is one block or a customary grouping of blocks
(138-1234-5678). So no number is found inside a longer one, and a run is read in time proportional to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from filters.dialogue import Span

FULL_WIDTH = str.maketrans("０１２３４５６７８９Ｘｘ", "0123456789XX")
DIGIT = "0-9０-９"

_WORDS = Path(__file__).with_name("privacy_words.yaml")
_RUN = re.compile(rf"[+＋]?[{DIGIT}]++(?:[-\u2010-\u2015 \u00a0()（）]{{1,2}}[{DIGIT}]++)*+[XxＸｘ]?")
_BLOCK = re.compile(rf"[{DIGIT}]++[XxＸｘ]?")
_LONGEST_GROUP = 5
_CUE_WINDOW = 14

_MOBILE = re.compile(r"1(?:3[0-9]|4[0-1456789]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])[0-9]{8}")
_COUNTRY = frozenset({"", "86", "0086"})
_MOBILE_ALONE = ((11,), (3, 4, 4), (3, 8), (7, 4), (4, 3, 4), (4, 4, 3), (3, 3, 5), (5, 6))
_MOBILE_GROUPS = frozenset(
    {
        *_MOBILE_ALONE,
        *((len(code), *shape) for code in ("86", "0086") for shape in _MOBILE_ALONE),
        *((len(code) + shape[0], *shape[1:]) for code in ("86", "0086") for shape in _MOBILE_ALONE),
    }
)
_LANDLINE = re.compile(r"0(?:(?:10|2[0-57-9])[2-9][0-9]{7}|[3-9][0-9]{2}[2-9][0-9]{6,7})")
_LANDLINE_GROUPS = {(3, 8), (4, 7), (4, 8), (3, 4, 4), (4, 4, 4), (4, 3, 4), (11,), (12,)}
_CARD = re.compile(r"62[0-9]{14,17}|(?:4[0-9]{3}|5[1-5][0-9]{2}|35[0-9]{2})[0-9]{12}")
_CARD_GROUPS = {
    (16,),
    (17,),
    (18,),
    (19,),
    (4, 4, 4, 4),
    (4, 4, 4, 4, 1),
    (4, 4, 4, 4, 2),
    (4, 4, 4, 4, 3),
    (6, 13),
    (6, 10),
}
_ID_GROUPS = {(18,), (6, 8, 4), (6, 12), (6, 4, 4, 4), (14, 4)}
_GROUPS = _MOBILE_GROUPS | _LANDLINE_GROUPS | _CARD_GROUPS | _ID_GROUPS | {(15,)}
_RESIDENT_ID = re.compile(r"[1-8][0-9]{5}(?:19[0-9]{2}|20[0-3][0-9])[0-9]{7}[0-9X]")
_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015")
_LETTER = re.compile(r"[A-Za-z_]$")
_CUE_IN_LETTERS = re.compile(r"(?i)(?<![A-Za-z])(?:tel|phone|mobile|mob|call|v|vx|wx|qq|no|number|cell|is|at)$")
_DECIMAL_BEFORE = re.compile(rf"[{DIGIT}][.．]$")
_DECIMAL_AFTER = re.compile(rf"[.．][{DIGIT}]")
_SENTENCE_END = "[。！？!?；;\n〕]"
# GB/T 2260, the first two digits of an administrative division.
_PROVINCES = frozenset(
    f"{region}{place}"
    for region, places in {
        1: "12345",
        2: "123",
        3: "1234567",
        4: "123456",
        5: "01234",
        6: "12345",
        7: "1",
        8: "123",
    }.items()
    for place in places
)
# GB 11643-1999: weights 2^(17-i) mod 11, and the check character by remainder.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


class NumberFinding(NamedTuple):
    """A number's kind, and where it stands."""

    kind: str
    span: Span


class _Block(NamedTuple):
    start: int
    end: int
    digits: str


def find_numbers(text: str) -> Iterator[NumberFinding]:
    """Numbers of a person in order, none overlapping another."""
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= 11:  # noqa: PLR2004 - the shortest of them, a mobile number
            yield from _read(text, run.start(), run.end())


def is_resident_id(digits: str) -> bool:
    """Eighteen characters with a province, a day between 1900 and 2039, and the check character of GB 11643-1999."""
    if not _RESIDENT_ID.fullmatch(digits) or digits[:2] not in _PROVINCES or not _is_a_day(digits[6:14]):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits[:17], strict=True))
    return _CHECKS[total % 11] == digits[17]


def is_old_resident_id(digits: str) -> bool:
    """Fifteen digits as issued until 1999: province, day of the twentieth century, no check character."""
    return len(digits) == 15 and digits[:2] in _PROVINCES and _is_a_day("19" + digits[6:12])  # noqa: PLR2004


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1's check digit."""
    total = sum(int(digit) for digit in digits[-1::-2])
    return (total + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0


def is_mobile(digits: str) -> bool:
    """Eleven digits with a prefix that is given out."""
    return _MOBILE.fullmatch(digits) is not None


def _is_a_day(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def _read(text: str, start: int, end: int) -> Iterator[NumberFinding]:
    blocks = [_block(found) for found in _BLOCK.finditer(text, start, end)]
    place = 0
    while place < len(blocks):
        for size in range(min(_LONGEST_GROUP, len(blocks) - place), 0, -1):
            group = blocks[place : place + size]
            kind = _kind(text, group)
            if kind is not None and _stands_alone(text, blocks, place, place + size, kind):
                plus = text[group[0].start - 1 : group[0].start] in {"+", "＋"} and kind == "mobile"
                yield NumberFinding(kind, Span(group[0].start - plus, group[-1].end))
                place += size
                break
        else:
            place += 1


def _block(found: re.Match[str]) -> _Block:
    digits = found[0].translate(FULL_WIDTH).upper()
    # An X ends an ID, alone or in a last group of four; elsewhere it begins the next word.
    if digits.endswith("X") and len(digits) not in {4, 18}:
        return _Block(found.start(), found.end() - 1, digits[:-1])
    return _Block(found.start(), found.end(), digits)


def _kind(text: str, group: Sequence[_Block]) -> str | None:
    shape = tuple(len(block.digits) for block in group)
    if shape not in _GROUPS:
        return None
    digits = "".join(block.digits for block in group)
    if shape in _ID_GROUPS and is_resident_id(digits):
        return "id-card"
    if not digits.isdigit() or _is_an_order(text, group[0].start):
        return None
    if shape == (15,) and is_old_resident_id(digits):
        return "id-card"
    if shape in _CARD_GROUPS and _CARD.fullmatch(digits) and passes_luhn(digits):
        return "bank-card"
    if digits in _help_lines() or text.startswith(_words()["units"], group[-1].end):
        return None
    if shape in _MOBILE_GROUPS and is_mobile(digits[-11:]) and digits[:-11] in _COUNTRY:
        return "mobile"
    if shape in _LANDLINE_GROUPS and _LANDLINE.fullmatch(digits):
        return "landline"
    return None


def _stands_alone(text: str, blocks: Sequence[_Block], first: int, after: int, kind: str) -> bool:
    """Whether the group is a number and no part of one: a dash, a decimal point or a letter joins it to what is around."""
    start, end = blocks[first].start, blocks[after - 1].end
    before = text[max(0, start - 8) : start]
    if first and before[-1:] in _DASHES and blocks[first - 1].end == start - 1:
        return False
    if not first and (_LETTER.search(before) and not _CUE_IN_LETTERS.search(before)):
        return False
    if _DECIMAL_BEFORE.search(before) or _DECIMAL_AFTER.match(text, end):
        return False
    if after == len(blocks) or text[end] not in _DASHES or blocks[after].start != end + 1:
        return True
    return kind == "landline" and len(blocks[after].digits) <= 5  # noqa: PLR2004 - an extension


def _is_an_order(text: str, start: int) -> bool:
    """Whether the last cue in the same sentence before a number says that it is an order's or a parcel's."""
    before = re.split(_SENTENCE_END, text[max(0, start - _CUE_WINDOW) : start])[-1].lower()
    cues = [cue.lastgroup for cue in _cues().finditer(before)]
    return cues[-1:] == ["order"]


@cache
def _cues() -> re.Pattern[str]:
    order, phone = (
        "|".join(
            rf"(?<![a-z]){cue.lower()}" if cue.isascii() else cue
            for cue in sorted(_words()[name], key=len, reverse=True)
        )
        for name in ("order_cues", "phone_cues")
    )
    return re.compile(f"(?P<order>{order})|(?P<phone>{phone})")


@cache
def _help_lines() -> frozenset[str]:
    return frozenset(_words()["help_lines"])


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    words = yaml.safe_load(_WORDS.read_text(encoding="utf-8"))
    return {name: tuple(listed) for name, listed in words.items()}
