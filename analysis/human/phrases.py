"""Stock phrases: the clauses that counselors say word for word in dialogue after dialogue."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from analysis.figures import Ranked, Ranking
from analysis.human.labels import TOP
from filters.dialogue import Dialogue, Role

_SPLIT = re.compile("[，。！？；：、…,.!?;:\\n\\r]")
_CURLY = str.maketrans("’‘", "''")
_TRIMMED = " \t\u3000\u00a0\"'“”‘’「」『』（）()[]【】《》~～—-*"
_HAN = re.compile("[\u4e00-\u9fff]")
_MIN_HAN = 4
_MIN_WORDS = 3
"""Shorter clauses are back-channels (好的, 是的, "I see") and joints (比如说), which all counselors share."""
_LONGEST = 60
"""Longer clauses, in code points, are left out of rankings, whose entries must be read at a glance."""
_CANDIDATES = 2000
"""Most frequent clauses among which distinctive ones are sought; the ranking says so where that could matter."""


def clauses(text: str) -> list[str]:
    """The text's clauses in order, cut at punctuation, without quotes and white space around them, in lower case."""
    pieces = _SPLIT.split(text.lower().translate(_CURLY))
    return [clause for piece in pieces if (clause := piece.strip(_TRIMMED))]


def is_phrase(clause: str) -> bool:
    """Whether a clause is more than a greeting, a form of address or a back-channel: four characters or three words."""
    if _HAN.search(clause):
        return len(clause) >= _MIN_HAN
    return clause.count(" ") >= _MIN_WORDS - 1


def clause_ranking(corpus: str, dialogues: Sequence[Dialogue], k: int = TOP) -> Ranking:
    """The k counselor clauses that the most dialogues hold, each of at least two dialogues.

    Entries are counts and shares of dialogues with a counselor; a clause counts once a dialogue.
    """
    speaking = _with_counselor(dialogues)
    counts = _counts_of_top(speaking, k)
    return _ranking(
        corpus,
        "counselor_clauses",
        "Clauses that counselors repeat",
        "dialogues",
        len(speaking),
        [Ranked(clause, count, count / len(speaking)) for clause, count in counts[:k]],
        "Longer dialogues have room for more clauses.",
    )


def distinctive_clauses(
    corpus: str, dialogues: Sequence[Dialogue], reference: str, reference_dialogues: Sequence[Dialogue], k: int = TOP
) -> Ranking:
    """The k counselor clauses whose share of dialogues lies furthest above that in the reference.

    An entry's `count` is of the corpus's dialogues, its `share` the difference between the two shares.
    """
    speaking, others = _with_counselor(dialogues), _with_counselor(reference_dialogues)
    name, title = "distinctive_clauses", f"Clauses that counselors say more often than in {reference}"
    unit = f"dialogues, less the share in {reference}"
    if not others:
        return _ranking(corpus, name, title, unit, len(speaking), [], f"{reference} holds no counselor utterance.")
    candidates = _counts_of_top(speaking, _CANDIDATES)
    known = {clause for clause, _ in candidates}
    there: Counter[str] = Counter()
    for dialogue in others:
        there.update(known & _phrases(dialogue))
    entries = [Ranked(text, count, count / len(speaking) - there[text] / len(others)) for text, count in candidates]
    entries = sorted((entry for entry in entries if entry.share > 0), key=lambda entry: (-entry.share, entry.text))[:k]
    remark = "Longer dialogues have room for more clauses."
    if len(candidates) >= _CANDIDATES and (not entries or entries[-1].share < candidates[-1][1] / len(speaking)):
        remark += f" Sought among the {len(candidates)} most frequent clauses only."
    return _ranking(corpus, name, title, unit, len(speaking), entries, remark)


def top_texts(
    corpus: str, name: str, title: str, unit: str, texts: Collection[str], k: int, remark: str = ""
) -> Ranking:
    """The k most frequent of the texts, one of each dialogue; those that occur once are left out."""
    listed = sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))
    entries = [Ranked(text, count, count / len(texts)) for text, count in listed[:k] if count > 1]
    return _ranking(corpus, name, title, unit, len(texts), entries, remark)


def _ranking(corpus: str, name: str, title: str, unit: str, n: int, entries: Iterable[Ranked], remark: str) -> Ranking:
    ranked = tuple(entries)
    if not n:
        remark = "There is nothing to rank."
    elif not ranked and name != "distinctive_clauses":
        remark = "No two dialogues have one in common."
    return Ranking(corpus=corpus, name=name, title=title, unit=unit, n=n, entries=ranked, remark=remark)


def _counts_of_top(dialogues: Sequence[Dialogue], k: int) -> list[tuple[str, int]]:
    """The k most frequent clauses and all that tie with the last of them, with their counts, most frequent first.

    Two passes, the first over hashes alone: a corpus of 50,000 dialogues has two million different clauses, and a
    counter of them would take half a gigabyte.
    """
    hashes = [np.fromiter(map(hash, phrases), dtype=np.int64) for phrases in map(_phrases, dialogues) if phrases]
    if not hashes:
        return []
    values, counts = np.unique(np.concatenate(hashes), return_counts=True)
    least = max(2, int(np.sort(counts)[-min(k, len(counts))]))
    kept = frozenset(values[counts >= least].tolist())
    found: Counter[str] = Counter()
    for dialogue in dialogues:
        found.update([phrase for phrase in _phrases(dialogue) if hash(phrase) in kept])
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _phrases(dialogue: Dialogue) -> set[str]:
    return {
        clause
        for role, text in dialogue.utterances
        if role is Role.COUNSELOR
        for clause in clauses(text)
        if len(clause) <= _LONGEST and is_phrase(clause)
    }


def _with_counselor(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    return [said for said in dialogues if any(role is Role.COUNSELOR for role, _ in said.utterances)]
