"""The published prompts are the experimental condition: a changed character is another experiment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prompts import load, published

PAPERS = {
    "smile": ("smile.txt", "I want you to act as both", "Your rewritten multi-turn dialog is:"),
    "standard": ("smile.txt", "Generate a mental health support dialogue", "The multi-turn dialogue is:"),
    "standardT": ("smile.txt", "Generate a mental health support dialogue", "The multi-turn dialogue is:"),
    "empathy": ("soulchat.txt", "请扮演一个心理咨询领域的文本改写员", "你的改写结果为："),
    "empathy_en": ("soulchat.txt", "Please act as a text rewriter", "Your rewritten result is:"),
}


def printed(papers: Path, name: str) -> str:
    """The prompt as the paper's text holds it, without what the conversion to text added.

    The conversion wraps lines and writes a backslash as two. SMILE's figures show `\\n` as two characters inside
    quotation marks; SoulChat's figures are Python source, in which `\\n` is a line break and the post is joined on.
    """
    file, first, last = PAPERS[name]
    text = (papers / file).read_text("utf-8").replace("\\\\n", "\\n")
    if name == "standardT":
        text = text[text.index("Figure 9: The standard method") :]
    start = text.index(first)
    text = text[start : text.index(last, start) + len(last)]
    if file == "soulchat.txt":
        text = re.sub(r'"+\s*\+\s*single_turn\s*\+\s*"+', "{single_turn}", text).replace("\\n", "\n")
    return text


def words(text: str) -> str:
    """White space folded: line breaks in the papers are the printer's."""
    return " ".join(text.split())


@pytest.mark.parametrize("name", PAPERS)
def test_wording_differs_from_the_paper(papers: Path, name: str) -> None:
    assert words(load(name).prompt) == words(printed(papers, name))


def test_a_published_template_is_not_held_against_its_paper() -> None:
    assert set(published()) == set(PAPERS)


@pytest.mark.parametrize("name", ["smile", "standard", "standardT"])
def test_a_numbered_requirement_lost_its_own_line(name: str) -> None:
    lines = load(name).prompt.splitlines()
    assert [line[:2] for line in lines if line[:1].isdigit()] == ["1.", "2.", "3.", "4.", "5.", "6."]


@pytest.mark.parametrize("name", ["smile", "standard", "standardT"])
def test_the_exchange_separator_became_a_line_break(name: str) -> None:
    assert '5. Separate each exchange with "\\n".' in load(name).prompt


@pytest.mark.parametrize("name", ["empathy", "empathy_en"])
def test_soulchats_line_breaks_are_no_line_breaks(name: str) -> None:
    prompt = load(name).prompt
    assert prompt.count("\n\n") == 2
    assert "\\n" not in prompt


def test_the_english_prompt_lost_the_space_before_its_line_break() -> None:
    assert "should not be too long. \n\n[Single round" in load("empathy_en").prompt
