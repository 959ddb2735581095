"""The frame of the human gap: counts by hand, rows that stack, ratios that rest on its columns."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest

from analysis.corpora import BrokenEntry, read_corpus
from analysis.corpus_statistics import sentences
from analysis.figures import Group
from analysis.human.gap import RATIOS, gap_frame
from filters.dialogue import Dialogue, Role, Utterance
from tests.analysis.making import dialogue, sound

HAND = dialogue(
    "最近很难过。睡不好。",
    "听起来很辛苦。是从什么时候开始的？",
    "两周前。你说我该怎么办？",
    "我建议你早点睡。加油！",
    "谢谢你。",
    "不妨也写写日记。有事随时来找我，我理解你的心情。",
)
ODD = {
    "no utterance": Dialogue(()),
    "an empty utterance": dialogue(""),
    "client alone": dialogue("在吗？"),
    "counselor alone": dialogue("在的。", first=Role.COUNSELOR),
    "one speaker twice": Dialogue((Utterance(Role.CLIENT, "嗯。"), Utterance(Role.CLIENT, "嗯。"))),
    "a lone surrogate": dialogue("\ud800", "\udfff？"),
    "mixed languages": dialogue("I feel 很难过", "It sounds like 你 are tired."),
    "a long utterance": dialogue("累" * 100_000, "你可以" * 33_333),
}


def test_a_dialogue_is_counted_as_by_hand() -> None:
    row = gap_frame([HAND]).iloc[0].to_dict()
    expected = {
        "dialogues": 1,
        "counselor_utterances": 3,
        "client_utterances": 3,
        "counselor_sentences": 6,
        "client_sentences": 5,
        "counselor_characters": 17 + 11 + 24,
        "client_characters": 10 + 12 + 4,
        "characters": 78,
        "counselor_ask": 1,
        "counselor_advise": 2,
        "counselor_reflect": 1,
        "counselor_encourage": 1,
        "counselor_understand": 1,
        "counselor_stand_by": 1,
        "counselor_feeling": 1,
        "counselor_ends_asking": 1,
        "counselor_only_advises": 2,
        "client_ask": 1,
        "client_feeling": 1,
        "client_thank": 1,
        "dialogues_with_client": 1,
        "dialogues_with_counselor": 1,
        "dialogues_with_utterances": 1,
        "dialogues_with_thanks": 1,
        "dialogues_with_understanding": 1,
        "dialogues_with_standing_by": 1,
        "last_client_thanks": 1,
        "opens_client": 1,
        "closes_counselor": 1,
        "first_counselor_advises": 0,
        "first_counselor_asks": 1,
        "dialogues_with_advice": 1,
        "utterances_before_advice": 1,
        "questions_before_advice": 1,
    }
    assert row == expected


def test_advice_in_the_first_counselor_utterance_is_advice_at_once() -> None:
    row = gap_frame([dialogue("睡不着。", "建议你早睡。", "好。", "为什么睡不着？")]).iloc[0]
    assert row[["first_counselor_advises", "dialogues_with_advice"]].tolist() == [1, 1]
    assert row[["utterances_before_advice", "questions_before_advice", "first_counselor_asks"]].tolist() == [0, 0, 0]


def test_without_advice_nothing_stands_before_it() -> None:
    row = gap_frame([dialogue("睡不着。", "多久了？", "两周。", "嗯。")]).iloc[0]
    assert row[["dialogues_with_advice", "utterances_before_advice", "questions_before_advice"]].tolist() == [0, 0, 0]


def test_rows_of_parts_stack_to_the_frame_of_the_whole() -> None:
    whole = [HAND, *ODD.values(), sound()]
    stacked = pd.concat([gap_frame(whole[:3]), gap_frame([]), gap_frame(whole[3:])], ignore_index=True)
    pd.testing.assert_frame_equal(stacked, gap_frame(whole))


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_odd_dialogues_have_a_row_of_whole_numbers(said: Dialogue) -> None:
    frame = gap_frame([said])
    assert frame.shape == (1, gap_frame([]).shape[1])
    assert set(frame.dtypes.astype(str)) == {"int64"}
    assert (frame >= 0).all(axis=None)
    assert frame["characters"].item() == sum(len(text) for _, text in said.utterances)
    assert frame["counselor_sentences"].item() == sum(
        sentences(text) for role, text in said.utterances if role is Role.COUNSELOR
    )


def test_every_ratio_rests_on_columns_and_no_part_exceeds_its_whole() -> None:
    frame = gap_frame([HAND, sound(), *ODD.values()])
    assert len({ratio.metric.key for ratio in RATIOS}) == len(RATIOS)
    for ratio in RATIOS:
        assert ratio.metric.group is Group.HUMAN
        assert {ratio.numerator, ratio.denominator} <= set(frame.columns)
        if ratio.metric.unit.startswith("share"):
            assert (frame[ratio.numerator] <= frame[ratio.denominator]).all()


def test_synthetic_and_human_counselors_differ_as_published(data: Path) -> None:
    """Sentences a counselor utterance: about 3.7 in SMILECHAT (SMILE, Table 3 over Table 6) and 1.8 in Psy-Insight."""
    means = {}
    for name, file in (("synthetic", "smilechat.jsonl.xz"), ("human", "psy_insight_cn.json")):
        read = (one for one in read_corpus(data / file) if not isinstance(one, BrokenEntry))
        total = gap_frame([one.dialogue for one in islice(read, 600)]).sum()
        means[name] = {ratio.metric.key: float(total[ratio.numerator] / total[ratio.denominator]) for ratio in RATIOS}
    assert means["synthetic"]["counselor_sentences_per_utterance"] == pytest.approx(3.7, abs=0.3)
    assert means["human"]["counselor_sentences_per_utterance"] == pytest.approx(1.84, abs=0.01)
    assert means["human"]["counselor_ask"] > 2 * means["synthetic"]["counselor_ask"]
    assert means["synthetic"]["counselor_advise"] > 4 * means["human"]["counselor_advise"]
    assert means["synthetic"]["counselor_stand_by"] > 20 * means["human"]["counselor_stand_by"]


def test_a_thousand_dialogues_take_less_than_three_seconds() -> None:
    began = time.process_time()
    gap_frame([sound()] * 1000)
    assert time.process_time() - began < 3
