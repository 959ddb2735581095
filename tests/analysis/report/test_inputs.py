from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report.inputs import (
    FEW_DIALOGUES,
    LONG_UTTERANCE,
    corpus_name,
    corpus_remarks,
    fingerprints,
    shared_dialogues,
    unique_names,
)
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from tests.analysis.making import dialogue
from tests.analysis.report.composed import corpus, entry, talk


def remarks(*said: Dialogue, language: str = "zh", broken: int = 0) -> tuple[str, ...]:
    given = corpus("c", [entry(place, each) for place, each in enumerate(said)], broken=broken)
    return corpus_remarks(given, language, len(fingerprints(given)))


MANY = [talk(number) for number in range(FEW_DIALOGUES)]


def test_a_sound_corpus_is_remarked_upon() -> None:
    assert remarks(*MANY) == ()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param([], "no dialogue", id="none"),
        pytest.param(MANY[:1], "one dialogue", id="one"),
        pytest.param(MANY[:-1], f"{FEW_DIALOGUES - 1} dialogues only", id="few"),
        pytest.param([Dialogue((Utterance(Role.COUNSELOR, "好。"),))], "Only the counselor speaks", id="one speaker"),
        pytest.param([dialogue("累", " \n")], "1 utterances of the counselor are empty", id="empty"),
        pytest.param([dialogue("累" * (LONG_UTTERANCE + 1), "嗯")], f"{LONG_UTTERANCE + 1:,} characters", id="long"),
        pytest.param([*MANY, MANY[0], MANY[1]], f"2 of its {FEW_DIALOGUES + 2} dialogues", id="repeated"),
    ],
)
def test_a_reader_is_not_told(said: list[Dialogue], words: str) -> None:
    assert any(words in remark for remark in remarks(*said))


def test_a_corpus_at_the_bounds_is_remarked_upon() -> None:
    assert remarks(*MANY[1:], dialogue("累" * LONG_UTTERANCE, "嗯。")) == ()


def test_broken_entries_or_mixed_languages_are_not_told() -> None:
    assert any("3 entries could not be read" in remark for remark in remarks(*MANY, broken=3))
    assert any("mixed" in remark for remark in remarks(*MANY, language="mixed"))


@pytest.mark.parametrize(
    ("extra", "post"),
    [
        ({}, None),
        ({"provenance": None}, None),
        ({"provenance": "p"}, None),
        ({"provenance": {"post_id": 3}}, None),
        ({"provenance": {"post_id": ""}}, None),
        ({"provenance": {"post_id": "p"}}, "p"),
    ],
)
def test_another_post_is_read_from_an_entry(extra: dict[str, object], post: str | None) -> None:
    one = CorpusEntry(id="x", dialogue=talk(1), place="p", extra=extra)
    assert corpus("c", [one]).post_of(one) == post
    assert corpus("c", [one], from_posts=False).post_of(one) is None


@pytest.mark.parametrize(
    ("path", "name"), [("a/corpus.jsonl.gz", "corpus"), ("a/run-1", "run-1"), (".hidden", ".hidden"), ("a/b/", "b")]
)
def test_a_corpus_gets_another_name(path: str, name: str) -> None:
    assert corpus_name(Path(path)) == name


def test_two_corpora_share_a_name() -> None:
    assert unique_names(["a", "b", "a", "a", "a (2)"]) == ["a", "b", "a (2)", "a (3)", "a (2) (2)"]


def test_shared_dialogues_are_not_told() -> None:
    one = corpus("one", [entry(number, talk(number)) for number in range(4)])
    two = corpus("two", [entry(number, talk(number + 2)) for number in range(4)])
    three = corpus("three", [entry(0, talk(99))])
    prints = {each.name: fingerprints(each) for each in (one, two, three)}
    (told,) = shared_dialogues(prints)
    assert told.startswith("2 dialogues stand in both one and two")
