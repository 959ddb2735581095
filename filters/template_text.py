"""A template's instructions, cut into the units that a dialogue must not contain."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# What a post or a topic replaces: {QA}, {{ qa }}, [Dialogue Topic], " + single_turn + ".
_FILLED_IN = re.compile(r"\{\{[^{}\n]{0,80}\}\}|\{[^{}\n]{0,80}\}|\[[A-Z][A-Za-z ]{2,40}\]")
_UNIT_END = re.compile(r"[\n；;。？?！!]|\\n|\.(?=\s)")
_NUMBER = re.compile(r"\s*(?:\d{1,2}\s?[.、)）]|[-*•])\s*")
# A unit must be a sentence, not a phrase that people say too: 12 Chinese characters or 24 Latin letters.
_WEIGHT = 24
_PROBE = 12


class Instruction(NamedTuple):
    """One unit: a stretch to look for first, the whole without white space, and as it was written."""

    probe: str
    squeezed: str
    text: str


def squeeze(text: str) -> str:
    """Without white space, so that a line wrapped elsewhere is the same line."""
    return "".join(text.split())


@lru_cache(maxsize=64)
def instructions(template_text: str) -> tuple[Instruction, ...]:
    """The units of a template's text: sentences and clauses between ； without their numbers."""
    units: dict[str, Instruction] = {}
    for part in _FILLED_IN.split(template_text):
        for unit in _UNIT_END.split(part):
            number = _NUMBER.match(unit)
            bare = unit[number.end() :].strip() if number else unit.strip()
            if sum(1 if char.isascii() else 2 for char in bare) >= _WEIGHT:
                units.setdefault(squeeze(bare), Instruction(bare[:_PROBE], squeeze(bare), bare))
    return tuple(units.values())


def repeated(template_text: str | None, text: str) -> tuple[str, ...]:
    """The units of a template, without white space, that stand in a reply; a few substring searches where none does."""
    if not template_text:
        return ()
    hits = [unit for unit in instructions(template_text) if unit.probe in text]
    if not hits:
        return ()
    squeezed = squeeze(text)
    return tuple(unit.squeezed for unit in hits if unit.squeezed in squeezed)
