"""Which utterances one request asks about, and which stand before them for context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from filters.dialogue import Dialogue, Role

LABELLED = 24
"""Utterances that one request asks about, at most: all of nearly every dialogue of SMILECHAT and Psy-Insight."""
CHARACTERS = 6_000
"""Code points of utterances in one request, unless a single one has more: some 6,000 tokens of Chinese, which the smallest
contexts in use (8,192) hold with the labels."""
CONTEXT = 4
"""Utterances before the first one asked about: two turns."""


class Window(NamedTuple):
    """Utterances from `start` to before `end`, counted from 0, of which `asked` are asked about."""

    start: int
    end: int
    asked: tuple[int, ...]


def windows(dialogue: Dialogue, role: Role) -> Iterator[Window]:
    """Every utterance of that role with something in it stands in exactly one window's `asked`, in order."""
    asked: list[int] = []
    start = length = 0
    for place, (speaker, text) in enumerate(dialogue.utterances):
        length += len(text)
        if speaker is not role or not text.strip():
            continue
        if asked and (len(asked) >= LABELLED or length > CHARACTERS):
            yield Window(start, asked[-1] + 1, tuple(asked))
            asked = []
        if not asked:
            start = max(0, place - CONTEXT)
            length = sum(len(text) for _, text in dialogue.utterances[start : place + 1])
            while start < place and length > CHARACTERS:
                length -= len(dialogue.utterances[start].text)
                start += 1
        asked.append(place)
    if asked:
        yield Window(start, asked[-1] + 1, tuple(asked))
