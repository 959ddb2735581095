"""Rules over what a dialogue speaks of. Off unless asked for: risk is flagged by default, and removing it makes a corpus
that knows nothing of it.
"""

from __future__ import annotations

from filters.case import Case, Finding
from filters.dialogue import Dialogue
from filters.named_policies import would_take
from filters.risk import find_risk


def risk(case: Case) -> Finding | None:
    """Any risk finding (`filters.risk`), whoever says it."""
    findings = find_risk(Dialogue(case.reading.utterances))
    if not findings:
        return None
    kinds = ", ".join(dict.fromkeys(str(finding.kind) for finding in findings))
    first = findings[0]
    return Finding(f"risk: {kinds}", case.span(first.utterance, *first.span))


def soulchat_strings(case: Case) -> Finding | None:
    """The strings by which SoulChat filtered its samples, as far as they are published."""
    findings = would_take("soulchat", Dialogue(case.reading.utterances))
    if not findings:
        return None
    first = findings[0]
    place = first.utterance
    return Finding(f"utterance {place + 1} holds {first.string}", case.span(place, *first.span))
