from __future__ import annotations

import itertools
import json
import lzma
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.careful import read_carefully
from filters.dialogue import Dialogue, Role, Utterance
from filters.labels import ALIASES
from filters.reading import REPAIRS
from filters.reply import read_reply
from filters.rules import RuleSet, judge
from filters.writer import write_dialogue
from tests.filters.formats import DATA, PAPERS, SMILE, SOULCHAT, SOULCHAT_EN

C, S = Role.CLIENT, Role.COUNSELOR
TWO = ((C, "你好"), (S, "你好，请说"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("求助者：你好\n支持者：你好，请说", id="full-width-colon"),
        pytest.param("求助者: 你好\n支持者: 你好，请说", id="half-width-colon-and-space"),
        pytest.param("求助者:你好\n支持者:你好，请说", id="half-width-colon"),
        pytest.param("求助者： 你好 \n支持者：　你好，请说", id="spaces-around-what-is-said"),
        pytest.param("\n\n求助者：你好\n支持者：你好，请说\n", id="line-breaks-around-the-reply"),
        pytest.param("求助者：你好\r\n支持者：你好，请说\r\n", id="crlf"),
    ],
)
def test_what_appendix_b_allows_is_no_repair(text: str) -> None:
    reading = read_reply(text, SMILE)
    assert (reading.utterances, reading.marks) == (TWO, ())


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        pytest.param("**求助者：** 你好\n**支持者：**你好，请说", {"label-markup": 2}, id="bold-with-colon"),
        pytest.param("**求助者**：你好\n**支持者**: 你好，请说", {"label-markup": 2}, id="bold-without-colon"),
        pytest.param("**求助者：你好**\n**支持者：你好，请说**", {"label-markup": 2}, id="whole-line-bold"),
        pytest.param("### 求助者：你好\n### 支持者：你好，请说", {"label-markup": 2}, id="heading"),
        pytest.param("- 求助者：你好\n* 支持者：你好，请说", {"label-markup": 2}, id="list"),
        pytest.param("> 求助者：你好\n> 支持者：你好，请说", {"label-markup": 2}, id="quote-sign"),
        pytest.param("【求助者】：你好\n[支持者]：你好，请说", {"label-markup": 2}, id="brackets"),
        pytest.param("1. 求助者：你好\n2、支持者：你好，请说", {"label-numbering": 2}, id="numbers"),
        pytest.param("（1）求助者：你好\n(2) 支持者：你好，请说", {"label-numbering": 2}, id="bracketed-numbers"),
        pytest.param("求助者1：你好\n支持者1：你好，请说", {"label-numbering": 2}, id="numbers-behind"),
        pytest.param("第1轮\n求助者：你好\n支持者：你好，请说", {"divider-lines": 1}, id="round-heading"),
        pytest.param("### Turn 1\n求助者：你好\n---\n支持者：你好，请说", {"divider-lines": 2}, id="turn-and-rule"),
        pytest.param("Help-seeker: 你好\nSupporter: 你好，请说", {"label-alias": 2}, id="english-of-the-format"),
        pytest.param("Client: 你好\nCOUNSELOR: 你好，请说", {"label-alias": 2}, id="english-alias-any-case"),
        pytest.param("求助者：你好\n支援者：你好，请说", {"label-alias": 1}, id="traditional-supporter"),
        pytest.param("用戶：你好\n心理諮詢師：你好，请说", {"label-alias": 2}, id="traditional"),
        pytest.param("```\n求助者：你好\n支持者：你好，请说\n```", {"code-fence": 2}, id="fence"),
        pytest.param(
            "```text\n求助者：你好\n支持者：你好，请说\n```\n希望有用",
            {"code-fence": 2, "narration-trimmed": 1},
            id="words-behind-the-fence",
        ),
        pytest.param(r"求助者：你好\n支持者：你好，请说", {"literal-newlines": 1}, id="literal-newline"),
        pytest.param(r"求助者：你好\n\n支持者：你好，请说\n", {"literal-newlines": 3}, id="literal-newlines-doubled"),
        pytest.param(
            r'"求助者：你好\n支持者：你好，请说"', {"literal-newlines": 1, "quotes": 1}, id="whole-reply-quoted"
        ),
        pytest.param("求助者：你好\n\n\n支持者：你好，请说", {"blank-lines": 2}, id="blank-lines"),
        pytest.param("\ufeff求助者：你\u200b好\n支持者\u200b：你好，请说", {"invisible-characters": 3}, id="invisible"),
        pytest.param("求助者：你好\u2028支持者：你好，请说", {"odd-line-breaks": 1}, id="line-separator"),
        pytest.param("求助者：你好\n 支持者　：你好，请说", {"odd-spaces": 2}, id="spaces-around-the-label"),
        pytest.param("求助者：“你好”\n支持者：「你好，请说」", {"quotes": 2}, id="quoted-utterances"),
        pytest.param('"求助者：你好"\n"支持者：你好，请说"', {"quotes": 2}, id="quoted-lines"),
        pytest.param("求助者：\n你好\n支持者：\n你好，请说", {"lines-joined": 2}, id="label-on-a-line-of-its-own"),
        pytest.param(
            "求助者（低声）：你好\n**支持者（温和地）：**你好，请说", {"label-note": 2, "label-markup": 1}, id="note"
        ),
        pytest.param("求助者：你好\n（沉默片刻）\n支持者：你好，请说", {"stage-directions": 1}, id="stage-direction"),
        pytest.param(
            "以下是改写后的多轮对话：\n求助者：你好\n支持者：你好，请说", {"lead-in-trimmed": 1}, id="lead-in"
        ),
        pytest.param("话题：高考焦虑\n求助者：你好\n支持者：你好，请说", {"lead-in-trimmed": 1}, id="topic-line"),
        pytest.param("求助者：你好\n支持者：你好，请说\n总结：这段对话很好", {"narration-trimmed": 1}, id="summary"),
        pytest.param(
            "求助者：你好\n支持者：你好，请说\n---\n说得不错",
            {"divider-lines": 1, "narration-trimmed": 1},
            id="words-behind-a-rule",
        ),
        pytest.param(
            "求助者：你好\n支持者：你好，请说\n在帮助下，求助者好多了。", {"narration-trimmed": 1}, id="narration"
        ),
        pytest.param(
            "<think>\n求助者：嗯\n</think>\n\n求助者：你好\n支持者：你好，请说",
            {"reasoning-trimmed": 1},
            id="reasoning",
        ),
    ],
)
def test_a_habit_is_read_as_what_it_means_and_its_repairs_are_counted(text: str, repairs: dict[str, int]) -> None:
    reading = read_reply(text, SMILE)
    assert reading.utterances == TWO
    assert {mark.name: mark.times for mark in reading.marks} == repairs


