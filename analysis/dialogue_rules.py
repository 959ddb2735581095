"""The job's own rules on a dialogue that is already parsed: what a corpus of any maker is measured by.

Rules that need the raw reply (its finish reason, its lines, the repairs it took) or the post's answer do not apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from filters.case import Case, Context, Finding, Rule
from filters.dialogue import CorpusEntry, Dialogue, DialogueFormat, Rejection, Role
from filters.reading import Reading
from filters.rules import RULES
from filters.template_text import repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What an audit asks of each dialogue. Raises ValueError for turn bounds that nothing could meet.

    Five turns are SMILE's Appendix B.2. Who opens and closes is what trainers' chat formats ask for; None asks nothing.
    `template_texts` are prompts, before a post was put in, whose instructions must not stand in a dialogue.
    """

    min_turns: int = 5
    max_turns: int | None = None
    opens_with: Role | None = Role.CLIENT
    closes_with: Role | None = Role.COUNSELOR
    template_texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.min_turns < 0 or (self.max_turns is not None and self.max_turns < self.min_turns):
            raise ValueError(f"no dialogue can have {self.min_turns} turns at least and {self.max_turns} at most")


def _same_speaker_twice(case: Case) -> Finding | None:
    utterances = case.reading.utterances
    places = [place for place, (first, second) in enumerate(pairwise(utterances), 2) if first.role is second.role]
    if not places:
        return None
    reason = f"{len(places)} times one speaker speaks twice in a row, first in utterance {places[0]}"
    return Finding(reason, case.span(places[0] - 1))


_APPLIED = (
    *("broken-characters", "special-token", "leaked-label", "same-speaker-twice", "empty-utterance"),
    *("wrong-opening", "wrong-closing", "too-few-turns", "too-many-turns", "english-ending"),
    *("placeholder", "template-leak", "foreign-link", "assistant-voice", "repetition-loop"),
)
# In a reply this rule counts the repairs that reading took; here nothing was merged, so the speakers themselves tell.
_OWN_CHECKS = {"same-speaker-twice": _same_speaker_twice}
_MERGED = "speakers-merged"

DIALOGUE_RULES: tuple[Rule, ...] = tuple(
    rule._replace(check=_OWN_CHECKS.get(rule.name, rule.check)) for rule in RULES if rule.name in _APPLIED
)
"""The rules that apply, in the job's order, under the job's names."""

_NO_CONTEXT = Context()
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def objections(entry: CorpusEntry, demands: Demands) -> Iterator[Rejection]:
    """Every rule's objection to a dialogue, in the rules' order.

    Spans count code points in the utterances joined by line breaks. A dialogue with no Chinese character before its last
    utterance is taken for an English one, whose English ending is no fault.
    """
    case = _case(entry.dialogue, demands)
    for rule in DIALOGUE_RULES:
        finding = rule.check(case)
        if finding is None and rule.name == "same-speaker-twice":
            finding = _merged_in_reading(entry)
        if finding is not None:
            yield Rejection(rule.name, *finding)


def _merged_in_reading(entry: CorpusEntry) -> Finding | None:
    """Labelled text: the reader has joined them, and says so."""
    repairs = entry.extra.get("repairs")
    times = repairs.get(_MERGED) if isinstance(repairs, dict) else None
    return Finding(f"{times} times one speaker speaks twice in a row, joined by the reading") if times else None


def _case(dialogue: Dialogue, demands: Demands) -> Case:
    utterances = dialogue.utterances
    spans: list[tuple[int, int]] = []
    start = 0
    for _, said in utterances:
        spans.append((start, start + len(said)))
        start += len(said) + 1
    text = "\n".join(said for _, said in utterances)
    before_last = spans[-1][0] or len(text)
    return Case(
        text=text,
        reading=Reading(utterances, tuple(spans)),
        fmt=_format(demands, english=not _HAN.search(text, 0, before_last)),
        finish_reason=None,
        context=_NO_CONTEXT,
        strict=False,
        min_turns=demands.min_turns,
        max_turns=demands.max_turns,
        repeated=tuple(unit for template in demands.template_texts for unit in repeated(template, text)),
    )


@lru_cache(maxsize=16)
def _format(demands: Demands, *, english: bool) -> DialogueFormat:
    return DialogueFormat(
        client_labels=("求助者",),
        counselor_labels=("支持者",),
        min_turns=demands.min_turns,
        max_turns=demands.max_turns,
        opens_with=demands.opens_with,
        closes_with=demands.closes_with,
        english=english,
    )
