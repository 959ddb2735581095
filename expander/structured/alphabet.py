"""Which characters a constrained reply may hold, so that nothing in it can be read as form.

An utterance has no colon (with one, a label could stand in it), no bracket, no backslash, no Markdown, no control or
invisible character: then the reading needs no repair. The lists name what is allowed, so that other scripts, into which
multilingual models slip, stay out as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Range(NamedTuple):
    """Code points from `first` to `last`, both included."""

    first: str
    last: str


class Alphabet(NamedTuple):
    """The characters of one place, as ranges in order; `-` is left out of them and stands apart, for it means a range."""

    ranges: tuple[Range, ...]
    dash: bool = False

    def written(self, escaped: str = "") -> str:
        """As a character class that regular expressions, EBNF and JSON Schema read alike; `escaped` gets a backslash."""
        parts = [
            _one(first, escaped) if first == last else f"{_one(first, escaped)}-{_one(last, escaped)}"
            for first, last in self.ranges
        ]
        return f"[{''.join(parts)}{'-' if self.dash else ''}]"


def _one(character: str, escaped: str) -> str:
    return "\\n" if character == "\n" else f"\\{character}" if character in escaped else character


_LETTERS = (Range("A", "Z"), Range("a", "z"))
_DIGITS = (Range("0", "9"),)
_ACCENTED = (Range("À", "Ö"), Range("Ø", "ö"), Range("ø", "ɏ"))  # Latin-1 to Latin Extended-B, without × and ÷
_HAN = (Range("㐀", "䶿"), Range("一", "鿿"))  # CJK Unified Ideographs and their Extension A
_EMOJI = (Range("☀", "➿"), Range("\U0001f300", "\U0001faff"))

_SIGNS = " !%&'+,./;=?~·–—‘’“”•…℃、。〈〉《》「」『』〜！％，．；？～"
_QUOTE = '"'
_OF_AN_ANALYSIS = "\n()*#_|（）【】"  # headings, lists and asides that may stand before a dialogue


def _alphabet(ranges: Iterable[Range], signs: str) -> Alphabet:
    ordered = sorted([*ranges, *(Range(sign, sign) for sign in signs)])
    return Alphabet(tuple(ordered), dash=True)


FIRST = Alphabet(tuple(sorted((*_LETTERS, *_DIGITS, *_ACCENTED, *_HAN))))
"""What an utterance starts with: a letter or a digit, so that it says something and opens no quotation."""

WITHIN = _alphabet((*_LETTERS, *_DIGITS, *_ACCENTED, *_HAN, *_EMOJI), _SIGNS)
"""What stands inside an utterance. No ASCII quotation mark: one pattern then serves a JSON string too."""

FIRST_AT_END = Alphabet(tuple(sorted((*_DIGITS, *_HAN))))
"""`FIRST` without Latin letters, for the last utterance of a dialogue that must not end in English."""

WITHIN_AT_END = _alphabet((*_DIGITS, *_HAN, *_EMOJI), _SIGNS)
"""`WITHIN` without Latin letters. Of SMILECHAT's dialogues 0.5 % have one in their last utterance."""

BEFORE = _alphabet((*_LETTERS, *_DIGITS, *_ACCENTED, *_HAN, *_EMOJI), _SIGNS + _QUOTE + _OF_AN_ANALYSIS)
"""What stands before the first utterance where a template allows it; no colon, so that no line of it is labelled."""

BEFORE_IN_JSON = WITHIN
"""The same inside a JSON string, where line breaks and quotation marks would need escapes."""
