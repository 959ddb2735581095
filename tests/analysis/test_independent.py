"""Counts and distinct-n, written again in plain Python, on real corpora: two ways that must meet."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import jieba
import pytest

from analysis.corpora import read_corpus
from analysis.corpus_statistics import statistics_frame, totals
from analysis.lexical.distinct import distinct
from analysis.lexical.tokenizing import tokens_of
from filters.dialogue import CorpusEntry, Dialogue

Plain = list[tuple[str, str]]
"""A dialogue as (role, text) pairs, read by this file alone."""

_ENGLISH_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|\S")
CUTTERS: dict[str, Callable[[str], Iterable[str]]] = {
    "jieba": jieba.lcut,
    "characters": list,
    "words": _ENGLISH_WORD.findall,
}


def smilechat(path: Path) -> Iterator[Plain]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield [(message["role"], message["content"]) for message in json.loads(line)["messages"]]


def psy_insight(path: Path) -> Iterator[Plain]:
    roles = {"seeker": "client", "supporter": "counselor"}
    for session in json.loads(path.read_text("utf-8")):
        yield [(roles[said["speaker"].strip().lower()], said["content"]) for said in session["dialog"]]


def psyqa(path: Path) -> Iterator[Plain]:
    for question in json.loads(path.read_text("utf-8")):
        asked = "\n".join(part for part in (question["question"], question.get("description")) if part)
        for answer in question["answers"]:
            yield [("client", asked), ("counselor", answer["answer_text"])]


def plain_distinct(dialogues: list[Plain], tokenizer: str) -> dict[int, tuple[int, int]]:
    """Unique and all n-grams by n."""
    cut = CUTTERS[tokenizer]
    unique: dict[int, set[tuple[str, ...]]] = {1: set(), 2: set(), 3: set()}
    total = dict.fromkeys(unique, 0)
    for dialogue in dialogues:
        tokens = [token for _, text in dialogue for token in cut(text) if token.strip()]
        for n, seen in unique.items():
            grams = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
            seen.update(grams)
            total[n] += len(grams)
    return {n: (len(unique[n]), total[n]) for n in unique}


def plain_counts(dialogues: list[Plain]) -> dict[str, tuple[int, int, int]]:
    """Utterances, Chinese sentences and characters: of both, the client, the counselor."""
    said = [utterance for dialogue in dialogues for utterance in dialogue]
    counts = {}
    for name, count in (
        ("utterances", lambda _: 1),
        ("sentences", lambda text: sum(1 for piece in re.split("[。！？]", text) if piece != "")),
        ("characters", len),
    ):
        by_role = {role: sum(count(text) for who, text in said if who == role) for role in ("client", "counselor")}
        counts[name] = (sum(by_role.values()), by_role["client"], by_role["counselor"])
    return counts


def ours(path: Path, most: int | None = None) -> list[Dialogue]:
    entries = (entry for entry in read_corpus(path) if isinstance(entry, CorpusEntry))
    return [entry.dialogue for entry in islice(entries, most)]


CORPORA: dict[str, Callable[[Path], Iterator[Plain]]] = {
    "smilechat.jsonl.xz": smilechat,
    "psy_insight_cn.json": psy_insight,
    "psy_insight_en.json": psy_insight,
    "psyqa_sample.json": psyqa,
}
_SLICE = 400


@pytest.mark.parametrize(
    ("name", "tokenizers"),
    [
        ("smilechat.jsonl.xz", ("jieba", "characters")),
        ("psy_insight_cn.json", ("jieba", "characters")),
        ("psy_insight_en.json", ("words", "characters")),
        ("psyqa_sample.json", ("jieba", "characters")),
    ],
)
def test_distinct_n_differs_from_sets_of_tuples(data: Path, name: str, tokenizers: tuple[str, ...]) -> None:
    plain = list(islice(CORPORA[name](data / name), _SLICE))
    dialogues = ours(data / name, _SLICE)
    assert [[(str(role), text) for role, text in each.utterances] for each in dialogues] == plain
    for tokenizer in tokenizers:
        tokens = tokens_of(dialogues, tokenizer)
        found = {n: distinct(tokens, n) for n in (1, 2, 3)}
        wanted = plain_distinct(plain, tokenizer)
        assert {n: (each.unique, each.total) for n, each in found.items()} == wanted
        assert {n: each.value for n, each in found.items()} == {
            n: unique / total for n, (unique, total) in wanted.items()
        }
        assert wanted[1][1] - wanted[2][1] == len(plain)  # Table 1 of SMILE obeys this


@pytest.mark.parametrize("name", [name for name in CORPORA if "_en" not in name])
def test_counts_differ_from_a_plain_loop(data: Path, name: str) -> None:
    plain = list(CORPORA[name](data / name)) if "smilechat" not in name else list(islice(smilechat(data / name), 2000))
    found = totals(statistics_frame(ours(data / name, 2000)))
    counts = plain_counts(plain)
    assert found.dialogues == len(plain)
    for key, wanted in counts.items():
        got = getattr(found, key)
        assert (got.total, got.client, got.counselor) == wanted, key


def test_english_utterances_and_characters_differ_from_a_plain_loop(data: Path) -> None:
    name = "psy_insight_en.json"
    found = totals(statistics_frame(ours(data / name)))
    counts = plain_counts(list(psy_insight(data / name)))
    assert tuple(found.utterances) == counts["utterances"]
    assert tuple(found.characters) == counts["characters"]


@pytest.mark.slow
def test_the_whole_of_smilechat_differs_from_sets_of_tuples(data: Path) -> None:
    """Characters: jieba's own loop takes two minutes. Sentences and turns are those of SMILE's Table 3."""
    path = data / "smilechat.jsonl.xz"
    plain, dialogues = list(smilechat(path)), ours(path)
    tokens = tokens_of(dialogues, "characters")
    wanted = plain_distinct(plain, "characters")
    assert {n: (each.unique, each.total) for n in (1, 2, 3) for each in (distinct(tokens, n),)} == wanted
    counts, found = plain_counts(plain), totals(statistics_frame(dialogues))
    assert counts["sentences"] == (1_833_856, 693_756, 1_140_100)
    for key, each in counts.items():
        assert tuple(getattr(found, key)) == each
    assert found.turns_per_dialogue == counts["utterances"][0] / 2 / len(plain)
