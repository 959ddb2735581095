"""Which dialogues a person should read for risk to life, and what a run does with them.

Recall-oriented word lists, not a clinical instrument: `risk_words.yaml` states their source and limits. A finding says
that certain words stand in a certain place, not that anyone is at risk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from filters.dialogue import Dialogue, Role, Span
from filters.phrases import PhraseList, phrase_list

_FILE = Path(__file__).with_name("risk_words.yaml")


class RiskKind(StrEnum):
    """What the words are about, in rising order of how soon someone should look; a dialogue may hold several."""

    NONE = "none"
    SELF_HARM = "self-harm"
    SUICIDAL_IDEATION = "suicidal-ideation"
    PLAN_OR_ACTION = "plan-or-action"
    HARM_TO_OTHERS = "harm-to-others"


class RiskHit(NamedTuple):
    """Words of risk in one text: the kind, where, and the list's entry."""

    kind: RiskKind
    span: Span
    entry: str


class RiskFinding(NamedTuple):
    """A hit in a dialogue. `utterance` counts from 0; `span` is in that utterance's text."""

    kind: RiskKind
    utterance: int
    role: Role
    span: Span
    entry: str


def find_risk(dialogue: Dialogue) -> tuple[RiskFinding, ...]:
    """Every hit in every utterance of both speakers, in order. Time grows with the text; never raises."""
    # One search over the whole spares the search of each utterance where there is nothing, which is most dialogues.
    # No entry matches a line break, so the whole holds a hit exactly where an utterance does.
    if not find_risk_in("\n".join([said for _, said in dialogue.utterances])):
        return ()
    return tuple(
        RiskFinding(hit.kind, place, role, hit.span, hit.entry)
        for place, (role, said) in enumerate(dialogue.utterances)
        for hit in find_risk_in(said)
    )


def find_risk_in(text: str) -> tuple[RiskHit, ...]:
    """Every hit in one text, such as a post, in order."""
    return tuple(RiskHit(RiskKind(kind), span, entry) for kind, entry, span in _risk().search(text))


def kinds(findings: Iterable[RiskFinding | RiskHit]) -> tuple[RiskKind, ...]:
    """The kinds found, each once, in the order of `RiskKind`; empty where nothing was found."""
    found = {finding.kind for finding in findings}
    return tuple(kind for kind in RiskKind if kind in found)


def level(findings: Iterable[RiskFinding | RiskHit]) -> RiskKind:
    """The last of the kinds found in the order of `RiskKind`; `none` where nothing was found."""
    return max(kinds(findings), key=list(RiskKind).index, default=RiskKind.NONE)


def points_to_help(dialogue: Dialogue) -> bool:
    """Whether the counselor names, at least once, help outside the dialogue: a professional, a hotline, emergency services,
    someone to be with.

    What the client says does not count, nor a counselor's own title, nor advice against it. It reads words, so a pointer that
    has nothing to do with the risk counts as well.
    """
    return any(role is Role.COUNSELOR and _help().search(said) for role, said in dialogue.utterances)


class RiskPolicy(StrEnum):
    """What a run does with a dialogue in which risk was found."""

    FLAG = "flag"
    QUARANTINE = "quarantine"
    DROP = "drop"


class Fate(StrEnum):
    """Where a dialogue goes: into the corpus, into a file of its own for a person to read, or out."""

    KEEP = "keep"
    QUARANTINE = "quarantine"
    DROP = "drop"


class RiskDecision(NamedTuple):
    """A policy's word on one dialogue. `lacks_help`: there is risk, and the counselor never points to help."""

    fate: Fate
    level: RiskKind
    kinds: tuple[RiskKind, ...]
    lacks_help: bool

    @property
    def flagged(self) -> bool:
        return bool(self.kinds)


_FATES = {RiskPolicy.FLAG: Fate.KEEP, RiskPolicy.QUARANTINE: Fate.QUARANTINE, RiskPolicy.DROP: Fate.DROP}


def apply_policy(findings: Sequence[RiskFinding], helped: bool, policy: RiskPolicy) -> RiskDecision:  # noqa: FBT001
    """What becomes of a dialogue with these findings; `helped` is `points_to_help` of it. Without findings it is kept."""
    fate = _FATES[policy] if findings else Fate.KEEP
    return RiskDecision(fate, level(findings), kinds(findings), bool(findings) and not helped)


@cache
def _words() -> Mapping[str, Any]:
    words: Mapping[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return words


@cache
def _risk() -> PhraseList:
    words = _words()
    cores = [core for row in words["cores"] for core in row]
    return phrase_list(words["kinds"], words["innocuous"], words["traditional"], cores)


@cache
def _help() -> PhraseList:
    words = _words()
    return phrase_list({"help": words["help"]}, words["not_help"], words["traditional"])
