from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dialogue import Role
from filters.rules import ALWAYS_ON, DEFAULT, RULES, Context, RuleSet, judge, rejections
from tests.filters.formats import SMILE, SOULCHAT, SOULCHAT_EN, reply

STRICT = RuleSet(strict=True)
SMILE_TEMPLATE = """You should adhere to these requirements:

1. First, you should focus on the topic of the dialogue given.
4. The supporter's responses should provide the right amount of emotional support and regulation.
6. Ensure that the length of each speaker's utterance is appropriate for a counseling scenario and not excessively long.

Single-turn dialogue: {QA}
"""
ANSWER = "你好，看到你的描述，我很心疼你。失眠往往和压力有关，先试着每天固定时间起床，下午以后不喝咖啡。如果两周后仍然没有好转，可以去医院的睡眠门诊看一看。"


def kept(text: str, **more: object) -> bool:
    return judge(text, SMILE, rules=dataclasses.replace(DEFAULT, **more)).kept  # type: ignore[arg-type]


def last(said: str) -> str:
    """A reply whose counselor ends so."""
    return reply().rsplit("：", 1)[0] + "：" + said


@pytest.mark.parametrize(
    ("text", "rule", "offending"),
    [
        pytest.param("", "empty-reply", None, id="empty"),
        pytest.param(" \n\t", "empty-reply", None, id="white-space"),
        pytest.param(reply() + "\ufffd", "broken-characters", "\ufffd", id="replacement-character"),
        pytest.param(reply() + "\ud83d", "broken-characters", "\ud83d", id="lone-surrogate"),
        pytest.param(reply() + "<|im_end|>", "special-token", "<|im_end|>", id="chat-token"),
        pytest.param("抱歉，我无法完成这个请求。", "refusal", "抱歉", id="refusal"),
        pytest.param("I'm sorry, but I can't help with that.", "refusal", "I'm sorry", id="refusal-in-english"),
        pytest.param(
            "很久以前，有一个人。\n他睡不好。", "no-known-speaker", "很久以前，有一个人。\n他睡不好。", id="story"
        ),
        pytest.param("甲：你好\n乙：请说", "no-known-speaker", "甲：你好\n乙：请说", id="other-speakers"),
        pytest.param("求助者：你好", "one-line", "求助者：你好", id="one-line"),
        pytest.param("分析" * 100 + "\n" + reply(), "preamble", "分析" * 100, id="long-text-before"),
        pytest.param(reply() + "\n旁白：夜深了。", "third-speaker", "旁白", id="narrator"),
        pytest.param(reply() + "\n**系统：**对话结束", "third-speaker", "系统", id="system"),
        pytest.param(reply(3) + "\n小明：我也是\n" + reply(3), "third-speaker", "小明", id="name"),
        pytest.param(reply(3) + "\n妈妈：别哭\n" + reply(3), "third-speaker", "妈妈", id="mother"),
        pytest.param(reply() + "\n求助者：", "empty-utterance", None, id="nothing-said"),
        pytest.param(reply() + "\n求助者：……", "empty-utterance", "……", id="dots-only"),
        pytest.param(reply(4), "too-few-turns", reply(4).removeprefix("求助者："), id="four-turns"),
        pytest.param(
            last("Take care of yourself and sleep well."),
            "english-ending",
            "Take care of yourself and sleep well.",
            id="english",
        ),
        pytest.param(last("加油！Take care!"), "english-ending", "Take care!", id="short-english-sentence"),
        pytest.param(last("utterance。"), "placeholder", "utterance。", id="utterance"),
        pytest.param(last("请看{QA}吧"), "placeholder", "{QA}", id="qa"),
        pytest.param(last("你好，[你的名字]，再见"), "placeholder", "[你的名字]", id="name-left-open"),
        pytest.param(last("好的（此处省略）"), "placeholder", "（此处省略）", id="left-out"),
        pytest.param(last("作为一个AI，我没有感情，但我会听。"), "assistant-voice", "作为一个AI", id="as-an-ai"),
        pytest.param(last("作为AI语言模型，我会听。"), "assistant-voice", "作为AI", id="ai-language-model"),
        pytest.param(last("我是一个人工智能，没有经历。"), "assistant-voice", "我是一个人工智能", id="i-am-one"),
        pytest.param(
            reply() + "\n" + "\n".join(["求助者：谢谢你一直听我说", "支持者：我一直在这里陪你"] * 3),
            "repetition-loop",
            None,
            id="loop",
        ),
        pytest.param(last("加油" * 150), "repetition-loop", None, id="stuck"),
    ],
)
def test_a_rejection_names_its_rule_and_the_place(text: str, rule: str, offending: str | None) -> None:
    verdict = judge(text, SMILE)
    assert verdict.rejection is not None
    assert verdict.rejection.rule == rule
    span = verdict.rejection.span
    if offending is not None:
        assert span is not None
        assert text[span.start : span.end] == offending


