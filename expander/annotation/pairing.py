"""Which dialogue of one corpus stands against which of the other."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from filters.dialogue import CorpusEntry


class Pair(NamedTuple):
    """Two dialogues, and what they have in common: `post`, `question`, or nothing but `chance`."""

    one: CorpusEntry
    other: CorpusEntry
    by: str


def pairs(corpus: Sequence[CorpusEntry], against: Sequence[CorpusEntry], *, seed: int) -> list[Pair]:
    """Pairs of dialogues made from one post, in the corpus's order; else of one question; else drawn by the seed.

    No dialogue is in two pairs. Dialogues without a partner are left out, so there may be fewer pairs than dialogues; two
    ways of pairing are never mixed.
    """
    for by, key in _KEYS.items():
        if matched := _matched(corpus, against, key, by):
            return matched
    chance = random.Random(f"{seed}\x1fpairs")
    first, second = list(corpus), list(against)
    chance.shuffle(first)
    chance.shuffle(second)
    return [Pair(one, other, "chance") for one, other in zip(first, second, strict=False)]


def _matched(
    corpus: Sequence[CorpusEntry], against: Sequence[CorpusEntry], key: Callable[[CorpusEntry], str | None], by: str
) -> list[Pair]:
    waiting: defaultdict[str, deque[CorpusEntry]] = defaultdict(deque)
    for entry in against:
        if (name := key(entry)) is not None:
            waiting[name].append(entry)
    return [
        Pair(entry, waiting[name].popleft(), by)
        for entry in corpus
        if (name := key(entry)) is not None and waiting.get(name)
    ]


def _post(entry: CorpusEntry) -> str | None:
    provenance = entry.extra.get("provenance")
    found = provenance.get("post_id") if isinstance(provenance, Mapping) else None
    return found if isinstance(found, str) and found else None


_KEYS: Mapping[str, Callable[[CorpusEntry], str | None]] = {"post": _post, "question": lambda entry: entry.question_id}
