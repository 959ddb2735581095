from __future__ import annotations

import re
import time
from itertools import islice
from pathlib import Path

import pytest

from analysis.corpora import read_corpus
from analysis.corpus_statistics import (
    COLUMNS,
    RATIOS,
    ByRole,
    chinese_sentences,
    english_sentences,
    sentences,
    statistics_frame,
    totals,
)
from analysis.figures import Group
from analysis.resampling import bootstrap
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from tests.analysis.making import dialogue, sound


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("你好", 1),
        ("你好。", 1),
        ("你好。最近怎么样？还行！", 3),
        ("真的？！", 1),
        ("好。。。嗯", 2),
        ("。", 0),
        ("你好。 ", 2),
        ("他说：“走吧。”", 2),
        ("等等……我想想", 1),
        ("3.5分. 够了", 1),
        ("再见\ud800。", 1),
    ],
)
def test_a_chinese_utterance_has_another_number_of_sentences(text: str, count: int) -> None:
    assert chinese_sentences(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" \n", 0),
        ("Hello", 1),
        ("Hello.", 1),
        ("I left. Then I came back", 2),
        ("Really?! Yes.", 2),
        ("Dr. Moss said so. Mr. Reed, too.", 2),
        ("It fell by 3.5 points at 1.20 p.m. on Monday.", 1),
        ("We met at 5 p.m. Nobody came.", 2),
        ("Bring fruit, e.g. Apples. Bread etc. is here.", 2),
        ("I met J. Moss. So did I. Fine.", 3),
        ("She has a Ph.D. in law.", 1),
        ("I was... thinking. And then... Nothing.", 3),
        ("I was… thinking.", 1),
        ('"I am tired." He said "Go!" and left.', 3),
        ("(I know.) [laughs.] Yes.", 3),
        ("ok. i see. fine", 3),
        ("...", 1),
        ("Well - . Yes.", 2),
        ("See www.example.org for more.", 1),
        ("That was in 2019. It is over.", 2),
        ("Yes。No？", 1),
        ("\ud800 hm.", 1),
    ],
)
def test_an_english_utterance_has_another_number_of_sentences(text: str, count: int) -> None:
    assert english_sentences(text) == count


def test_the_language_chooses_another_rule() -> None:
    assert sentences("我说 OK. Then we left. 好") == 1
    assert sentences("OK. Then we left.") == 2
    assert sentences("𠀀。𠀁") == 2


def test_a_lone_english_utterance_in_a_chinese_dialogue_counts_as_english() -> None:
    """SMILECHAT has one of 18 sentences, which its Table 3 counts as one."""
    chinese, english = "我很累。睡不着。", "I am tired. I cannot sleep."
    frame = statistics_frame([dialogue(chinese, english, chinese, "……"), dialogue(english, english, english, "")])
    assert frame["sentences"].tolist() == [6, 6]
    mixed = statistics_frame([dialogue(english, chinese, english, english)])
    assert mixed["sentences"].tolist() == [8]


def test_a_row_counts_otherwise_than_by_hand() -> None:
    said = Dialogue(
        (
            Utterance(Role.COUNSELOR, "你好。请坐！"),
            Utterance(Role.CLIENT, "嗯"),
            Utterance(Role.CLIENT, " "),
            Utterance(Role.COUNSELOR, "怎么了？"),
            Utterance(Role.CLIENT, "累。"),
        )
    )
    (row,) = statistics_frame([said]).to_dict("records")
    assert row == {
        "dialogues": 1,
        "utterances": 5,
        "client_utterances": 3,
        "counselor_utterances": 2,
        "sentences": 6,
        "client_sentences": 3,
        "counselor_sentences": 3,
        "characters": 14,
        "client_characters": 4,
        "counselor_characters": 10,
        "empty_utterances": 1,
        "same_speaker_again": 1,
        "opens_with_client": 0,
        "closes_with_counselor": 0,
        "below_five_turns": 1,
        "turns": 2.5,
    }


def test_both_tables_differ_from_sums_by_hand() -> None:
    found = totals(statistics_frame([dialogue("你好。嗯", "请说。"), dialogue("累", "多久了？怎么累？", "两年")]))
    assert found.dialogues == 2
    assert found.utterances == ByRole(5, 3, 2)
    assert found.sentences == ByRole(7, 4, 3)
    assert found.characters == ByRole(18, 7, 11)
    assert found.turns_per_dialogue == 1.25
    assert found.utterances_per_dialogue == ByRole(2.5, 1.5, 1.0)
    assert found.sentences_per_dialogue == ByRole(3.5, 2.0, 1.5)
    assert found.characters_per_sentence == ByRole(18 / 7, 7 / 4, 11 / 3)
    assert found.characters_per_utterance == ByRole(18 / 5, 7 / 3, 11 / 2)