@pytest.mark.parametrize(
    ("text", "utterances", "repairs"),
    [
        pytest.param(
            "求助者：你好\n我很累\n支持者：请说", ((C, "你好\n我很累"), (S, "请说")), {"lines-joined": 1}, id="goes-on"
        ),
        pytest.param(
            "求助者：你好\n求助者：我很累\n支持者：请说",
            ((C, "你好\n我很累"), (S, "请说")),
            {"speakers-merged": 1},
            id="twice",
        ),
        pytest.param(
            "求助者：你好。支持者：请说。 求助者：好",
            ((C, "你好。"), (S, "请说。"), (C, "好")),
            {"labels-on-one-line": 2},
            id="one-line",
        ),
        pytest.param(
            "求助者：你好。**支持者：**请说",
            ((C, "你好。"), (S, "请说")),
            {"labels-on-one-line": 1},
            id="one-line-bold",
        ),
        pytest.param(
            "求助者：**真的**很累\n支持者：请说",
            ((C, "**真的**很累"), (S, "请说")),
            {},
            id="markup-of-the-utterance-stays",
        ),
        pytest.param(
            "求助者：我想找心理咨询师：可以吗\n支持者：请说",
            ((C, "我想找心理咨询师：可以吗"), (S, "请说")),
            {},
            id="label-in-prose",
        ),
        pytest.param(
            "求助者：“你不行”，他说\n支持者：请说",
            ((C, "“你不行”，他说"), (S, "请说")),
            {},
            id="quotes-of-the-utterance-stay",
        ),
        pytest.param("求助者：👨‍👩‍👧😭\n支持者：❤️", ((C, "👨‍👩‍👧😭"), (S, "❤️")), {}, id="emoji-stay"),
        pytest.param(
            "求助者：路径是C:\\new\n支持者：请说", ((C, "路径是C:\\new"), (S, "请说")), {}, id="path-is-no-line-break"
        ),
        pytest.param(
            "求助者：你好\n支持者：可以这样：\n1. 运动\n比如：跑步\n22：30前睡",
            ((C, "你好"), (S, "可以这样：\n1. 运动\n比如：跑步\n22：30前睡")),
            {"lines-joined": 3},
            id="list-in-an-utterance",
        ),
        pytest.param("求助者：你好\n支持者：", ((C, "你好"), (S, "")), {}, id="nothing-said"),
    ],
)
def test_words_are_never_changed(text: str, utterances: tuple[Utterance, ...], repairs: dict[str, int]) -> None:
    reading = read_reply(text, SMILE)
    assert reading.utterances == utterances
    assert {mark.name: mark.times for mark in reading.marks} == repairs
    assert reading.stranger is None


def test_an_analysis_before_the_dialogue_is_no_repair_where_the_format_asks_for_it() -> None:
    text = "一、需求分析：用户需要倾听。\n\n二、共情技巧：倾听\n\n用户：你好\n心理咨询师：请说"
    reading = read_reply(text, SOULCHAT)
    assert (reading.utterances, reading.marks, reading.lead) == (((C, "你好"), (S, "请说")), (), None)


