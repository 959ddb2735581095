from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import filters.risk
from filters.dialogue import Dialogue, Role, Span, Utterance
from filters.named_policies import NamedPolicy, policies, would_take
from filters.phrases import phrase_list
from filters.risk import (
    Fate,
    RiskDecision,
    RiskKind,
    RiskPolicy,
    apply_policy,
    find_risk,
    find_risk_in,
    kinds,
    level,
    points_to_help,
)

CHOICE = re.compile(r"\(([^()]*)\)")
PIECES = (
    "想",
    "死",
    "自",
    "杀",
    "不",
    "活",
    "了",
    "你",
    "我",
    "伤害",
    "割腕",
    "跳楼",
    "suicide",
    "kill ",
    "myself",
    " ",
    "\n",
    "。",
)
STREAMS = ("自", "自杀", "想死", "不想", "刀", " ", "kill ", "self-", "伤害", "想死你")


def dialogue(*said: str) -> Dialogue:
    """Client and counselor in turn."""
    return Dialogue(tuple(Utterance((Role.CLIENT, Role.COUNSELOR)[place % 2], text) for place, text in enumerate(said)))


def word_lists() -> Mapping[str, Any]:
    lists: Mapping[str, Any] = yaml.safe_load(
        Path(filters.risk.__file__).with_name("risk_words.yaml").read_text(encoding="utf-8")
    )
    return lists


def every_form(entry: str) -> Iterator[str]:
    choice = CHOICE.search(entry)
    if choice is None:
        yield entry
        return
    for option in choice[1].split("|"):
        yield from every_form(entry[: choice.start()] + option + entry[choice.end() :])


def test_a_finding_says_who_where_and_by_which_entry() -> None:
    found = find_risk(dialogue("最近很累。", "愿意说说吗？", "我想自杀"))
    assert len(found) == 1
    assert found[0][:4] == (RiskKind.SUICIDAL_IDEATION, 2, Role.CLIENT, Span(2, 4))
    assert found[0].entry in word_lists()["kinds"]["suicidal-ideation"]


def test_both_speakers_are_read() -> None:
    assert [one.role for one in find_risk(dialogue("我很累", "你有想死的念头吗？"))] == [Role.COUNSELOR]


def test_nothing_is_found_across_two_utterances() -> None:
    assert find_risk(dialogue("我一直在想", "死不是办法，先说说今天")) == ()
    assert find_risk(dialogue("how to prevent", "suicide")) != ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("我不想活了", ("suicidal-ideation",), id="not-living"),
        pytest.param("我不想活在过去", (), id="not-living-in-the-past"),
        pytest.param("想死你了，可我也想死", ("suicidal-ideation",), id="one-innocuous-one-not"),
        pytest.param("我想殺了他", ("harm-to-others",), id="traditional"),
        pytest.param("I WANT TO DIE", ("suicidal-ideation",), id="capitals"),
        pytest.param("I don’t want to live", ("suicidal-ideation",), id="typographic-apostrophe"),
        pytest.param(
            "自残过，也写好了遗书，还想杀了他", ("self-harm", "plan-or-action", "harm-to-others"), id="several"
        ),
        pytest.param("", (), id="empty"),
    ],
)
def test_kinds_of_a_text(text: str, expected: tuple[str, ...]) -> None:
    assert kinds(find_risk_in(text)) == expected


def test_level_is_the_last_kind() -> None:
    assert level(find_risk_in("自残过，也写好了遗书")) is RiskKind.PLAN_OR_ACTION
    assert level(()) is RiskKind.NONE


@pytest.mark.parametrize(
    "said",
    [
        *(
            "建议你寻求专业帮助。",
            "可以拨打心理援助热线12356。",
            "请马上去医院。",
            "明天陪你去精神科看看好吗？",
            "请立即拨打120。",
        ),
        *(
            "如果有危险请报警。",
            "找一位信任的人陪着你。",
            "可以联系当地的危机干预中心。",
            "Please talk to a therapist.",
            "Call 988 right now.",
        ),
        *(
            "Is there someone you trust?",
            "建議你尋求專業幫助，去看醫生。",
            "我建议你去看心理医生。",
            "你可以找学校的心理老师聊聊。",
        ),
    ],
)
def test_a_pointer_to_help_is_seen(said: str) -> None:
    assert points_to_help(dialogue("我不想活了", said))


@pytest.mark.parametrize(
    "said",
    [
        *(
            "别想太多，睡一觉就好了。",
            "我是一名心理咨询师。",
            "你不用去医院。",
            "你之前说你在医院工作。",
            "加油，你可以的！",
            "No need to see a doctor.",
        ),
        *("我是你的心理咨询师，很高兴见到你。", "没必要看心理医生。"),
    ],
)
def test_what_is_no_pointer_to_help(said: str) -> None:
    assert not points_to_help(dialogue("我不想活了", said))


