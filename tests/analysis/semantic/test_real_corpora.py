"""The embedded default on real dialogues: one half of a dialogue must find the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from analysis.corpora import read_corpus
from analysis.lexical.tokens import Tokens
from analysis.semantic.cosine import pairwise
from analysis.semantic.cosine_difference import compare_means
from analysis.semantic.embedder import embedded
from analysis.semantic.neighbours import nearest
from analysis.semantic.tfidf import fit
from analysis.semantic.transformation import boundary, share_above, with_own_post, with_random_post
from filters.dialogue import CorpusEntry


def read(path: Path, count: int) -> list[list[str]]:
    entries = (entry for entry in read_corpus(path) if isinstance(entry, CorpusEntry))
    return [[said.text for said in entry.dialogue.utterances] for entry in islice(entries, count)]


def of_bigrams(texts: Sequence[str]) -> Tokens:
    """Pairs of characters, so that no tokenizer is needed here."""
    numbers: dict[str, int] = {}
    made = [[numbers.setdefault(text[at : at + 2], len(numbers)) for at in range(len(text) - 1)] for text in texts]
    bounds = np.cumsum([0, *map(len, made)])
    ids = np.array([number for each in made for number in each], dtype=np.int32)
    return Tokens(ids=ids, dialogues=bounds, utterances=bounds, vocabulary=tuple(numbers), tokenizer="bigrams")


def test_half_a_dialogue_does_not_find_its_other_half(data: Path) -> None:
    dialogues = [each for each in read(data / "smilechat.jsonl.xz", 400) if len(each) >= 8]
    first = of_bigrams(["".join(each[: len(each) // 2]) for each in dialogues])
    second = of_bigrams(["".join(each[len(each) // 2 :]) for each in dialogues])
    model = fit([first, second])
    one, two = model.embed_tokens(first), model.embed_tokens(second)
    assert embedded(one).all()
    found = nearest(one, two)
    # Measured: 0.45 of 539, where chance would find 0.002.
    assert (found.places == np.arange(len(dialogues))).mean() > 0.3
    own = with_own_post(two, one, np.arange(len(dialogues))).values
    others = with_random_post(two, one, np.arange(len(dialogues))).values
    assert own.mean() > others.mean() + 0.2
    line = boundary(own)
    assert line is not None
    assert (share_above(own, line) or 0) > 0.98


def test_corpora_in_two_languages_share_no_axes_or_break_the_figures(data: Path) -> None:
    chinese, english = (
        of_bigrams(["".join(each) for each in read(data / name, 150)])
        for name in ("smilechat.jsonl.xz", "psy_insight_en.json")
    )
    model = fit([chinese, english])
    one, two = model.embed_tokens(chinese), model.embed_tokens(english)
    assert abs(float((one @ two.T).mean())) < 0.1
    assert pairwise(one, corpus="zh").distribution is not None
    found = compare_means(one, two, corpus="zh", reference="en")
    assert found.p is not None
    assert found.interval is not None
    assert found.interval.low < (found.difference or 0) < found.interval.high
