"""Words that mark a corpus off from another: used more there than the amount of text lets one expect.

Log-odds ratio with an informative Dirichlet prior, ranked by its z (Monroe, Colaresi and Quinn 2008, "Fightin' Words:
Lexical Feature Selection and Evaluation for Identifying the Content of Political Conflict", section 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.figures import Ranked, Ranking
from analysis.words.clouds import TOP, RoleWords, Words, content_words
from filters.dialogue import Role

PRIOR = 1_000.0
"""Words that the prior is worth, spread as in both corpora together. Our own choice; measured on 3,000 dialogues of SMILECHAT
against Psy-Insight's Chinese sessions: at least 18 of the 20 words that lead stay the same from 10 to 100,000."""
FEWEST_DIALOGUES = 5
FEWEST_SHARE = 0.01
"""A word must occur in so many of the corpus's dialogues, and in this share of them: one long dialogue marks no corpus.
Our own choice."""

CAVEAT = (
    "Ordered by z of the log-odds ratio, which takes each word as said independently; words of one dialogue hang together, so "
    "the order tells which words differ most, and not how sure that is."
)


@dataclass(frozen=True, slots=True)
class Marker:
    """A word that marks a corpus."""

    word: str
    count: int
    share: float
    """Of the corpus's content words."""
    reference_share: float
    z: float


def distinctive(words: RoleWords, reference: RoleWords, *, top: int = TOP) -> tuple[Marker, ...]:
    """Words that the corpus uses more than the reference does, the largest z first, equals by their text.

    Only words of at least five dialogues, and of 1 % of them, count. Empty where either side has no word.
    """
    if not words.total or not reference.total:
        return ()
    both = words.total + reference.total
    fewest = max(FEWEST_DIALOGUES, FEWEST_SHARE * words.dialogues)
    found = []
    for word, count in words.counts.items():
        if words.spread[word] < fewest:
            continue
        other = reference.counts.get(word, 0)
        if count + other == both:
            continue  # the only word on either side: no odds
        z = _z(count, words.total, other, reference.total, PRIOR * (count + other) / both)
        if z > 0:
            found.append(Marker(word, count, count / words.total, other / reference.total, z))
    return tuple(sorted(found, key=lambda marker: (-marker.z, marker.word))[:top])


def distinctive_ranking(
    words: Words, reference: Words, *, corpus: str, reference_name: str, role: Role = Role.COUNSELOR, top: int = TOP
) -> Ranking:
    """The words of one speaker that mark the corpus, in order of z; counts and shares are the corpus's own."""
    mine, theirs = words.of(role), reference.of(role)
    markers = distinctive(mine, theirs, top=top) if words.tokenizer == reference.tokenizer else ()
    return Ranking(
        corpus=corpus,
        name=f"distinctive_{role}_words",
        title=f"Words of the {role} that mark {corpus} against {reference_name}",
        unit=content_words(role),
        n=mine.total,
        entries=tuple(Ranked(marker.word, marker.count, marker.share) for marker in markers),
        remark=CAVEAT if markers else _why_none(words, reference, role),
    )


def _z(count: int, total: int, other: int, other_total: int, prior: float) -> float:
    """The log-odds ratio over its standard deviation. `prior` is the word's part of PRIOR."""
    odds = (count + prior) / (total + PRIOR - count - prior)
    other_odds = (other + prior) / (other_total + PRIOR - other - prior)
    return math.log(odds / other_odds) / math.sqrt(1 / (count + prior) + 1 / (other + prior))


def _why_none(words: Words, reference: Words, role: Role) -> str:
    if words.tokenizer != reference.tokenizer:
        return "The two corpora are cut into words in different ways, as those of two languages are; no word can be compared."
    if not words.of(role).total or not reference.of(role).total:
        return f"One of the two corpora has no content word of the {role}."
    return (
        f"No word that {FEWEST_DIALOGUES} dialogues and {FEWEST_SHARE:.0%} of them share is used more here than there."
    )