def test_ratios_say_other_than_the_tables() -> None:
    frame = statistics_frame([sound(6), sound(5), sound(3), dialogue("累", "为什么？", "不知道")])
    table = totals(frame)
    values = {figure.metric: figure.value for figure in bootstrap(frame, RATIOS, corpus="c", seed=1)}
    assert values["turns_per_dialogue"] == table.turns_per_dialogue == 3.875
    for key, row in (
        ("utterances_per_dialogue", table.utterances_per_dialogue),
        ("sentences_per_dialogue", table.sentences_per_dialogue),
        ("characters_per_sentence", table.characters_per_sentence),
        ("characters_per_utterance", table.characters_per_utterance),
    ):
        assert (values[key], values[f"client_{key}"], values[f"counselor_{key}"]) == pytest.approx(tuple(row))
    assert values["below_five_turns"] == 0.5
    assert values["closes_with_counselor"] == 0.75


def test_a_ratio_names_a_column_that_is_not_there() -> None:
    assert {name for ratio in RATIOS for name in (ratio.numerator, ratio.denominator)} <= set(COLUMNS)
    assert len({ratio.metric.key for ratio in RATIOS}) == len(RATIOS)
    assert {ratio.metric.group for ratio in RATIOS} == {Group.SIZE}
    assert list(statistics_frame([sound()]).columns) == list(COLUMNS)


@pytest.mark.parametrize("dialogues", [[], [Dialogue(())], [dialogue("")]], ids=["none", "no utterance", "empty"])
def test_a_corpus_of_nothing_breaks_the_tables(dialogues: list[Dialogue]) -> None:
    frame = statistics_frame(dialogues)
    assert frame.shape == (len(dialogues), len(COLUMNS))
    found = totals(frame)
    assert found.characters_per_sentence == ByRole(None, None, None)
    assert found.characters.total == 0
    assert len(bootstrap(frame, RATIOS, corpus="c", seed=1)) == len(RATIOS)


@pytest.mark.parametrize("text", ["a" * 100_000, "a." * 50_000, ". " * 50_000, "累。" * 50_000, "(" * 100_000])
def test_an_endless_utterance_takes_its_time(text: str) -> None:
    began = time.process_time()
    sentences(text)
    assert time.process_time() - began < 1


def test_published_dialogues_count_otherwise_than_by_a_plain_expression(data: Path) -> None:
    read = islice(read_corpus(data / "smilechat.jsonl.xz"), 300)
    found = [entry.dialogue for entry in read if isinstance(entry, CorpusEntry)]
    said = [utterance for each in found for utterance in each.utterances]
    pieces = [piece for utterance in said for piece in re.split("[。！？]", utterance.text) if piece]
    table = totals(statistics_frame(found))
    assert len(found) == 300
    assert table.sentences.total == len(pieces)
    assert table.utterances.client == sum(utterance.role == "client" for utterance in said)
    assert table.characters.total == sum(len(utterance.text) for utterance in said)


@pytest.mark.slow
def test_smilechat_differs_from_table_3(data: Path) -> None:
    read = read_corpus(data / "smilechat.jsonl.xz")
    found = totals(statistics_frame(entry.dialogue for entry in read if isinstance(entry, CorpusEntry)))
    assert found.dialogues == 55_165
    assert found.sentences == ByRole(1_833_856, 693_756, 1_140_100)
    assert f"{found.turns_per_dialogue:.1f}" == "5.7"
    assert [f"{value:.1f}" for value in found.sentences_per_dialogue] == ["33.2", "12.6", "20.7"]
    assert [f"{value:.1f}" for value in found.characters_per_sentence] == ["27.9", "26.1", "28.9"]


def test_psy_insight_opens_like_a_synthetic_corpus(data: Path) -> None:
    """A third of the human sessions as published open with the client; all of SMILECHAT's dialogues do."""
    read = read_corpus(data / "psy_insight_cn.json")
    frame = statistics_frame(entry.dialogue for entry in read if isinstance(entry, CorpusEntry))
    assert len(frame) == 431
    assert frame["utterances"].sum() == 5776
    assert 0.2 < frame["opens_with_client"].mean() < 0.5
