"""Which topics of a codebook a dialogue is like: by the words that their names and definitions share with it."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

MOST = 4
"""Topics of one dialogue: SMILE's annotator gave between three and five."""
NEAR = 0.6
"""Share of the best topic's likeness that a further one must have."""
_NAMED = 3.0  # weight of a part of a topic's name against one of its definition
_LINE = re.compile(r"^\d+\. ([^:\n]+)(?:: (.*))?$", re.MULTILINE)
_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[A-Za-z]+")
_SHORTEST_WORD = 4  # letters; shorter English words are mostly grammar
_GRAMMAR = frozenset(
    "的了是不我你他她它们在有和与或对被把等这那个着到从为以及上下中里人自己说想要会能可没很都也就还过得地之其所时"
)
"""Characters of words that stand in every dialogue: a pair that holds one says little about its topic."""
_GENERAL = frozenset(
    {
        "问题",
        "困扰",
        "探索",
        "包括",
        "例如",
        "怎样",
        "如何",
        "知道",
        "一种",
        "因为",
        "觉得",
        "什么",
        "情绪",
        "长期",
        "反复",
        "身边",
    }
)
"""Pairs that many definitions share with dialogues of any topic."""


class _Topic(NamedTuple):
    name: str
    weights: dict[str, float]
    norm: float


def likely_topics(definitions: str, dialogue: str) -> list[str]:
    """Names of the likeliest topics, best first; the codebook's first where the dialogue shares no word with any."""
    topics = _topics(definitions)
    parts = Counter(_parts(dialogue))
    likeness = {
        topic.name: sum(weight * (1 + math.log(parts[part])) for part, weight in topic.weights.items() if part in parts)
        / topic.norm
        for topic in topics
    }
    ranked = sorted(likeness, key=lambda name: -likeness[name])
    least = NEAR * likeness[ranked[0]] if ranked else 0.0
    return [name for name in ranked[:MOST] if likeness[name] >= least and likeness[name] > 0] or ranked[:1]


@lru_cache(maxsize=8)
def _topics(definitions: str) -> tuple[_Topic, ...]:
    read = [(name.strip(), _parts(name), _parts(definition)) for name, definition in _LINE.findall(definitions)]
    spread = Counter(part for _, named, defined in read for part in {*named, *defined})
    topics = []
    for name, named, defined in read:
        weights = {
            part: (_NAMED if part in named else 1.0) * math.log(1 + len(read) / spread[part])
            for part in {*named, *defined}
        }
        topics.append(_Topic(name, weights, math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0))
    return tuple(topics)


def _parts(text: str) -> list[str]:
    """Pairs of Chinese characters, and English words."""
    parts: list[str] = []
    for run in _RUN.findall(text):
        if run.isascii():
            parts += [run.lower()] if len(run) >= _SHORTEST_WORD else []
        else:
            pairs = (run[place : place + 2] for place in range(len(run) - 1))
            parts += [pair for pair in pairs if pair not in _GENERAL and _GRAMMAR.isdisjoint(pair)]
    return parts
