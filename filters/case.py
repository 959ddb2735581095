"""What a rule sees, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from filters.dialogue import DialogueFormat, Span
from filters.reading import Reading


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules may know of the request. Without it, the rules that need it say nothing.

    `answer` is the post's answer. `template_text` is the template's own text, *before* a post was put in: with a post in it,
    a dialogue that quotes its post would look like a leak. `post` is all of the post as it was sent; where it is None,
    nothing is known to have given a link.
    """

    answer: str | None = None
    template_text: str | None = None
    post: str | None = None


class Finding(NamedTuple):
    """What a rule objects to: a sentence with the figures, and where."""

    reason: str
    span: Span | None = None


class Case(NamedTuple):
    """One reply before the rules."""

    text: str
    reading: Reading
    fmt: DialogueFormat
    finish_reason: str | None
    context: Context
    strict: bool
    min_turns: int
    max_turns: int | None
    repeated: tuple[str, ...] = ()
    """Units of the template's instructions that stand in the reply, without white space."""

    def span(self, utterance: int, start: int = 0, end: int | None = None) -> Span:
        """Where a stretch of an utterance stands in the reply; the whole utterance where a repair moved its text."""
        first, last = self.reading.spans[utterance]
        text = self.reading.utterances[utterance].text
        if end is not None and self.text[first + 1 : last - 1] == text:
            # The writer's quoted form, or quotation marks that a repair took off.
            return Span(first + 1 + start, first + 1 + end)
        if end is None or last - first != len(text) or self.text[first:last] != text:
            return Span(first, last)
        return Span(first + start, first + end)


Check = Callable[[Case], Finding | None]


class Rule(NamedTuple):
    """A named rule, the source it comes from, and the function that decides. A pure function of the case."""

    name: str
    source: str
    check: Check
