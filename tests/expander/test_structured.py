"""What a constraint allows must pass the rules, whichever notation it is written in, and nothing else may be allowed."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest

from expander.errors import UsageError
from expander.openai_endpoint import compose
from expander.settings import EndpointSettings, SamplingSettings, StructuredSettings
from expander.structured.alphabet import BEFORE, FIRST, FIRST_AT_END, WITHIN, WITHIN_AT_END, Alphabet
from expander.structured.bounds import Bounds, bounded, bounds_of, fitted
from expander.structured.constraint import Constraint, constrain, constraint_of
from expander.structured.json_reply import labelled_text
from expander.structured.settling import format_with, room
from filters.dialogue import DialogueFormat, Role
from filters.rules import RuleSet, judge
from prompts import load, published
from tests.expander.grammar_samples import Grammar

STRICT = RuleSet(strict=True)
# Not of form: a random text may go round, as a model may; neither is a regular property.
NOT_OF_FORM = RuleSet(strict=True, off=frozenset({"repetition-loop"}))
ODD = DialogueFormat(
    client_labels=('求助者 "甲"', "Client"),
    counselor_labels=("咨询师(A.)", "Counselor"),
    min_turns=2,
    max_turns=4,
    opens_with=Role.COUNSELOR,
    closes_with=Role.COUNSELOR,
)
FORMATS = {name: load(name).format for name in published()} | {
    "counselor opens and closes": ODD,
    "counselor opens": replace(ODD, closes_with=None, min_turns=1, max_turns=1),
    "client closes": replace(ODD, opens_with=None, closes_with=Role.CLIENT, preamble=True, english=True),
}


def every(alphabet: Alphabet) -> list[str]:
    signs = [chr(code) for first, last in alphabet.ranges for code in range(ord(first), ord(last) + 1)]
    return [*signs, "-"] if alphabet.dash else signs


named_formats = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
lengths = pytest.mark.parametrize("longest", [225, None], ids=["bounded", "unbounded"])


def bounds_with(fmt: DialogueFormat, longest: int | None = 225) -> Bounds:
    return bounds_of(fmt, longest=longest)


@lengths
@named_formats
def test_what_a_grammar_allows_fails_the_rules(fmt: DialogueFormat, longest: int | None) -> None:
    bounds = bounds_with(fmt, longest)
    pattern = re.compile(constrain("regex", fmt, bounds).text)
    grammar = Grammar(constrain("grammar", fmt, bounds).text)
    chance = random.Random(7)
    seen = set()
    for extreme in ("most", "least", *[None] * 25):
        text = grammar.draw(chance, extreme)
        verdict = judge(text, fmt, rules=NOT_OF_FORM)
        assert verdict.rejection is None, (verdict.rejection, text)
        assert verdict.repairs == ()
        assert pattern.fullmatch(text), text
        assert verdict.dialogue is not None
        seen.add(verdict.dialogue.turns)
        assert bounds.min_turns <= verdict.dialogue.turns <= bounds.max_turns
    assert {bounds.min_turns, bounds.max_turns} <= seen


@named_formats
def test_what_the_schema_allows_fails_the_rules(fmt: DialogueFormat) -> None:
    bounds = bounds_with(fmt)
    schema = orjson.loads(constrain("json", fmt, bounds).text)
    chance = random.Random(8)
    for extreme in ("most", "least", *[None] * 15):
        written = orjson.dumps(drawn(schema, chance, extreme)).decode()
        text = labelled_text(written, fmt)
        assert text != written
        verdict = judge(text, fmt, rules=NOT_OF_FORM)
        assert verdict.rejection is None, (verdict.rejection, text)
        assert verdict.dialogue is not None
        assert bounds.min_turns <= verdict.dialogue.turns <= bounds.max_turns


def drawn(schema: dict[str, Any], chance: random.Random, extreme: str | None) -> Any:
    """A value that the schema allows; its patterns are read by the grammar's reader, which knows the same classes."""
    if schema["type"] == "string":
        body = schema["pattern"].removeprefix("^").removesuffix("$").replace("]{", "] {")
        return Grammar(f"root ::= {body.replace('][', '] [').replace('] {', ']{')}").draw(chance, extreme)
    if schema["type"] == "array":
        times = chance.randint(schema["minItems"], schema["maxItems"])
        if extreme is not None:
            times = schema["maxItems"] if extreme == "most" else schema["minItems"]
        return [drawn(schema["items"], chance, extreme) for _ in range(times)]
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    return {name: drawn(inner, chance, extreme) for name, inner in schema["properties"].items()}