@pytest.mark.parametrize(
    "said",
    [
        *(
            "OK",
            "你可以试试MBTI测试，别被KPI困住。",
            "下载APP或者加WeChat。",
            "读读《Emotional First Aid》。",
            "看 https://a.example/some-good-page",
        ),
        *(
            "10：30睡觉，比如：先洗澡。",
            "我是一个人工智能工程师的朋友，懂你。",
            "如果人工智能普及了，会更好。",
            "系统会慢慢恢复。",
            "😭❤️",
        ),
        "去找一位好的心理咨询师：先看资质。",
    ],
)
def test_prose_that_looks_like_a_fault_is_kept(said: str) -> None:
    verdict = judge(last(said), SMILE, context=Context(post=f"我很难过。{said}"))  # which so gave what link there is
    assert verdict.kept, verdict.rejection
    assert verdict.repairs == ()


@pytest.mark.parametrize(
    "line",
    [
        "首先：睡个好觉。",
        "比如：散步",
        "10：30起床",
        "建议一：运动",
        "小贴士：喝水",
        "老实说：不容易",
        "方法：写日记",
        "注意：别熬夜",
        "1. 运动：每天半小时",
    ],
)
def test_a_heading_inside_an_utterance_is_no_third_speaker(line: str) -> None:
    verdict = judge(reply(3) + f"\n{line}\n{line}二\n" + reply(3), SMILE)
    assert verdict.kept, verdict.rejection


def test_the_reason_states_the_figures() -> None:
    rejection = judge(reply(4), SMILE).rejection
    assert rejection is not None
    assert rejection.reason == "4 turns; at least 5 are asked for"


@pytest.mark.parametrize(("finish", "rule"), [("length", "cut-by-length"), ("content_filter", "content-filter")])
def test_a_reply_that_the_endpoint_cut_is_rejected_though_it_reads_well(finish: str, rule: str) -> None:
    verdict = judge(reply(), SMILE, finish_reason=finish)
    assert verdict.rejection is not None
    assert verdict.rejection.rule == rule
    assert verdict.dialogue is not None


@pytest.mark.parametrize("finish", ["stop", None])
def test_a_finished_reply_is_kept(finish: str | None) -> None:
    assert judge(reply(), SMILE, finish_reason=finish).kept


def test_no_text_at_all_is_an_empty_reply() -> None:
    verdict = judge(None, SMILE)
    assert verdict.rejection is not None
    assert (verdict.rejection.rule, verdict.dialogue) == ("empty-reply", None)


def soulchat(turns: int) -> str:
    return reply(turns, client="用户：", counselor="心理咨询师：")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("心理咨询师：你好呀\n" + soulchat(8), "wrong-opening", id="counselor-opens"),
        pytest.param(soulchat(8) + "\n用户：谢谢你", "wrong-closing", id="client-closes"),
        pytest.param(soulchat(7), "too-few-turns", id="seven-turns"),
        pytest.param(soulchat(21), "too-many-turns", id="twenty-one-turns"),
    ],
)
def test_soulchats_requirements_are_its_own(text: str, rule: str) -> None:
    rejection = judge(text, SOULCHAT).rejection
    assert rejection is not None
    assert rejection.rule == rule


def test_soulchat_keeps_eight_to_twenty_turns_with_an_analysis_before_them() -> None:
    for turns in (8, 20):
        assert judge("分析：" + "用户需要倾听。" * 60 + "\n\n" + soulchat(turns), SOULCHAT, rules=STRICT).kept


def test_an_english_format_may_end_in_english() -> None:
    text = "\n".join(f"User: I feel low, number {i}.\nPsychologist: I hear you, number {i}." for i in range(8))
    assert judge(text, SOULCHAT_EN, rules=STRICT).kept


def test_the_templates_words_in_an_utterance_are_a_leak() -> None:
    words = "Ensure that the length of each speaker's utterance is appropriate\n for a counseling scenario and not excessively long"
    verdict = judge(
        reply(3) + "\n求助者：" + words + "\n" + reply(3), SMILE, context=Context(template_text=SMILE_TEMPLATE)
    )
    assert verdict.rejection is not None
    assert verdict.rejection.rule == "template-leak"


def test_a_reply_that_starts_with_the_prompt_is_named_so() -> None:
    verdict = judge(SMILE_TEMPLATE + "\n" + reply(), SMILE, context=Context(template_text=SMILE_TEMPLATE))
    assert verdict.rejection is not None
    assert verdict.rejection.rule == "prompt-repeated"


@pytest.mark.parametrize(
    "said", [ANSWER, ANSWER[:-8], "嗯，" + ANSWER + "加油。"], ids=["whole", "nearly", "with-words-around"]
)
def test_the_answer_said_as_it_was_is_a_copy(said: str) -> None:
    rejection = judge(last(said), SMILE, context=Context(answer=ANSWER)).rejection
    assert rejection is not None
    assert rejection.rule == "answer-copied"


