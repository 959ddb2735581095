"""Cues: what they find, what they leave, how long they take, and how agreement with labels is counted."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml

from analysis.corpora import BrokenEntry, read_corpus
from analysis.human.cues import (
    Act,
    Agreement,
    _alternation,
    _cues,
    _literal_starts,
    acts_of,
    agreement,
    does,
    ends_asking,
    held_out,
    language_of,
)
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from tests.analysis.making import CLIENT_SAYS, COUNSELOR_SAYS, dialogue, entry

FOUND = {
    "question mark": (Act.ASK, "这件事是什么时候开始的？"),
    "question without its mark": (Act.ASK, "你跟家里人提过吗"),
    "a request to tell more": (Act.ASK, "能跟我多说说那天晚上的情形。"),
    "english request": (Act.ASK, "Tell me about that evening."),
    "suggestion": (Act.ADVISE, "我建议你把闹钟放远一点。"),
    "soft suggestion": (Act.ADVISE, "不妨先写下三件小事。"),
    "suggestion after a full stop": (Act.ADVISE, "试着每晚早睡半小时。"),
    "english suggestion": (Act.ADVISE, "You could try writing it down first."),
    "reflection at the start": (Act.REFLECT, "听起来那段日子不好过。"),
    "reflection of a feeling": (Act.REFLECT, "你似乎一直在替别人操心。"),
    "english reflection": (Act.REFLECT, "It sounds like you were on your own."),
    "english reflection with a curly apostrophe": (Act.REFLECT, "What I’m hearing is sorrow."),
    "praise": (Act.ENCOURAGE, "你已经做得很好了。"),
    "reassurance": (Act.ENCOURAGE, "没关系，我们慢慢来。"),
    "english praise": (Act.ENCOURAGE, "Good job getting up so early."),
    "formula of understanding": (Act.UNDERSTAND, "我完全理解你的心情。"),
    "english formula of understanding": (Act.UNDERSTAND, "I understand how you must feel."),
    "promise to be there": (Act.STAND_BY, "有事随时来找我。"),
    "english promise to be there": (Act.STAND_BY, "I'm always here for you."),
    "feeling": (Act.FEELING, "昨晚我很难过。"),
    "english feeling": (Act.FEELING, "I was SCARED."),
    "thanks": (Act.THANK, "谢谢你听我说。"),
    "english thanks": (Act.THANK, "Thanks, that helps."),
}
LEFT = {
    "statement": (Act.ASK, "我们今天先说到这里。"),
    "request, not advice": (Act.ADVISE, "你可以多说一点吗？"),
    "question about need": (Act.ADVISE, "你需要做什么改变吗？"),
    "when you feel, not you feel": (Act.REFLECT, "当你感到累的时候就停下来。"),
    "part of an english word": (Act.FEELING, "He stood on the unhurtful madrigal stage."),
    "word inside a longer one": (Act.THANK, "On Thanksgiving we met."),
    "not normal": (Act.ENCOURAGE, "昨天的天气很一般。"),
}


@pytest.mark.parametrize(("act", "text"), FOUND.values(), ids=FOUND)
def test_a_cue_is_found(act: Act, text: str) -> None:
    assert does(act, text)
    assert act in acts_of(text)


@pytest.mark.parametrize(("act", "text"), LEFT.values(), ids=LEFT)
def test_words_that_only_look_like_a_cue_are_left(act: Act, text: str) -> None:
    assert not does(act, text)
    assert act not in acts_of(text)


def test_only_the_acts_that_are_asked_for_are_looked_for() -> None:
    assert acts_of("听起来很难过，你还好吗？", (Act.ASK,)) == {Act.ASK}


def test_chinese_and_english_cues_are_found_in_one_utterance() -> None:
    assert {Act.ADVISE, Act.THANK} <= acts_of("Thanks for coming，我建议你先休息。")


@pytest.mark.parametrize("text", ["", " ", "\ud800", "。", "\x00", "🙂", "a" * 100_000, "İ" * 50])
def test_no_act_is_found_where_nothing_is_said(text: str) -> None:
    assert acts_of(text) == frozenset()
    assert not ends_asking(text)


def test_grouped_patterns_find_what_the_entries_find_one_by_one() -> None:
    """The grouping by first character is for speed alone; plain `re` over the entries as written is the reference."""
    listed = yaml.safe_load(Path(__file__).parents[3].joinpath("analysis/human/cues.yaml").read_text(encoding="utf-8"))
    texts = [*CLIENT_SAYS, *COUNSELOR_SAYS, *(text for _, text in (*FOUND.values(), *LEFT.values()))]
    found = 0
    for act, cues in listed.items():
        chinese = [re.compile(source) for source in cues["zh"]]
        english = [re.compile(rf"(?<![a-z])(?:{source})" if source[0] != "[" else source) for source in cues["en"]]
        for text in texts:
            folded = text.lower().replace("’", "'")
            plain = any(cue.search(f"。{text}。") for cue in chinese) or any(cue.search(folded) for cue in english)
            assert does(Act(act), text) == plain, (act, text)
            found += plain
    assert found > 30


@pytest.mark.parametrize("source", ["", "(?:a|b)+c", "[ab]{0,3}c", "^a", "(a)", ".a", "(?:a(?:b|c)|d)"])
def test_an_entry_that_cannot_be_grouped_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="cue"):
        list(_literal_starts(source))


def test_an_optional_start_is_spelt_out() -> None:
    pattern = _alternation(["(?:很|非常)?好"], "")
    assert [pattern.fullmatch(text) is not None for text in ("好", "很好", "非常好", "非好")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "piece",
    [
        "你可以",
        "我会一直都都",
        "听起来",
        "如果你还还",
        "you could ",
        "sounds ",
        "so you are ",
        "多和",
        "对你来说",
        "，，",
        "能能能",
    ],
)
def test_a_hundred_thousand_characters_take_time_in_proportion(piece: str) -> None:
    """Any text whose beginnings of cues never end well; a pattern of quadratic time would take minutes."""
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    acts_of(text)
    assert time.process_time() - began < 2


def test_no_cue_repeats_without_a_bound() -> None:
    for cue in _cues().values():
        for pattern in (cue.chinese, cue.english):
            bare = re.sub(r"\\.|\[[^\]]*\]", "x", pattern.pattern)
            assert not re.search(r"[*+]|\{\d*,\}", bare)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("真的吗？", True),
        ("“真的吗？”", True),
        ("Really? ", True),
        ("真的吗？好。", False),
        ("？" * 3, True),
        ("", False),
    ],
)
def test_the_last_mark_decides_whether_an_utterance_ends_asking(text: str, *, expected: bool) -> None:
    assert ends_asking(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("我用 Word 写的。", "zh"), ("She said 你好 " + "and went on to speak " * 9, "en"), ("123 …", ""), ("", "")],
)
def test_the_language_is_that_of_most_words(text: str, expected: str) -> None:
    assert language_of(text) == expected


def _labelled(name: str, *said: tuple[str, list[str]]) -> CorpusEntry:
    spoken = Dialogue(tuple(Utterance(Role.COUNSELOR, text) for text, _ in said))
    return entry(name, spoken, utterances=[{"strategy": labels} for _, labels in said])


def test_agreement_counts_labels_and_cues_by_act() -> None:
    one = _labelled(
        "a",
        ("你什么时候回来的？", ["Question"]),
        ("说说你的童年吧。", ["Question"]),
        ("后来呢？", ["Others"]),
        ("今天就到这里。", ["Others"]),
        ("嗯。", ["Unknown"]),
        ("哦？", []),
    )
    asks = agreement([one])[0]
    # Four labelled; cued: the first and the third; by chance (2 * 2 + 2 * 2) / 16 = 1/2 would agree, and 2 of 4 do.
    assert asks == Agreement(
        act=Act.ASK,
        language="zh",
        n=4,
        labelled=2,
        cued=2,
        both=1,
        precision=0.5,
        recall=0.5,
        f1=0.5,
        kappa=0.0,
    )
    assert asks.in_words() == "ask (zh): precision 0.50, recall 0.50, kappa 0.00 over 4 labelled utterances"


def test_an_act_without_labels_and_cues_has_no_agreement() -> None:
    advises = agreement([_labelled("a", ("嗯。", ["Others"]))])[1]
    assert (advises.act, advises.precision, advises.recall, advises.f1, advises.kappa) == (Act.ADVISE, *[None] * 4)
    assert "no labelled or no cued utterance among 1" in advises.in_words()


def test_entries_without_labels_have_no_agreement() -> None:
    assert agreement([entry("a", dialogue("在吗？", "在的。"))]) == ()
    assert agreement([]) == ()


def test_languages_are_kept_apart() -> None:
    table = agreement([_labelled("a", ("为什么？", ["Question"])), _labelled("b", ("Why is that?", ["question"]))])
    assert [(row.language, row.both) for row in table if row.act is Act.ASK] == [("zh", 1), ("en", 1)]


def test_about_half_of_the_entries_are_held_out_and_always_the_same() -> None:
    listed = [entry(str(number), dialogue("嗯")) for number in range(1000)]
    kept = [one.id for one in held_out(listed)]
    assert 430 < len(kept) < 570
    assert kept == [one.id for one in listed if list(held_out([one]))]
    assert len(list(held_out([entry("\ud800", dialogue("嗯"))]))) in {0, 1}


@pytest.mark.parametrize(("file", "language", "least"), [("cn", "zh", 0.6), ("en", "en", 0.75)])
def test_question_cues_agree_with_psy_insight(data: Path, file: str, language: str, least: float) -> None:
    read = [one for one in read_corpus(data / f"psy_insight_{file}.json") if not isinstance(one, BrokenEntry)]
    asks = agreement(held_out(read))[0]
    assert (asks.act, asks.language) == (Act.ASK, language)
    assert asks.n > 1000
    assert asks.kappa is not None
    assert asks.kappa > least