@named_formats
def test_a_sign_of_an_alphabet_breaks_the_form(fmt: DialogueFormat) -> None:
    """Each character once, at an utterance's start and inside one, the last utterance among them."""
    bounds = replace(bounds_with(fmt), analysis=0)
    pattern = re.compile(constrain("regex", fmt, bounds).text)
    at_end = (FIRST, WITHIN) if fmt.english else (FIRST_AT_END, WITHIN_AT_END)
    words = [first + ("慢慢说，不急。" * 4) for first in every(FIRST)[::7]]
    words += [
        "嗯，" + "".join(every(WITHIN)[start : start + 97]) + "好的。" * 9 for start in range(0, len(every(WITHIN)), 97)
    ]
    ends = ["好，" + "".join(every(at_end[1])[start : start + 97]) + "就这样" * 9 for start in range(0, 40_000, 997)]
    draft = Grammar(constrain("grammar", fmt, bounds).text).draw(random.Random(1), "least").split("\n")
    labels = [re.match(r".*?[:：] ?", line) for line in draft]
    for number in range(0, len(words), len(draft) - 1):
        said = [*words[number : number + len(draft) - 1]]
        said += ["我们接着说下去，不着急，一点一点来。" * 2] * (len(draft) - 1 - len(said)) + [ends[number % len(ends)]]
        said = [f"{text}第{place}句" for place, text in enumerate(said)]
        text = "\n".join(label[0] + one for label, one in zip(labels, said, strict=True) if label)
        assert pattern.fullmatch(text)
        verdict = judge(text, fmt, rules=STRICT)
        assert verdict.rejection is None, verdict.rejection
        assert [utterance.text for utterance in verdict.dialogue.utterances] == [one.strip() for one in said]  # type: ignore[union-attr]


def test_an_analysis_is_taken_for_a_speaker() -> None:
    """The template's question makes models write headings, lists, rules and quotations before the dialogue."""
    fmt = load("empathy").format
    dialogue = Grammar(constrain("grammar", fmt, replace(bounds_with(fmt), analysis=0)).text).draw(random.Random(3))
    pattern = re.compile(constrain("regex", fmt, bounds_with(fmt)).text)
    signs = every(BEFORE)
    for start in range(0, len(signs), 399):
        text = "".join(signs[start : start + 399]) + "\n" + dialogue
        assert pattern.fullmatch(text)
        verdict = judge(text, fmt, rules=NOT_OF_FORM)
        assert verdict.kept
        assert verdict.repairs == ()
    for lead in (
        "### 用户\n- “很累”\n\n---\n**共情**\n",
        "用户\n心理咨询师\n",
        "（沉默）\n1. 倾听\n",
        "[分析]" * 2 + "\n",
    ):
        text = lead + dialogue
        assert bool(pattern.fullmatch(text)) == ("[" not in lead)
        assert judge(text, fmt, rules=NOT_OF_FORM).kept


