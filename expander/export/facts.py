"""What is known of a corpus before it is exported: the part of its card that no file can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from expander.errors import UsageError
from expander.export.markdown import one_line


class Origin(StrEnum):
    """Who spoke. The card's warnings follow from it."""

    SYNTHETIC = "synthetic"
    """A language model rewrote posts."""
    BASELINE = "baseline"
    """The offline endpoint, a rule-based extractive rewriter: no language model was asked."""
    HUMAN = "human"
    """People did."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFacts:
    """One condition that dialogues were made under."""

    template: str
    template_hash: str
    model: str
    sampling: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelFacts:
    """A run's counts of rows, as its funnel has them."""

    kept: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    """By rule."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """By kind: rows that got no reply."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """By kind: rows of the input that are no row of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """Facts for the card. What is left at None is called not measured, or not stated, in it.

    The licence is asked for, never assumed: raises UsageError when it is blank, and when the name or the languages are.
    """

    name: str
    licence: str
    """As Hugging Face spells it (`cc-by-nc-4.0`), or the words of another."""
    languages: tuple[str, ...]
    """ISO 639-1 codes: `("zh",)`."""
    source: str
    """The corpus or posts this one was made from, for a reader."""
    origin: Origin
    program: str
    """Name and version of what exported it."""
    licence_link: str | None = None
    arms: tuple[ArmFacts, ...] = ()
    funnel: FunnelFacts | None = None
    repairs: Mapping[str, int] = field(default_factory=dict)
    """Lenient readings of replies, by name."""
    risk: Mapping[str, int] | None = None
    """Dialogues by kind of risk content, `none` among them."""
    risk_policy: str | None = None
    """What was done with them: flag, quarantine or drop, and by which word lists."""
    pii: str | None = None
    """How personal information was looked for and what became of it."""
    deduplication: str | None = None
    limits: tuple[str, ...] = ()
    """What a reader must also know, one sentence each."""

    def __post_init__(self) -> None:
        if not one_line(self.licence):
            raise UsageError(
                "A licence is needed, and none is assumed: say under which terms this corpus is handed on, as Hugging Face "
                "spells it (cc0-1.0, cc-by-nc-4.0, ...) or in words. What it was made from may bind you: the full PsyQA comes with an agreement."
            )
        if not one_line(self.name):
            raise UsageError("The corpus needs a name for its card.")
        if not any(one_line(language) for language in self.languages):
            raise UsageError("The corpus needs a language for its card: zh, en, ...")
