"""The labelled set, and how well the rules do on it.

The set was written by the authors of the rules, so its figures are optimistic: they show what the rules were meant to do
and keep a change from undoing it. They are no estimate for a corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from filters.privacy import PiiKind, find_pii
from filters.risk import RiskKind, find_risk_in

Part = Literal["risk", "pii"]
_FILE = Path(__file__).with_name("labelled_risk_pii.yaml")
_FOUND: dict[Part, Callable[[str], tuple[str, ...]]] = {
    "risk": lambda text: tuple(hit.kind for hit in find_risk_in(text)),
    "pii": lambda text: tuple(finding.kind for finding in find_pii(text)),
}
_KINDS: dict[Part, tuple[str, ...]] = {
    "risk": tuple(kind for kind in RiskKind if kind is not RiskKind.NONE),
    "pii": tuple(PiiKind),
}


class Example(NamedTuple):
    """A text and the kinds it holds; none is the empty tuple."""

    part: Part
    text: str
    kinds: tuple[str, ...]


class Figures(NamedTuple):
    """How a kind was found: examples that hold it and were found, were missed, and examples found without holding it."""

    part: str
    kind: str
    found: int
    missed: int
    wrong: int

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.wrong) if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed) if self.found else 0.0


@cache
def examples() -> tuple[Example, ...]:
    return tuple(_read())


def _read() -> Iterator[Example]:
    parts: dict[Part, dict[str, list[str]]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    for part, listed in parts.items():
        for kinds, texts in listed.items():
            labels = () if kinds == "none" else tuple(kinds.split(", "))
            yield from (Example(part, text, labels) for text in texts)


def kinds_found(example: Example) -> tuple[str, ...]:
    """The kinds the rules find in an example, as often as they find them."""
    return _FOUND[example.part](example.text)


def labelled_figures() -> tuple[Figures, ...]:
    """Per kind, and per part with every kind taken together as `any`: flagged or not. Units are examples."""
    found: Counter[tuple[str, str]] = Counter()
    missed: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for example in examples():
        predicted, expected = set(kinds_found(example)), set(example.kinds)
        for kinds in (predicted, expected):
            if kinds:
                kinds.add("any")
        found.update((example.part, kind) for kind in predicted & expected)
        missed.update((example.part, kind) for kind in expected - predicted)
        wrong.update((example.part, kind) for kind in predicted - expected)
    return tuple(
        Figures(part, kind, found[part, kind], missed[part, kind], wrong[part, kind])
        for part, kinds in _KINDS.items()
        for kind in (*kinds, "any")
    )
