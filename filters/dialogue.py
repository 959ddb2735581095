"""The types every room shares: who speaks, what was said, what a template promises, what a rule decided.

This is the ground floor. It imports nothing of the project and holds no logic beyond derived counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """The two speakers. SMILE calls them help-seeker and supporter, SoulChat user and psychologist."""

    CLIENT = "client"
    COUNSELOR = "counselor"


class Utterance(NamedTuple):
    """One message of one speaker, without its label."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Utterances in order of speaking."""

    utterances: tuple[Utterance, ...]

    @property
    def turns(self) -> int:
        """Full exchanges, a client utterance with a counselor utterance: utterances / 2, rounded down."""
        return len(self.utterances) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueFormat:
    """What a template asks of a reply, and so what the rules may demand of it.

    The first label of each role is the one the template prints; the others are accepted spellings.
    """

    client_labels: tuple[str, ...]
    counselor_labels: tuple[str, ...]
    min_turns: int
    max_turns: int | None = None
    opens_with: Role | None = None
    closes_with: Role | None = None
    preamble: bool = False
    """Text before the first utterance is allowed (SoulChat's prompt asks for an analysis first)."""
    english: bool = False
    """The dialogue itself may be in English, so an English last sentence is no fault."""


class Span(NamedTuple):
    """Half-open range of code points in the reply's text."""

    start: int
    end: int


class Rejection(NamedTuple):
    """Why a reply is not kept: the rule's name, a sentence for a person, and where in the reply."""

    rule: str
    reason: str
    span: Span | None = None


class Repair(NamedTuple):
    """A lenient reading that changed the reply's form, never its wording, so many `times` in this reply."""

    name: str
    times: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A pure function's word on one reply. Kept means: no rejection, and a dialogue."""

    dialogue: Dialogue | None
    rejection: Rejection | None
    repairs: tuple[Repair, ...] = ()

    @property
    def kept(self) -> bool:
        return self.rejection is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusEntry:
    """One dialogue of a corpus, whoever made it: a run, a published set, or human sessions."""

    id: str
    dialogue: Dialogue
    place: str
    """File and line, or file and number, for a message to a person."""
    question_id: str | None = None
    """Equal for dialogues made from one question; splits must not part them."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """What else the corpus says of it: topic, strategy labels, provenance; names as the corpus has them."""
