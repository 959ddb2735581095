"""Which label a piece of an answer names: the names as written, in either language, numbers and marks around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from prompts.annotation import Label

_MARKS = " \t\r\n\"'“”‘’「」『』《》【】[]<>`*_#·•。.!！?？:：、,，;；"
_BULLET = re.compile(
    r"^\s*(?:[-*•·–—]\s+|[(（\[]?\d{1,3}\s*[)）\].．、:：]\s*(?!\d)|(?:主题|标签|topic|label)\s*\d{1,3}\s*[:：.、]?\s*)+",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"(?<!\s)\s*+[(（【\[][^()（）【】\[\]]*+[)）】\]]\s*+$")
_NUMBER = re.compile(r"#?\s*(\d{1,3})\s*[.、号]?")
SEPARATORS = re.compile(r"[,，、;；/|\n]|\s(?:and|和|以及)\s")
MOST = 40
"""Code points a label may have that is on no list; a longer piece is prose. SMILE's longest English name has 38."""


class Vocabulary:
    """Labels by every way to write them."""

    def __init__(self, labels: Sequence[Label], *, numbered: bool = False) -> None:
        self._names = [label.name for label in labels]
        self._numbered = numbered
        self._known: dict[str, str] = {}
        for label in labels:
            for way in (label.name, label.name_en, *label.also):
                if way:
                    self._known.setdefault(_folded(way), label.name)
        parted = sorted(
            (way for label in labels for way in (label.name, label.name_en, *label.also) if SEPARATORS.search(way)),
            key=len,
            reverse=True,
        )
        self._whole = re.compile("|".join(map(re.escape, parted)), re.IGNORECASE) if parted else None

    def split(self, text: str) -> Iterator[str]:
        """The pieces of a list; a name that holds a separator stays whole."""
        if self._whole is None:
            yield from SEPARATORS.split(text)
            return
        place = 0
        for found in self._whole.finditer(text):
            yield from SEPARATORS.split(text[place : found.start()])
            yield found.group()
            place = found.end()
        yield from SEPARATORS.split(text[place:])

    def label(self, piece: str) -> str | None:
        """The label that a piece of a list names: on the list by its name, else as it was said; None for nothing."""
        for way in _ways(piece):
            if known := self._known.get(_folded(way)):
                return known
        if self._numbered and (number := _NUMBER.fullmatch(piece.strip())):
            place = int(number[1]) - 1
            return self._names[place] if 0 <= place < len(self._names) else None
        said = _BULLET.sub("", piece).strip(_MARKS)
        return said if any(character.isalpha() for character in said) else None

    def knows(self, label: str) -> bool:
        return label in self._names


def _ways(piece: str) -> Iterator[str]:
    """The piece as written, and without what may stand around a name: a number, marks, brackets, a definition."""
    unnumbered = _BULLET.sub("", piece)
    for way in (
        piece,
        unnumbered,
        _BRACKET.sub("", unnumbered.strip(_MARKS.replace("]", "").replace("】", ""))),
        re.split("[:：]", unnumbered, maxsplit=1)[0],
    ):
        yield way.strip(_MARKS)
        yield _BRACKET.sub("", way).strip(_MARKS)
    if inside := re.search(r"[(（]([^()（）]++)[)）]\s*+$", unnumbered):
        yield inside[1].strip(_MARKS)


def _folded(text: str) -> str:
    return re.sub(r"[\s\-_]+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()
