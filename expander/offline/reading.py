"""What a prompt asks for, found in its text alone.

The endpoint is served over HTTP, so it knows no template: a published prompt and a user's own are read by the same
rules. The post inside the prompt is data. Instructions are looked for only in the words around it.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FALLBACK_TURNS = 6  # one above SMILE Appendix B.2's least, for a prompt that states no number
MOST_TURNS = 20  # SoulChat Figure 2

QUOTED_LABEL = re.compile(r"""["“「『'`]\s*+([^"“”「」『』'`\n:：,，。.;；]{1,20}?)\s*+([:：] ?)\s?["”」』'`]""")
# Speakers named without a quoted "label:"; a user's template may only show them at the start of lines.
KNOWN_PAIRS = (
    ("求助者", "支持者"),
    ("用户", "心理咨询师"),
    ("来访者", "咨询师"),
    ("来访者", "心理咨询师"),
    ("患者", "医生"),
    ("倾诉者", "倾听者"),
    ("User", "Psychologist"),
    ("Help-seeker", "Supporter"),
    ("Seeker", "Supporter"),
    ("Client", "Counselor"),
    ("Client", "Therapist"),
    ("Patient", "Therapist"),
    ("User", "Assistant"),
)
# How a template may head a post that it does not print with its speakers' labels.
POST_HEADS = (
    ("问题", "回答"),
    ("问题", "回复"),
    ("提问", "回答"),
    ("问", "答"),
    ("帖子", "回复"),
    ("求助", "回复"),
    ("Question", "Answer"),
    ("Post", "Reply"),
    ("Post", "Answer"),
    ("Q", "A"),
)
COLON = re.compile(r"(?:\*\*)?[ \t]*([:：] ?)(?:\*\*)?")
PLACEHOLDER = re.compile(
    r"(?i)[\s.…。·xX_<>\[\]{}()（）【】*\-]*+(?:utterance|\w*utt|内容|发言|文本|\.\.\.)?[\s.…。xX_<>\[\]{}()（）【】*\-]*"
)
TOPIC = re.compile(r"""(?i)(?:topic|主题|话题)[^"“「\n]{0,80}["“「]([^"”」\n]{1,80})["”」]""")
TURN_RANGE = re.compile(
    r"(?i)(\d{1,3})\s*(?:-|~|～|—|–|到|至|to)\s*(\d{1,3})\s*(?:个?轮|个?回合|rounds?|turns?|exchanges?)"
)
TURN_LEAST = re.compile(
    r"(?i)(?:at least|no fewer than|minimum of|至少|不少于|不低于)\s*(\d{1,3})\s*(?:个?轮|个?回合|rounds?|turns?|exchanges?)"
    r"|(\d{1,3})\s*(?:个?轮|个?回合|rounds?|turns?|exchanges?)\s*(?:or more|and more|以上|及以上|或以上|or so|左右)?"
)
ANALYSIS = re.compile(
    r"(?i)(?:逐步|先|首先)[^。\n]{0,8}分析|analy[sz]e\s[^.\n]{0,200}?\b(?:and|then)\b[^.\n]{0,40}?rewrite"
)
IN_CHINESE = re.compile(r"(?i)\bin chinese\b|[\u4e00-\u9fff]")
CHINESE = re.compile(r"[\u4e00-\u9fff]+")
LATIN = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One prompt, understood as far as the rules go."""

    client: str
    """The client's label as it opens a line, colon and space included."""
    counselor: str
    question: str | None
    """The post's question; None where the prompt brings no post."""
    answer: str
    topic: str | None
    least: int
    """Turns asked for, at the least."""
    most: int
    bounded: bool
    """The prompt states an upper bound too, so the lower one is meant strictly (SoulChat's 8 to 20)."""
    analysis: bool
    chinese: bool
    """The dialogue is to be in Chinese: the post's own language, or the one the prompt asks for."""
    instructions: str
    """The prompt's words before the post."""


def read_prompt(prompt: str) -> Reading:
    """What `prompt` asks for. Never fails: what cannot be found takes a default."""
    client, counselor = _speakers(prompt)
    block = _block(prompt, client[0], counselor[0]) or _headed_block(prompt)
    if block is None:
        before, question, answer, after = prompt, None, "", ""
    else:
        if block.swapped:
            client, counselor = counselor, client
        before, question = prompt[: block.start], block.question
        answer, after = _without_tail(block.rest, labels_came_first=_quoted(before, client[0]))
    least, most, bounded = _turns(before, after)
    return Reading(
        client=_opening(client),
        counselor=_opening(counselor),
        question=question,
        answer=answer,
        topic=_topic(before) if question is None else None,
        least=least,
        most=most,
        bounded=bounded,
        analysis=ANALYSIS.search(after) is not None or ANALYSIS.search(before) is not None,
        chinese=mostly_chinese(question + answer) if question else IN_CHINESE.search(before) is not None,
        instructions=before,
    )


def mostly_chinese(text: str) -> bool:
    """Whether the text's letters are Chinese rather than Latin; a Chinese character weighs as three Latin letters."""
    chinese = sum(map(len, CHINESE.findall(text)))
    latin = sum(map(len, LATIN.findall(text)))
    return chinese * 3 >= latin


_Label = tuple[str, str]
"""A speaker's name and the colon that follows it, as the prompt writes them."""


@dataclass(frozen=True, slots=True)
class _Block:
    start: int
    question: str
    rest: str
    swapped: bool


def _speakers(prompt: str) -> tuple[_Label, _Label]:
    names: dict[str, str] = {}
    for name, colon in QUOTED_LABEL.findall(prompt):
        names.setdefault(name, colon)
    # Labels that also speak in the prompt outrank quoted words that merely end in a colon, such as a post's own.
    if len(names) > 2:  # noqa: PLR2004 - a pair needs no choosing
        spoken = [(name, colon) for name, colon in names.items() if _spoken(prompt, name) is not None]
        if len(spoken) > 1:
            return spoken[0], spoken[1]
    if len(names) > 1:
        first, second, *_ = names.items()
        return first, second
    for one, two in KNOWN_PAIRS:
        here, there = _spoken(prompt, one), _spoken(prompt, two)
        if here is not None and there is not None:
            return (one, here.colon), (two, there.colon)
    return ("求助者", ": "), ("支持者", ": ")


def _opening(label: _Label) -> str:
    """A half-width colon takes a space after it and a full-width one takes none, unless the prompt wrote one."""
    name, colon = label
    return f"{name}: " if colon.startswith(":") else name + colon


def _quoted(text: str, name: str) -> bool:
    return any(found == name for found, _ in QUOTED_LABEL.findall(text))


class _Spoken(NamedTuple):
    """A label that opens an utterance: where its line begins, where its words begin, and its colon."""

    start: int
    end: int
    colon: str


def _spoken(text: str, name: str) -> _Spoken | None:
    return next(_all_spoken(text, name), None)


def _all_spoken(text: str, name: str) -> Iterator[_Spoken]:
    """Where a line, or what follows a heading's colon or bracket, opens with that label."""
    # Found by `str.find` and then looked at: a pattern with all of it takes thirty times as long on a long post.
    found = text.find(name)
    while found >= 0:
        after = COLON.match(text, found + len(name))
        before = text[max(0, found - 8) : found].rstrip(" \t*")
        if after and (before.endswith(("\n", ":", "：", "]", "】")) or (not before and found <= 8)):  # noqa: PLR2004 - that window
            yield _Spoken(found, after.end(), after.group(1))
        found = text.find(name, found + len(name))


def _block(prompt: str, client: str, counselor: str) -> _Block | None:
    """The single-turn dialogue. A format example, in which neither side says anything ("用户：……"), is passed over."""
    resume = 0
    mine = ((found, counselor, False) for found in _all_spoken(prompt, client))
    theirs = ((found, client, True) for found in _all_spoken(prompt, counselor))
    for found, other, swapped in heapq.merge(mine, theirs, key=lambda entry: entry[0].start):
        reply = _reply_label(prompt, other, found.end) if found.start >= resume else None
        if reply is None:
            continue
        question = prompt[found.end : reply.start()]
        said = prompt[reply.end() :].lstrip().split("\n", 1)[0]
        if _placeholder(question) and _placeholder(said):
            resume = reply.end()
            continue
        return _Block(found.start, question.strip(), prompt[reply.end() :], swapped)
    return None


def _placeholder(words: str) -> bool:
    """Whether a format example may say this: dots, crosses, brackets, "utterance". Long words are never tried."""
    return 0 < len(words.strip()) < 60 and PLACEHOLDER.fullmatch(words) is not None  # noqa: PLR2004 - a line


def _headed_block(prompt: str) -> _Block | None:
    for question, answer in POST_HEADS:
        if (block := _block(prompt, question, answer)) is not None and not block.swapped:
            return block
    return None


def _reply_label(prompt: str, name: str, start: int) -> re.Match[str] | None:
    """The first line after `start` that opens with the label; failing that, the label after a space or a full stop."""
    label = rf"(?:\*\*)?{re.escape(name)}(?:\*\*)?[ \t]*([:：])"
    return re.compile(rf"\n[ \t]*{label}").search(prompt, start) or re.compile(rf"(?<=[\s。！？.!?]){label}").search(
        prompt, start
    )


def _without_tail(rest: str, *, labels_came_first: bool) -> tuple[str, str]:
    """The answer, and the template's words after it.

    Only the template's last paragraph is taken off, for an answer may hold blank lines and even words like the
    template's own. Where the prompt first names its speakers after the post, everything from there is the template's.
    """
    if not labels_came_first and (later := QUOTED_LABEL.search(rest)):
        cut = rest.rfind("\n\n", 0, later.start())
        if cut > 0:
            return rest[:cut].strip(), rest[cut:].strip()
    text = rest.rstrip()
    cut = text.rfind("\n\n")
    tail = text[cut:].strip() if cut > 0 else ""
    if tail and (tail.endswith((":", "：")) or _instructs(tail)):
        return text[:cut].strip(), tail
    if text.endswith((":", "：")) and (cut := text.rfind("\n")) > 0:
        return text[:cut].strip(), text[cut:].strip()
    return text.strip(), ""


def _instructs(paragraph: str) -> bool:
    """A closing instruction without a colon. Several words must agree: an answer may hold any one of them."""
    lowered = paragraph.lower()
    return ("改写" in lowered and ("对话" in lowered or "多轮" in lowered)) or (
        "rewrit" in lowered and ("dialog" in lowered or "conversation" in lowered)
    )


def _topic(instructions: str) -> str | None:
    found = TOPIC.search(instructions)
    name = found.group(1).strip().rstrip(".。").strip() if found else ""
    return name or None


def _turns(before: str, after: str) -> tuple[int, int, bool]:
    for text in (before, after):
        if found := TURN_RANGE.search(text):
            least, most = sorted(map(int, found.groups()))
            return max(1, min(least, MOST_TURNS)), max(1, min(most, 60)), True
        if found := TURN_LEAST.search(text):
            least = max(1, min(int(found.group(1) or found.group(2)), 60))
            return least, max(least, MOST_TURNS), False
    return FALLBACK_TURNS, MOST_TURNS, False