def test_an_analysis_that_names_the_speakers_ends_at_its_heading() -> None:
    text = "用户：希望被理解\n心理咨询师：用了倾听\n\n改写结果：\n用户：你好\n心理咨询师：请说"
    assert read_reply(text, SOULCHAT).utterances == ((C, "你好"), (S, "请说"))


def test_a_formats_own_label_wins_over_an_alias() -> None:
    assert "Psychological counselor" in ALIASES[S]
    assert read_reply("User: hi\nPsychological counselor: hello", SOULCHAT_EN).utterances == ((C, "hi"), (S, "hello"))


def test_every_utterance_stands_where_its_span_says() -> None:
    text = "好的：\n\n**求助者：**  你好。\n支持者：请说\n求助者\u200b：嗯"
    reading = read_reply(text, SMILE)
    assert [text[start:end] for start, end in reading.spans] == [said for _, said in reading.utterances]


fragments = st.lists(
    st.sampled_from(
        (
            *(
                "求助者",
                "支持者",
                "求助者：",
                "支持者: ",
                "：",
                ":",
                "\n",
                "\\n",
                "**",
                '"',
                "“",
                "”",
                "（",
                "）",
                "1.",
                "#",
                " ",
            ),
            *(
                "。",
                "你好",
                "旁白：",
                "小明：",
                "```",
                "---",
                "\u200b",
                "\u2028",
                "\r",
                "<think>",
                "</think>",
                "Client:",
            ),
            *("以上", "\\", "OK"),
        )
    ),
    max_size=25,
).map("".join)
said = st.one_of(fragments, st.text(max_size=30)).map(str.strip).filter(bool)


@given(st.lists(said, min_size=1, max_size=8), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_written_dialogue_reads_back_as_itself(texts: list[str], client_first: bool) -> None:  # noqa: FBT001
    roles = (C, S) if client_first else (S, C)
    dialogue = Dialogue(tuple(Utterance(roles[place % 2], text) for place, text in enumerate(texts)))
    for fmt in (SMILE, SOULCHAT, SOULCHAT_EN):
        reading = read_reply(write_dialogue(dialogue, fmt), fmt)
        assert reading.utterances == dialogue.utterances
        assert (reading.marks, reading.lead, reading.stranger) == ((), None, None)


@given(
    st.one_of(
        fragments,
        st.lists(st.tuples(st.sampled_from(["求助者：", "支持者：", "求助者: "]), said)).map(
            lambda lines: "\n".join(a + b for a, b in lines)
        ),
    )
)
@settings(max_examples=400, deadline=None)
def test_the_quick_way_reads_what_the_careful_way_reads(text: str) -> None:
    assert read_reply(text, SMILE)._replace(plain=False) == read_carefully(text, SMILE)


@given(fragments)
def test_only_named_repairs_are_made(text: str) -> None:
    assert {mark.name for mark in read_reply(text, SMILE).marks} <= REPAIRS.keys()


def test_smilechat_reads_back_and_the_rules_find_its_known_faults() -> None:
    path = DATA / "smilechat.jsonl.xz"
    if not path.exists():
        pytest.skip(f"no SMILECHAT at {path}; set EXPANDER_DATA")
    rules: dict[str, int] = {}
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in itertools.islice(lines, 3000):
            messages = json.loads(line)["messages"]
            dialogue = Dialogue(tuple(Utterance(Role(row["role"]), row["content"]) for row in messages))
            text = write_dialogue(dialogue, SMILE)
            rejection = judge(text, SMILE).rejection
            if all(one.role is not other.role for one, other in itertools.pairwise(dialogue.utterances)):
                assert read_reply(text, SMILE).utterances == dialogue.utterances
                assert judge(text, SMILE, rules=RuleSet(strict=True)).rejection == rejection
            rule = rejection.rule if rejection else "kept"
            rules[rule] = rules.get(rule, 0) + 1
    # Measured on the published file; a rule that changes these changes what a corpus keeps.
    assert rules == {"kept": 2460, "too-few-turns": 527, "leaked-label": 10, "one-line": 2, "english-ending": 1}


def test_the_papers_printed_examples_are_kept() -> None:
    path = PAPERS / "smile.txt"
    if not path.exists():
        pytest.skip(f"no paper at {path}")
    parts = re.split(r"\n---\n", path.read_text(encoding="utf-8"))
    examples = [part for part in parts if part.strip().startswith("**求助者:**")]
    assert len(examples) >= 3
    for text in examples:
        verdict = judge(text, SMILE)
        assert verdict.kept, verdict.rejection
        assert {repair.name for repair in verdict.repairs} == {"label-markup", "blank-lines"}
