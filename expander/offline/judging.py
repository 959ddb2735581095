"""What the rule-based annotator says of the quality of a counselor's words: counts of cues, and no understanding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_CUES: Mapping[str, re.Pattern[str]] = {
    "empathy": re.compile(r"感受|理解|心疼|不容易|难过|委屈|辛苦|陪|听起来|understand|feel|sorry|hard for you|sounds like", re.IGNORECASE),
    "helpfulness": re.compile(r"可以|建议|试着|试试|不妨|方法|办法|could|try|suggest|one way|recommend", re.IGNORECASE),
    "comforting": re.compile(r"心疼|不容易|陪|没关系|辛苦|拥抱|放心|不是你的错|alone|okay|sorry|brave|gentle", re.IGNORECASE),
    "interactivity": re.compile(r"[？?]"),
    "explainability": re.compile(r"因为|所以|这样|意味着|because|so that|means|which is why", re.IGNORECASE),
}  # fmt: skip
_HARM = re.compile(r"活该|去死|你真没用|废物|没救了|滚|kill yourself|you deserve it|worthless", re.IGNORECASE)
_EVERY = 0.4
"""Cues an utterance for the highest score; half of that for the middle."""
_CLEARLY = 1.25
"""How many times the other's cues an utterance the better one must have; nearer is a tie."""


def scored(key: str, said: Sequence[str], low: int, high: int) -> int:
    """A score from `low` to `high` for the counselor's utterances, by a criterion's key."""
    if key == "safety":
        return low if any(map(_HARM.search, said)) else high
    if key == "content":
        return high if said and all(text.strip() for text in said) else low
    share = min(1.0, _rate(key, said) / _EVERY)
    return low + round(share * (high - low))


def better(key: str, first: Sequence[str], second: Sequence[str]) -> str:
    """A, B or tie: which has clearly more cues of the criterion, an utterance. The order does not count."""
    one, other = _rate(key, first), _rate(key, second)
    if one > _CLEARLY * other:
        return "A"
    return "B" if other > _CLEARLY * one else "tie"


def _rate(key: str, said: Sequence[str]) -> float:
    """Cues an utterance; for a criterion without cues of its own, those of empathy."""
    cues = _CUES.get(key, _CUES["empathy"])
    return sum(len(cues.findall(text)) for text in said) / len(said) if said else 0.0
