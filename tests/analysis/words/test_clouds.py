"""Words of each speaker."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import jieba
import pytest

from analysis.corpora import BrokenEntry, read_corpus
from analysis.figures import Ranked
from analysis.lexical.tokenizing import tokens_of
from analysis.words.clouds import size_steps, word_ranking, words_in, words_of
from analysis.words.stop_words import content_word
from filters.dialogue import Dialogue, Role
from tests.analysis.making import dialogue, entry, sound


def test_a_word_goes_to_the_other_speaker() -> None:
    words = words_of([dialogue("焦虑，焦虑！", "压力很大"), dialogue("我们焦虑", "放松，压力")], language="zh")
    assert dict(words.client.counts) == {"焦虑": 3}
    assert dict(words.counselor.counts) == {"压力": 2, "放松": 1}
    assert (words.client.total, words.counselor.total) == (3, 3)


def test_a_word_said_twice_in_a_dialogue_counts_as_two_dialogues() -> None:
    words = words_of([dialogue("焦虑，焦虑！", "", "焦虑"), dialogue("我们焦虑", "")], language="zh")
    assert dict(words.client.spread) == {"焦虑": 2}


def test_english_words_are_told_apart_by_their_capitals() -> None:
    words = words_of([dialogue("Sleep is hard. I don’t SLEEP, and 42 sheep don't help.", "Sleep?")], language="en")
    assert dict(words.client.counts) == {"sleep": 2, "hard": 1, "help": 1, "sheep": 1}
    assert dict(words.counselor.counts) == {"sleep": 1}


def test_an_english_word_inside_chinese_is_lost() -> None:
    words = words_of([dialogue("老板给我做PUA，天天PUA", "嗯")], language="mixed")
    assert words.client.counts["pua"] == 2


def test_equal_counts_come_in_an_order_of_chance() -> None:
    words = words_of([dialogue("sheep goat lamb goat", "")], language="en")
    assert list(words.client.counts) == ["goat", "lamb", "sheep"]


def test_an_entry_is_counted_unlike_its_dialogue() -> None:
    said = sound()
    assert words_of([entry("a", said)], language="zh") == words_of([said], language="zh")


def test_the_sample_changes_between_two_calls_or_ignores_its_size() -> None:
    corpus = [dialogue(f"word{letter * 3}", "") for letter in "abcdefghij"]
    first = words_of(corpus, language="en", sample=4, seed=3)
    assert first.client.dialogues == 4
    assert first.client.total == 4
    assert first == words_of(corpus, language="en", sample=4, seed=3)
    assert "4 of 10 dialogues" in first.remark
    drawn = {tuple(words_of(corpus, language="en", sample=4, seed=seed).client.counts) for seed in range(8)}
    assert len(drawn) > 1


def test_tokens_of_other_dialogues_are_taken() -> None:
    tokens = tokens_of([sound()], "jieba")
    with pytest.raises(ValueError, match="other dialogues"):
        words_in(tokens, [sound(), sound()])


def test_a_share_is_of_something_else_than_the_speakers_content_words() -> None:
    words = words_of([dialogue("sheep goat lamb goat, and the rest", "")], language="en")
    ranking = word_ranking(words, corpus="farm", role=Role.CLIENT, top=2)
    assert ranking.name == "client_words"
    assert ranking.unit == "content words of the client"
    assert ranking.n == 5
    assert ranking.entries == (Ranked("goat", 2, 0.4), Ranked("lamb", 1, 0.2))


@pytest.mark.parametrize(
    "corpus",
    [
        [],
        [dialogue()],
        [dialogue("", "")],
        [dialogue("。", "……", "42")],
        [dialogue("\ud800", "\ud800\udc00")],
        [Dialogue(())] * 3,
    ],
    ids=["no dialogue", "no utterance", "empty", "signs", "surrogates", "nothing three times"],
)
def test_a_corpus_without_words_breaks_the_ranking(corpus: list[Dialogue]) -> None:
    words = words_of(corpus, language="zh")
    for role in Role:
        ranking = word_ranking(words, corpus="empty", role=role)
        assert ranking.entries == ()
        assert ranking.n == 0
        assert ranking.remark.startswith(f"No content word of the {role}.")


def test_a_long_utterance_takes_time_or_loses_words() -> None:
    words = words_of([dialogue("焦虑，" * 33_334, "a" * 100_000)], language="zh")
    assert words.client.counts["焦虑"] == 33_334
    assert words.counselor.total == 1


def test_only_one_speaker_is_refused() -> None:
    words = words_of([dialogue("压力很大")], language="zh")
    assert words.counselor.total == 0
    assert words.client.counts["压力"] == 1


def test_sizes_go_down_where_counts_go_up() -> None:
    entries = [
        Ranked("a", 100, 0.5),
        Ranked("b", 64, 0.3),
        Ranked("c", 25, 0.1),
        Ranked("d", 4, 0.05),
        Ranked("e", 0, 0.0),
    ]
    # roots 10, 8, 5, 2, 0: steps 1 + 8 * root / 10, rounded
    assert size_steps(entries) == (9, 7, 5, 3, 1)


def test_equal_counts_or_none_break_the_sizes() -> None:
    assert size_steps([]) == ()
    assert size_steps([Ranked("a", 3, 0.5), Ranked("b", 3, 0.5)]) == (5, 5)


@pytest.mark.parametrize(("name", "language"), [("smilechat.jsonl.xz", "zh"), ("psy_insight_cn.json", "zh")])
def test_the_counts_differ_from_a_plain_count(data: Path, name: str, language: str) -> None:
    jieba.setLogLevel("ERROR")
    found = [one for one in islice(read_corpus(data / name), 60) if not isinstance(one, BrokenEntry)]
    words = words_of(found, language=language)
    for role in Role:
        counts: Counter[str] = Counter()
        spread: Counter[str] = Counter()
        for one in found:
            said = [
                word
                for speaker, text in one.dialogue.utterances
                if speaker is role
                for token in jieba.lcut(text)
                if (word := content_word(token))
            ]
            counts.update(said)
            spread.update(set(said))
        assert dict(words.of(role).counts) == counts
        assert dict(words.of(role).spread) == spread
        assert words.of(role).total == counts.total() > 100
