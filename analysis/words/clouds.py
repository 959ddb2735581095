"""The words each speaker uses most, counted in a whole corpus or a sample of its dialogues.

After SoulChat's Figure 4 (words of the counselors) and Psy-Insight's Figure 5 (the 100 most frequent words).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.figures import Ranked, Ranking
from analysis.lexical.tokenizers import tokenizer_for
from analysis.lexical.tokenizing import tokens_of
from analysis.lexical.tokens import Tokens
from analysis.words.stop_words import LEFT_OUT, content_word
from filters.dialogue import CorpusEntry, Dialogue, Role

TOP = 100
"""Words shown: Psy-Insight, Figure 5."""
SAMPLE = 5_000
"""Dialogues that are counted. Measured on SMILECHAT: 98 or 99 of its 100 most frequent words are among the 100 of such a sample."""
STEPS = 9
"""Sizes of type in a cloud: our own choice."""

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWords:
    """The content words of one speaker. Both mappings have the same keys, most frequent first, equals by their text."""

    role: Role
    total: int
    """All content words, each as often as it occurs."""
    dialogues: int
    """Dialogues that were looked at, those where this speaker is silent too."""
    counts: Mapping[str, int]
    spread: Mapping[str, int]
    """In how many dialogues the speaker uses a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The content words of a corpus, by speaker."""

    client: RoleWords
    counselor: RoleWords
    tokenizer: str
    remark: str
    """What was not counted."""

    def of(self, role: Role) -> RoleWords:
        return self.client if role is Role.CLIENT else self.counselor


def words_of(
    corpus: Iterable[CorpusEntry | Dialogue], *, language: str, sample: int | None = SAMPLE, seed: int = 0
) -> Words:
    """Count the words of at most `sample` dialogues, drawn without replacement; None takes all.

    Words are those of the tokenizer "words" where `language` is "en", and of "jieba" for all else. Where a corpus has been
    cut into tokens already, `words_in` counts those.
    """
    dialogues = [one.dialogue if isinstance(one, CorpusEntry) else one for one in corpus]
    count = len(dialogues)
    remark = ""
    if sample is not None and sample < count:
        dialogues = [dialogues[place] for place in sorted(random.Random(seed).sample(range(count), sample))]
        remark = f"Counted in {sample:,} of {count:,} dialogues, drawn at random."
    tokens = tokens_of(dialogues, tokenizer_for(language))
    return words_in(tokens, dialogues, remark=remark)


def words_in(tokens: Tokens, dialogues: Sequence[Dialogue], *, remark: str = "") -> Words:
    """Count the words of a corpus that is cut into tokens; `dialogues` are the ones they were made from.

    Raises ValueError where the two do not fit.
    """
    roles = np.array(
        [role is Role.COUNSELOR for dialogue in dialogues for role, _ in dialogue.utterances], dtype=np.bool_
    )
    if len(roles) != len(tokens.utterances) - 1 or len(dialogues) != tokens.count_of_dialogues:
        raise ValueError("the tokens were made from other dialogues than these")
    vocabulary, place_of = _content(tokens.vocabulary)
    words = place_of[tokens.ids]
    dialogue_of = np.repeat(np.arange(len(dialogues)), np.diff(tokens.dialogues))
    by_counselor = np.repeat(roles, np.diff(tokens.utterances))
    counted = {
        role: _role_words(role, words[kept], dialogue_of[kept], vocabulary, len(dialogues))
        for role, said in ((Role.CLIENT, ~by_counselor), (Role.COUNSELOR, by_counselor))
        for kept in [said & (words >= 0)]
    }
    return Words(
        client=counted[Role.CLIENT],
        counselor=counted[Role.COUNSELOR],
        tokenizer=tokens.tokenizer,
        remark=f"{LEFT_OUT} {remark}".strip(),
    )


def word_ranking(words: Words, *, corpus: str, role: Role, top: int = TOP) -> Ranking:
    """The speaker's most frequent words. `n` is the number of content words that the shares are shares of."""
    said = words.of(role)
    ranked = [Ranked(word, count, count / said.total) for word, count in list(said.counts.items())[:top]]
    return Ranking(
        corpus=corpus,
        name=f"{role}_words",
        title=f"Words of the {role}",
        unit=content_words(role),
        n=said.total,
        entries=tuple(ranked),
        remark=words.remark if ranked else f"No content word of the {role}. {words.remark}",
    )


def content_words(role: Role) -> str:
    """What the shares of a role's words are shares of."""
    return f"content words of the {role}"


def size_steps(entries: Sequence[Ranked]) -> tuple[int, ...]:
    """A size of type for each entry, 1 to 9, by the square root of its count: so a word's area goes with its count.

    The rarest shown has 1 and the most frequent 9; where all are equal they have the middle one.
    """
    if not entries:
        return ()
    roots = [math.sqrt(entry.count) for entry in entries]
    low, high = min(roots), max(roots)
    if low == high:
        return ((STEPS + 1) // 2,) * len(entries)
    return tuple(1 + round((STEPS - 1) * (root - low) / (high - low)) for root in roots)


def _content(vocabulary: Sequence[str]) -> tuple[list[str], _Numbers]:
    """The content words, and for each token its place among them: -1 where it is none."""
    places: dict[str, int] = {}
    place_of = np.full(len(vocabulary), -1, dtype=np.int64)
    for number, token in enumerate(vocabulary):
        word = content_word(token)
        if word is not None:
            place_of[number] = places.setdefault(word, len(places))
    return list(places), place_of


def _role_words(
    role: Role, words: _Numbers, dialogue_of: _Numbers, vocabulary: Sequence[str], dialogues: int
) -> RoleWords:
    size = len(vocabulary)
    counts = np.bincount(words, minlength=size)
    pairs = dialogue_of * size + words
    pairs.sort()  # and not np.unique, which is far slower on long arrays
    first = np.ones(len(pairs), dtype=np.bool_)
    first[1:] = pairs[1:] != pairs[:-1]
    spread = np.bincount(pairs[first] % size if size else pairs, minlength=size)
    used = sorted(np.flatnonzero(counts).tolist(), key=lambda place: (-counts[place], vocabulary[place]))
    return RoleWords(
        role=role,
        total=len(words),
        dialogues=dialogues,
        counts={vocabulary[place]: int(counts[place]) for place in used},
        spread={vocabulary[place]: int(spread[place]) for place in used},
    )