BROKEN = {
    "another speaker": lambda text: text.replace("支持者", "旁白", 1),
    "one speaker twice": lambda text: text.replace("支持者", "求助者", 1),
    "an empty utterance": lambda text: re.sub("：[^\n]+", "：", text, count=1),
    "a blank line": lambda text: text.replace("\n", "\n\n", 1),
    "a label inside": lambda text: re.sub("：(.{4})", "：\\1。支持者：", text, count=1),
    "narration at the end": lambda text: text + "\n以上是改写后的对话。",
    "a line without a label": lambda text: text.replace("\n", "\n我还想说\n", 1),
    "a lead-in": lambda text: "以下是对话\n" + text,
    "one turn less": lambda text: text.split("\n", 2)[2],
    "half a turn more": lambda text: text + "\n求助者：谢谢你听我说这些",
    "English at the end": lambda text: text.rsplit("：", 1)[0] + "：I wish you all the best.",
    "a Latin word at the end": lambda text: text.rsplit("：", 1)[0] + "：祝你一切都好okok",
    "Markdown": lambda text: "**" + text.replace("：", "：**", 1),
    "a chat token": lambda text: text + "<|im_end|>",
    "a placeholder": lambda text: text + "[名字]",
    "an escape": lambda text: text.replace("\n", "\\n"),
    "a zero-width space": lambda text: text + "\u200b",
    "another script": lambda text: text + "привет",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_form_is_allowed(broken: Any) -> None:
    fmt = load("smile").format
    lines = [f"求助者：第{n}次说起来还是很难受\n支持者：第{n}次也愿意听你慢慢说" for n in range(5)]
    text = "\n".join(lines)
    pattern = re.compile(constrain("regex", fmt, bounds_with(fmt)).text)
    assert pattern.fullmatch(text)
    assert pattern.fullmatch(broken(text)) is None


@lengths
@named_formats
def test_a_long_text_takes_more_than_linear_time(fmt: DialogueFormat, longest: int | None) -> None:
    """A text that fails at its very end, at two lengths: eight times the text may not take forty times as long."""
    pattern = re.compile(constrain("regex", fmt, bounds_with(fmt, longest)).text)
    exchange = "".join(f"{labels[0]}：{'我睡不着，' * 40}\n" for labels in (fmt.client_labels, fmt.counselor_labels))

    def seconds(times: int) -> float:
        text = "前言，\n" * 3000 * times + exchange * 25 * times
        best = 9.0
        for _ in range(3):
            started = time.perf_counter()
            assert pattern.fullmatch(exchange * 25 * times + "\x00") is None
            assert pattern.fullmatch(text) is None
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(8) < 40 * max(seconds(1), 0.0005)


def test_bounds_do_not_fit_what_a_reply_may_have() -> None:
    smile, empathy = load("smile").format, load("empathy").format
    for fmt, tokens in (
        (smile, 2000),
        (smile, 1024),
        (empathy, 2000),
        (empathy, 4000),
        (load("empathy_en").format, 2000),
    ):
        bounds = fitted(bounded(bounds_of(fmt), fmt), fmt, tokens)
        needed = bounds.tokens(fmt)
        assert needed is not None
        assert 0.8 * tokens < needed <= tokens
        assert bounds.min_turns == fmt.min_turns
    # Nothing narrower than what makes a dialogue, however little there is.
    least = fitted(bounds_with(empathy), empathy, 1)
    assert least == Bounds(min_turns=8, max_turns=8, shortest=6, longest=40, analysis=0)
    assert fitted(bounds_with(smile), smile, 10**6) == bounds_with(smile)
    assert fitted(bounds_of(smile), smile, 100) == bounds_of(smile)
    kept = fitted(bounds_of(smile, longest=200, most_turns=9), smile, 900, fixed_longest=True, fixed_turns=True)
    assert (kept.longest, kept.max_turns) == (200, 9)


@pytest.mark.parametrize(
    ("tokens", "asked", "longest"),
    [(None, None, None), (30_000, None, None), (3000, None, 100), (1024, None, 54), (1024, 0, None), (1024, 90, 90)],
)
def test_a_bound_stands_where_none_is_needed(tokens: int | None, asked: int | None, longest: int | None) -> None:
    settings = StructuredSettings(structured="grammar", structured_longest=asked)
    found = constraint_of(settings, load("smile").format, tokens=tokens, extra_body={})
    assert found is not None
    assert found.bounds.longest == longest


def test_the_longest_text_of_a_constraint_is_longer_than_said() -> None:
    for fmt in FORMATS.values():
        bounds = bounds_with(fmt)
        text = Grammar(constrain("grammar", fmt, bounds).text).draw(random.Random(2), "most")
        said = bounds.tokens(fmt)
        assert said is not None
        assert len(text) <= said * (4 if fmt.english else 1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"structured_longest": 4, "structured_shortest": 5}, "5 to 4"),
        ({"structured_most_turns": 4}, "at least 5"),
        ({}, "structured_outputs"),
    ],
)
def test_bounds_that_cannot_be_are_accepted(options: dict[str, int], named: str) -> None:
    body = {} if options else {"structured_outputs": {"regex": "."}}
    with pytest.raises(UsageError, match=named):
        constraint_of(
            StructuredSettings(structured="regex", **options),  # type: ignore[arg-type]
            load("smile").format,
            tokens=None,
            extra_body=body,
        )


def test_the_runs_own_turns_are_not_forced() -> None:
    fmt = format_with(load("empathy").format, RuleSet(min_turns=3, max_turns=4))
    bounds = bounds_with(fmt)
    assert (bounds.min_turns, bounds.max_turns) == (3, 4)
    assert format_with(load("empathy").format, RuleSet()) == load("empathy").format


def test_no_constraint_is_one() -> None:
    assert constraint_of(StructuredSettings(), load("smile").format, tokens=None, extra_body={}) is None


