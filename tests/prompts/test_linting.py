"""What `prompt lint` finds: each fault by name, severity and line, all at once; nothing in a sound template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import HERE, TemplateError, parse, published
from prompts.findings import CHECKS, Severity
from prompts.linting import lint
from tests.conftest import REPOSITORY

OWN = """\
source: "written for this test"
needs: qa
labels:
  client: ["来访者"]
  counselor: ["咨询师"]
turns:
  min: 6
  max: 15
opens_with: client
prompt: |-
  请把下面的一问一答改写成6到15轮对话，每行以“来访者：”或“咨询师：”开头，以“来访者：”开始。

  {qa}
qa: |-
  来访者：{question}
  咨询师：{answer}
"""
PROMPT_LINE, POST_LINE = 11, 13
ASKS = "6到15轮对话"


def changed(*changes: tuple[str, str]) -> str:
    text = OWN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def found(text: str) -> list[tuple[str, str, int | None]]:
    return [(each.name, each.severity.value, each.line) for each in lint(text, name="own")]


def test_a_sound_template_is_complained_of() -> None:
    assert found(OWN) == []
    assert parse(OWN, name="own").format.min_turns == 6


@pytest.mark.parametrize("name", published())
def test_a_published_template_is_complained_of(name: str) -> None:
    assert found((HERE / f"{name}.yaml").read_text("utf-8")) == []


def test_the_documented_example_is_complained_of() -> None:
    text = (REPOSITORY / "docs" / "templates.md").read_text("utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert found(example) == []


E, W = "error", "warning"

CASES = [
    pytest.param([("needs: qa", "needs: [")], [("unreadable", E, 4)], id="no YAML"),
    pytest.param([("needs: qa", "needs: qa\ncolour: red")], [("unknown-key", E, 3)], id="unknown key"),
    pytest.param([("  min: 6", "  mim: 6\n  min: 6")], [("unknown-key", E, 7)], id="unknown key inside"),
    pytest.param([("needs: qa\n", "")], [("missing-key", E, None)], id="missing key"),
    pytest.param([("  min: 6\n", "")], [("missing-key", E, 6)], id="missing key inside"),
    pytest.param([("min: 6", "min: six")], [("wrong-value", E, 7)], id="no number"),
    pytest.param([("needs: qa", "needs: post")], [("wrong-value", E, 2)], id="unknown need"),
    pytest.param([("needs: qa", "needs: qa\nneeds: qa")], [("key-twice", W, 3)], id="a key twice"),
    pytest.param(
        [("{qa}", "{QA}")], [("missing-variable", E, 10), ("unknown-variable", E, POST_LINE)], id="capital letters"
    ),
    pytest.param([("{qa}", "there")], [("missing-variable", E, 10)], id="no post in the prompt"),
    pytest.param([("{qa}", "{qa}{topic}")], [("foreign-variable", E, POST_LINE)], id="a topic that is not drawn"),
    pytest.param([("{qa}", "{qa} [Dialogue Topic]")], [("leftover-mark", W, POST_LINE)], id="a mark of a paper"),
    pytest.param([("{qa}", "{{qa}}")], [("leftover-mark", W, POST_LINE)], id="double braces"),
    pytest.param([("{qa}", "{qa}${question}")], [("leftover-mark", W, POST_LINE), ("post-twice", W, 10)], id="shell"),
    pytest.param([("{qa}", "{qa} <answer>")], [("leftover-mark", W, POST_LINE)], id="angle brackets"),
    pytest.param([("{qa}", '{qa}" + single_turn + "')], [("leftover-mark", W, POST_LINE)], id="joined in Python"),
    pytest.param(
        [("needs: qa", 'needs: qa\nvariables: {"{qa}": qa, "{post}": qa}')], [("unused-mark", W, 3)], id="a mark unused"
    ),
    pytest.param([("{qa}", "{question}"), ("咨询师：{answer}", "无")], [("half-a-post", W, 10)], id="no answer sent"),
    pytest.param([("咨询师：{answer}", "咨询师：无")], [("half-a-post", W, 14)], id="a layout without the answer"),
    pytest.param([("{qa}", "{qa}\n  {qa}")], [("post-twice", W, 10), ("post-twice", W, 10)], id="the post twice"),
    pytest.param([('["来访者"]', '["来访者："]')], [("label-shape", E, 4)], id="a colon in a label"),
    pytest.param([('["来访者"]', '["来访者", " "]')], [("label-shape", E, 4)], id="an empty label"),
    pytest.param([('["来访者"]', '["来访者\u200b"]')], [("label-shape", E, 4)], id="an invisible sign in a label"),
    pytest.param(
        [('["来访者"]', '["来访者", "咨询师"]')], [("crossed-label", W, 4), ("shared-label", E, 3)], id="shared"
    ),
    pytest.param([('["来访者"]', '["来访者", "咨询"]')], [("label-prefix", W, 3)], id="one label begins the other"),
    pytest.param([('["来访者"]', '["来访者", "支持者"]')], [("crossed-label", W, 4)], id="the other's usual name"),
    pytest.param(
        [("或“咨询师：”", "或“支持者：”")], [("label-not-accepted", W, PROMPT_LINE)], id="another known label"
    ),
    pytest.param([("或“咨询师：”", "或“知心姐姐：”")], [("label-not-accepted", W, PROMPT_LINE)], id="another label"),
    pytest.param(
        [("或“咨询师：”", "或“知心姐姐：”"), ("咨询师：{answer}", "答：{answer}")],
        [("label-not-accepted", E, PROMPT_LINE), ("label-not-asked", W, 5)],
        id="another label instead of ours",
    ),
    pytest.param([("或“咨询师：”", "或“咨询师:”")], [("mixed-colons", W, 16)], id="two kinds of colon"),
    pytest.param([("max: 15", "max: 4")], [("turns-crossed", E, 8)], id="bounds crossed"),
    pytest.param([(ASKS, "至少二十轮对话")], [("turns-apart", E, PROMPT_LINE)], id="more than the most"),
    pytest.param([(ASKS, "四轮对话")], [("turns-apart", E, PROMPT_LINE)], id="fewer than the least"),
    pytest.param([(ASKS, "at least ten exchanges")], [("turns-looser", W, 7)], id="fewer accepted than asked for"),
    pytest.param([(ASKS, "不超过12轮")], [("turns-looser", W, 8)], id="more accepted than asked for"),
    pytest.param([(ASKS, "4-15轮")], [("turns-tighter", W, PROMPT_LINE)], id="fewer asked for than accepted"),
    pytest.param([("opens_with: client", "opens_with: counselor")], [("opening-contradicted", E, 11)], id="opening"),
    pytest.param(
        [("以“来访者：”开始", "“来访者：”结束"), ("opens_with: client", "closes_with: counselor")],
        [("closing-contradicted", E, 11)],
        id="closing",
    ),
    pytest.param([("开始。", "开始。请逐步分析。")], [("analysis-not-allowed", W, PROMPT_LINE)], id="an analysis"),
    pytest.param([("开始。", "开始。用英文写。")], [("english-not-allowed", W, PROMPT_LINE)], id="English"),
]


@pytest.mark.parametrize(("changes", "wanted"), CASES)
def test_a_fault_is_missed_or_stands_elsewhere(
    changes: list[tuple[str, str]], wanted: list[tuple[str, str, int | None]]
) -> None:
    assert sorted(found(changed(*changes)), key=str) == sorted(wanted, key=str)


def test_a_check_has_no_case() -> None:
    shown = {name for case in CASES for name, _, _ in case.values[1]}  # type: ignore[union-attr]
    # Of the command, or of what only the loader sees.
    assert set(CHECKS) - shown == {"file-name", "long-prompt", "refused"}


def test_findings_hide_each_other() -> None:
    changes = (
        ("needs: qa", "needs: qa\ncolour: red"),
        ("max: 15", "max: 4"),
        ("或“咨询师：”", "或“支持者：”"),
        ("{qa}", "{qa} {{answer}}"),
        ("opens_with: client", "opens_with: counselor"),
    )
    names = {name for name, _, _ in found(changed(*changes))}
    assert names >= {"unknown-key", "turns-crossed", "label-not-accepted", "leftover-mark", "opening-contradicted"}


@pytest.mark.parametrize("line", ["  min: 6  # few, on purpose", "  min: 6"], ids=["of the bound", "of its key"])
def test_a_comment_does_not_say_that_a_bound_is_meant(line: str) -> None:
    above = "turns:" if "#" in line else "turns:  # few, on purpose"
    text = changed((ASKS, "至少十轮对话"), ("turns:\n  min: 6", f"{above}\n{line}"))
    assert found(text) == []
    assert found(text.replace("  # few, on purpose", "")) == [("turns-looser", "warning", 7)]


@pytest.mark.parametrize(
    ("mark", "advice"), [("{QA}", "{qa}"), ("{single_qa}", "{qa}"), ("{Answer}", "{answer}"), ("[QA]", "{qa}")]
)
def test_a_near_miss_is_not_led_back(mark: str, advice: str) -> None:
    findings = lint(changed(("{qa}", f"{{qa}} {mark}")), name="own")
    (about,) = [each for each in findings if each.name in {"unknown-variable", "leftover-mark"}]
    assert mark in about.message
    assert f"Write {advice}" in about.advice


def test_a_mark_meant_as_text_cannot_be_declared() -> None:
    text = changed(("{qa}", '{qa} {"a": 1} {name}'), ("needs: qa", "needs: qa\nliteral: ['{\"a\": 1}', '{name}']"))
    assert found(text) == []


def test_each_line_begins_with_is_taken_for_who_begins() -> None:
    assert found(changed(("，以“来访者：”开始", ""), ("opens_with: client", "opens_with: counselor"))) == []


def refused(text: str) -> bool:
    try:
        parse(text, name="own")
    except (TemplateError, ValueError, RecursionError):
        return True
    return False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "- 1",
        "a: 2026-13-40",
        "a: &a [*a]",
        "? [1]\n: 2",
        "prompt: 1",
        "labels: [1]\nturns: 3\nprompt: 5\nvariables: []",
        "[" * 3000,
        OWN.replace('["来访者"]', "[1]"),
        OWN.replace("min: 6", "min: 0"),
        OWN.replace("needs: qa", "needs: topic"),
        OWN.replace("needs: qa", "needs: qa\nvariables: {a: b}"),
        OWN.replace("needs: qa", "needs: qa\nvariables: {'': qa}"),
        OWN.replace("{question}", "{questions}"),
    ],
    ids=repr,
)
def test_what_the_loader_refuses_passes(text: str) -> None:
    assert refused(text)
    assert any(each.severity is Severity.ERROR for each in lint(text, name="own"))


@given(st.text(max_size=200), st.integers(0, len(OWN)), st.integers(0, 60))
def test_a_damaged_file_breaks_the_linting_or_passes_while_the_loader_refuses_it(text: str, at: int, cut: int) -> None:
    damaged = OWN[:at] + text + OWN[at + cut :]
    errors = [each for each in lint(damaged, name="own") if each.severity is Severity.ERROR]
    assert errors or not refused(damaged)
    assert {each.name for each in lint(damaged, name="own")} <= set(CHECKS)


def test_a_check_is_not_documented() -> None:
    text = (REPOSITORY / "docs" / "templates.md").read_text("utf-8")
    assert [name for name in CHECKS if f"| `{name}` |" not in text] == []
