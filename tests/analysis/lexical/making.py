"""Tokens for the tests: from plain lists of ids, from texts, and from a simulated source of dialogues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.corpora import BrokenEntry, read_corpus
from analysis.lexical.tokens import Tokens
from filters.dialogue import Dialogue


def tokens_from(dialogues: Sequence[Sequence[int] | npt.NDArray[np.integer]], size: int = 10_000) -> Tokens:
    """A corpus of one-utterance dialogues of these ids, each below `size`."""
    bounds = np.concatenate(([0], np.cumsum([len(dialogue) for dialogue in dialogues], dtype=np.int64)))
    ids = np.concatenate([np.empty(0, np.int32), *(np.asarray(dialogue, np.int32) for dialogue in dialogues)])
    return Tokens(
        ids=ids.astype(np.int32),
        dialogues=bounds.astype(np.int64),
        utterances=bounds.astype(np.int64),
        vocabulary=tuple(map(str, range(size))),
        tokenizer="words",
    )


def rows_of(tokens: Tokens) -> list[list[str]]:
    """The tokens of each dialogue as texts."""
    return [
        [tokens.vocabulary[place] for place in tokens.ids[start:end].tolist()]
        for start, end in zip(tokens.dialogues[:-1].tolist(), tokens.dialogues[1:].tolist(), strict=True)
    ]


def plain_distinct(rows: Sequence[Sequence[object]], n: int) -> tuple[int, int]:
    """Unique and total n-grams, as sets of tuples: the independent count."""
    grams = [tuple(row[place : place + n]) for row in rows for place in range(len(row) - n + 1)]
    return len(set(grams)), len(grams)


def read(path: Path, limit: int) -> Iterator[Dialogue]:
    """The first dialogues of a corpus."""
    return islice((entry.dialogue for entry in read_corpus(path) if not isinstance(entry, BrokenEntry)), limit)


class Source:
    """Dialogues of uneven length over a Zipf-Mandelbrot vocabulary, each on a topic of its own words, with bursts."""

    def __init__(self, seed: int, *, kinds: int = 2_000, topics: int = 20) -> None:
        self.rng = np.random.default_rng(seed)
        self.kinds = kinds
        # Exponent and shift near those of running text (Mandelbrot 1953).
        base = 1 / (np.arange(1, kinds + 1) + 2.7) ** 1.1
        weights = base * self.rng.gamma(0.3, 1 / 0.3, (topics, kinds))
        self.reach = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)

    def dialogues(self, count: int, mean: float = 60) -> list[npt.NDArray[np.integer]]:
        return [self._dialogue(mean) for _ in range(count)]

    def tokens(self, count: int, mean: float = 60) -> Tokens:
        return tokens_from(self.dialogues(count, mean), self.kinds)

    def of_size(self, target: int, mean: float = 60) -> Tokens:
        """Dialogues up to `target` tokens, the last one cut there."""
        said: list[npt.NDArray[np.integer]] = []
        while (left := target - sum(map(len, said))) > 0:
            said.append(self._dialogue(mean)[:left])
        return tokens_from(said, self.kinds)

    def _dialogue(self, mean: float) -> npt.NDArray[np.integer]:
        length = max(3, int(self.rng.lognormal(np.log(mean), 0.5)))
        topic = self.reach[self.rng.integers(len(self.reach))]
        ids = np.minimum(np.searchsorted(topic, self.rng.random(length)), self.kinds - 1)
        # One token in five repeats an earlier one.
        for place in np.flatnonzero(self.rng.random(length) < 0.2):
            if place:
                ids[place] = ids[self.rng.integers(place)]
        return ids