def test_help_that_the_client_names_is_not_the_counselors() -> None:
    assert not points_to_help(dialogue("我打过心理援助热线", "后来呢？"))


@pytest.mark.parametrize(
    ("policy", "fate"),
    [(RiskPolicy.FLAG, Fate.KEEP), (RiskPolicy.QUARANTINE, Fate.QUARANTINE), (RiskPolicy.DROP, Fate.DROP)],
)
@pytest.mark.parametrize("helped", [True, False], ids=["helped", "not-helped"])
def test_the_policy_decides_a_dialogue_with_risk(policy: RiskPolicy, fate: Fate, *, helped: bool) -> None:
    found = find_risk(dialogue("我想自杀"))
    decision = apply_policy(found, helped, policy)
    assert decision == RiskDecision(fate, RiskKind.SUICIDAL_IDEATION, (RiskKind.SUICIDAL_IDEATION,), not helped)
    assert decision.flagged


@pytest.mark.parametrize("policy", RiskPolicy)
def test_a_dialogue_without_risk_is_kept(policy: RiskPolicy) -> None:
    assert apply_policy((), helped=False, policy=policy) == RiskDecision(Fate.KEEP, RiskKind.NONE, (), lacks_help=False)


def test_every_form_of_an_entry_holds_a_core() -> None:
    lists = word_lists()
    cores = [core for row in lists["cores"] for core in row]
    for entry in (entry for listed in lists["kinds"].values() for entry in listed):
        if not entry.lstrip("(")[0].isascii():
            lacking = [form for form in every_form(entry) if not any(core in form for core in cores)]
            assert not lacking, (entry, lacking[:3])


@pytest.mark.parametrize("part", ["innocuous", "not_help"])
def test_an_innocuous_phrase_explains_only_what_it_contains(part: str) -> None:
    listed = phrase_list({"risk": ["想死"]}, ["想死你", "别想"])
    assert [hit.span for hit in listed.search("想死你了别想死" + part)] == [Span(5, 7)]


@pytest.mark.parametrize("entry", ["", "…死", "死", "(a|)", "*"])
def test_an_entry_that_could_stand_anywhere_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="must start with text"):
        phrase_list({"risk": [entry]}, [])


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_no_text_crashes_and_spans_hold_the_words(text: str) -> None:
    place = 0
    for hit in find_risk_in(text):
        assert 0 <= hit.span.start < hit.span.end <= len(text)
        assert hit.kind in RiskKind
        assert hit.span.start >= place or text[hit.span.start].isascii() or text[place - 1].isascii()
        place = hit.span.end


@given(st.lists(st.lists(st.sampled_from(PIECES)).map("".join), max_size=4))
def test_a_dialogue_holds_what_its_utterances_hold(said: list[str]) -> None:
    found = find_risk(dialogue(*said))
    apart = [(place, *hit) for place, text in enumerate(said) for hit in find_risk_in(text)]
    assert [(one.utterance, one.kind, one.span, one.entry) for one in found] == apart


def seconds(text: str) -> float:
    start = time.thread_time()
    find_risk_in(text)
    return time.thread_time() - start


@pytest.mark.parametrize("stream", STREAMS)
def test_time_grows_with_the_text(stream: str) -> None:
    find_risk_in(stream)
    short, long = (min(seconds(stream * (size // len(stream))) for _ in range(2)) for size in (5_000, 40_000))
    # Eight times the text; a quadratic search would take sixty-four times as long.
    assert long < 24 * short + 0.05


def test_a_megabyte_ends() -> None:
    assert seconds("自" * 1_000_000) < 5


def test_soulchats_strings_are_those_printed() -> None:
    policy = policies()["soulchat"]
    assert policy.strings == ("我是", "自杀", "跳楼")
    assert "unpublished" in policy.note


def test_soulchats_policy_takes_ordinary_talk_too() -> None:
    found = would_take("soulchat", dialogue("我是学生，跳楼价真便宜", "我是咨询师"))
    assert [(one.string, one.utterance, one.role, one.span) for one in found] == [
        ("我是", 0, Role.CLIENT, Span(0, 2)),
        ("跳楼", 0, Role.CLIENT, Span(5, 7)),
        ("我是", 1, Role.COUNSELOR, Span(0, 2)),
    ]
    assert would_take("soulchat", dialogue("最近睡不好", "多久了？")) == ()


def test_a_policys_strings_are_no_patterns() -> None:
    policy = NamedPolicy(name="mine", source="here", note="", strings=("a.c", "("))
    assert [one.string for one in would_take(policy, dialogue("abc a.c ("))] == ["a.c", "("]


def test_a_policy_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="soulchat"):
        would_take("soulcat", dialogue("你好"))