def test_half_of_the_answer_is_a_rewriting() -> None:
    assert judge(last(ANSWER[: len(ANSWER) // 2]), SMILE, context=Context(answer=ANSWER)).kept


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param(reply(between="\n\n"), "unlabelled-line", id="blank-lines"),
        pytest.param(reply(client="**求助者：** "), "unlabelled-line", id="bold"),
        pytest.param(reply(client="Client: "), "unlabelled-line", id="alias"),
        pytest.param(reply() + "\n我还想说", "unlabelled-line", id="goes-on"),
        pytest.param(reply() + "\n支持者：还有", "same-speaker-twice", id="twice"),
        pytest.param("以下是对话：\n" + reply(), "preamble", id="lead-in"),
        pytest.param(reply() + "\n求助者：好。支持者：再见", "leaked-label", id="two-on-a-line"),
        pytest.param(reply(between="\\n"), "one-line", id="literal-newlines"),
        pytest.param("\ufeff" + reply(), "needs-repair", id="byte-order-mark"),
    ],
)
def test_strict_rejects_what_lenient_repairs(text: str, rule: str) -> None:
    lenient, strict = judge(text, SMILE), judge(text, SMILE, rules=STRICT)
    assert lenient.kept
    assert lenient.repairs
    assert strict.rejection is not None
    assert strict.rejection.rule == rule


def test_a_rule_that_is_off_says_nothing() -> None:
    assert not kept(reply(4))
    assert kept(reply(4), off=frozenset({"too-few-turns"}))
    assert kept(reply(4), min_turns=4)
    assert not kept(reply(), max_turns=4)


@pytest.mark.parametrize("name", ["too-few-turn", *sorted(ALWAYS_ON)])
def test_a_rule_set_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        RuleSet(off=frozenset({name}))


def test_fingerprints_differ_where_decisions_may() -> None:
    sets = [DEFAULT, STRICT, RuleSet(min_turns=8), RuleSet(max_turns=8), RuleSet(off=frozenset({"one-line"}))]
    assert len({rules.fingerprint() for rules in sets}) == len(sets)
    assert RuleSet().fingerprint() == DEFAULT.fingerprint()


def test_every_rule_has_a_name_of_its_own_and_a_source() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)


def test_the_first_objection_is_the_verdicts() -> None:
    text = reply(2) + "\n旁白：嗯\n求助者："
    found = [rejection.rule for rejection in rejections(text, SMILE)]
    assert found == ["third-speaker", "empty-utterance", "too-few-turns"]
    verdict = judge(text, SMILE)
    assert verdict.rejection == next(rejections(text, SMILE))


words = st.sampled_from(
    (
        *(
            "求助者：",
            "支持者：",
            "支持者: ",
            "\n求助者：",
            "\n支持者：",
            "\n",
            "\n\n",
            "\\n",
            "**",
            '"',
            "“",
            "（",
            "）",
            "1. ",
            "> ",
            "# ",
        ),
        *(
            "你好，我很累",
            "。",
            "旁白：",
            "小明：",
            "比如：",
            "```",
            "---",
            "\u200b",
            "\ufeff",
            "\r",
            "<think>",
            "</think>",
            "Client: ",
        ),
        *("总结：", "OK thanks a lot.", "作为一个AI", "{QA}", "\x00", "\ufffd", "<|im_end|>", "改写结果：", "……", "😭"),
    )
)
texts = st.one_of(st.text(), st.lists(words, max_size=40).map("".join), st.integers(3, 9).map(reply))
mixed = st.tuples(texts, st.integers(3, 9).map(reply), texts).map("".join)


@given(st.one_of(texts, mixed), st.sampled_from([SMILE, SOULCHAT, SOULCHAT_EN]))
@settings(max_examples=400, deadline=None)
def test_no_reply_breaks_a_promise(text: str, fmt: object) -> None:
    assert isinstance(fmt, type(SMILE))
    context = Context(answer=ANSWER, template_text=SMILE_TEMPLATE)
    lenient = judge(text, fmt, context=context)
    strict = judge(text, fmt, context=context, rules=STRICT)
    if strict.kept:
        assert lenient.kept
        assert lenient.dialogue == strict.dialogue
        assert strict.repairs == ()
    if lenient.kept:
        assert lenient.dialogue is not None
        assert lenient.dialogue.turns >= fmt.min_turns
        assert all(said.strip() == said != "" for _, said in lenient.dialogue.utterances)
        assert {role for role, _ in lenient.dialogue.utterances} == set(Role)
    for rejection in (*rejections(text, fmt, context=context), *rejections(text, fmt, context=context, rules=STRICT)):
        if rejection.span is not None:
            assert 0 <= rejection.span.start <= rejection.span.end <= len(text)


def test_a_long_english_utterance_is_a_loop_for_its_one_curly_quote() -> None:
    long = "I’ve been thinking about what you said last week, and about the way I talk to myself when things go wrong. "
    story = long + " ".join(f"On day {day} I slept a little better, and then worse again." for day in range(12))
    turns = "\n".join(f"User: {story} ({turn})\nPsychologist: Tell me more about part {turn}." for turn in range(8))
    assert judge(turns, SOULCHAT_EN).kept
