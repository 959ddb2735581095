"""Two prompts beside each other, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from analysis.ablation.model import DiffLine

CONTEXT = 2
"""Equal lines that are kept beside a change, for a reader to find the place; three is `diff`'s habit, prompts are short."""


def prompt_diff(baseline: str, prompt: str) -> tuple[DiffLine, ...]:
    """From the baseline's prompt to the other one. Empty where they are equal."""
    if baseline == prompt:
        return ()
    old, new = baseline.splitlines(), prompt.splitlines()
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    return tuple(_lines(matcher, old, new))


def _lines(matcher: SequenceMatcher[str], old: list[str], new: list[str]) -> Iterator[DiffLine]:
    opcodes = matcher.get_opcodes()
    for place, (tag, start, end, other_start, other_end) in enumerate(opcodes):
        if tag != "equal":
            yield from (DiffLine("removed", line) for line in old[start:end])
            yield from (DiffLine("added", line) for line in new[other_start:other_end])
            continue
        head = 0 if place == 0 else CONTEXT
        tail = 0 if place == len(opcodes) - 1 else CONTEXT
        equal = old[start:end]
        hidden = len(equal) - head - tail
        if hidden <= 1:
            yield from (DiffLine("same", line) for line in equal)
            continue
        yield from (DiffLine("same", line) for line in equal[:head])
        yield DiffLine("left out", f"{hidden} equal lines")
        yield from (DiffLine("same", line) for line in equal[len(equal) - tail :])