def of(kind: Any, **options: Any) -> Constraint:
    return constrain(kind, load("smile").format, bounds_of(load("smile").format, **options))


def test_two_constraints_have_one_identity() -> None:
    kinds = [of("regex"), of("grammar"), of("json"), of("regex", longest=100), of("regex", longest=50)]
    assert len({constraint.sha256 for constraint in kinds}) == len(kinds)
    assert of("regex").sha256 == of("regex").sha256
    assert of("regex").provenance() == {"kind": "regex", "sha256": of("regex").sha256}
    assert orjson.dumps(of("json").described())


@pytest.mark.parametrize("kind", ["regex", "grammar", "json"])
def test_a_request_carries_another_constraint(kind: Any) -> None:
    constraint = of(kind)
    composed = compose(
        base_url="http://127.0.0.1:1/v1",
        model="m",
        endpoint=EndpointSettings(extra_body='{"top_k": 20}'),
        sampling=SamplingSettings(),
        system=None,
        constrained=constraint.body(),
    )
    sent = orjson.loads(composed.before + b'"hello"' + composed.after + b"}")
    assert sent["top_k"] == 20
    if kind == "json":
        assert "structured_outputs" not in sent
        assert sent["response_format"]["json_schema"]["schema"] == orjson.loads(constraint.text)
    else:
        assert "response_format" not in sent
        assert sent["structured_outputs"] == {kind: constraint.text}


def test_the_room_of_a_reply_is_misjudged() -> None:
    template = load("smile")
    assert room(template, SamplingSettings(), None) is None
    assert room(template, SamplingSettings(max_tokens=700), None) == 700
    left = room(template, SamplingSettings(), 4096)
    assert left is not None
    assert 1500 < left < 4096 - 1800
    assert room(template, SamplingSettings(max_tokens=700), 4096) == 700
    assert room(template, SamplingSettings(max_tokens=700), 100) == 1


TURN = {"求助者": "我睡不着。", "支持者": "愿意多说一点吗？"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "求助者：你好\n支持者：你好",
        "{",
        '{"dialogue": [{"求助者": "你好"',
        '{"dialogue": {"求助者": "你好"}}',
        '{"dialogue": [["你好"]]}',
        '{"dialogue": [{"求助者": 3}]}',
        '{"dialogue": [{"旁白": "三天后"}]}',
        '{"messages": [{"求助者": "你好"}]}',
        '{"dialogue": []}',
        "{}",
        "{" * 100_000,
        '{"dialogue":' + "[" * 100_000,
        "[1]",
    ],
    ids=lambda text: repr(text)[:40],
)
def test_a_reply_of_another_shape_is_changed(text: str | None) -> None:
    assert labelled_text(text, load("smile").format) == text


def test_a_json_reply_is_read_otherwise_than_written() -> None:
    fmt = load("smile").format
    written = orjson.dumps({"dialogue": [TURN] * 2, "last": TURN}).decode()
    expected = "\n".join(["求助者：我睡不着。", "支持者：愿意多说一点吗？"] * 3)
    assert labelled_text(written, fmt) == expected
    assert labelled_text(f"```json\n{written}\n```", fmt) == expected
    # Engines let raw control characters through inside strings.
    assert labelled_text(written.replace("我睡", "我\n\t\x01睡"), fmt) == expected.replace("我睡", "我 睡")
    analysed = orjson.dumps(
        {"analysis": "用户需要\n倾听", "last": {"用户": "我很累。", "心理咨询师": "听起来很辛苦。"}}
    )
    assert (
        labelled_text(analysed.decode(), load("empathy").format)
        == "用户需要 倾听\n用户：我很累。\n心理咨询师：听起来很辛苦。"
    )


def test_a_json_reply_with_a_label_in_an_utterance_loses_words() -> None:
    """An endpoint that ignores the pattern may send it; the utterance must come out as it was said."""
    fmt = load("smile").format
    said = {"求助者": "他说。支持者：别哭", "支持者": "“好”"}
    text = labelled_text(orjson.dumps({"dialogue": [said] * 5}).decode(), fmt)
    verdict = judge(text, fmt, rules=RuleSet(off=frozenset({"leaked-label", "repetition-loop"})))
    assert verdict.dialogue is not None
    assert [utterance.text for utterance in verdict.dialogue.utterances] == ["他说。支持者：别哭", "“好”"] * 5
