"""Reads a judge's answer: a value for each criterion, in JSON or a line each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from expander.annotation.reply_text import bare, json_in
from expander.annotation.task import Unparseable
from prompts.annotation import Criterion

_Value = TypeVar("_Value", int, str)

_SCORE = re.compile(r"\s*+(-?\d{1,3})(?:\.0++)?\s*+(?:分|points?|/\s*+\d++)?\s*+", re.IGNORECASE)
# `name: value` on a line of its own, a number or marks before it; the value may stand on a later line.
_NAMED = re.compile(
    r"^(?:[^\S\n]|[*\-#\d.、])*+([^\n:：|]{1,60}?)\**\s*+[:：|][\s*]*+([^\n|]{1,40}?)(?:[^\S\n]|[*|。,，;；])*+$",
    re.MULTILINE,
)
_VALUE_KEYS = ("score", "value", "winner", "answer", "分数", "得分", "结果")
_FIRST = frozenset({"a", "对话a", "dialogue a", "dialog a", "first", "甲"})
_SECOND = frozenset({"b", "对话b", "dialogue b", "dialog b", "second", "乙"})
_TIE = frozenset(
    {
        "tie",
        "tied",
        "draw",
        "equal",
        "same",
        "both",
        "neither",
        "a=b",
        "平",
        "平局",
        "平手",
        "相当",
        "一样",
        "不分高下",
        "持平",
    }
)


def scores(answer: str, criteria: Sequence[Criterion]) -> dict[str, int] | Unparseable:
    """A whole number for every criterion, within its bounds."""
    found: dict[str, int] = {}
    for criterion, said in _said(answer, criteria).items():
        value = _score(said)
        if value is None:
            return Unparseable(f"the answer's score for {criterion.key} is no whole number")
        if not criterion.low <= value <= criterion.high:
            return Unparseable(f"the answer's score for {criterion.key} is outside {criterion.low} to {criterion.high}")
        found[criterion.key] = value
    return _complete(found, criteria)


def winners(answer: str, criteria: Sequence[Criterion]) -> dict[str, str] | Unparseable:
    """`first`, `second` or `tie` for every criterion, by the places that the dialogues had in the prompt."""
    found: dict[str, str] = {}
    for criterion, said in _said(answer, criteria).items():
        value = _winner(said)
        if value is None:
            return Unparseable(f"the answer for {criterion.key} is neither A nor B nor a tie")
        found[criterion.key] = value
    return _complete(found, criteria)


def _complete(found: dict[str, _Value], criteria: Sequence[Criterion]) -> dict[str, _Value] | Unparseable:
    if missing := [criterion.key for criterion in criteria if criterion.key not in found]:
        return Unparseable(f"the answer says nothing of {', '.join(missing)}")
    return found


def _said(answer: str, criteria: Sequence[Criterion]) -> Mapping[Criterion, object]:
    text = bare(answer)
    document = json_in(text)
    if isinstance(document, list):  # one object a criterion
        document = {
            str(one.get("criterion", one.get("key", one.get("name")))): one for one in document if isinstance(one, dict)
        }
    if isinstance(document, dict) and len(document) == 1 and isinstance(inner := next(iter(document.values())), dict):
        document = inner if _by_name(inner, criteria) else document
    if isinstance(document, dict) and (found := _by_name(document, criteria)):
        return found
    return _by_name(dict(_NAMED.findall(text)), criteria)


def _by_name(document: Mapping[str, object], criteria: Sequence[Criterion]) -> Mapping[Criterion, object]:
    held = {_folded(key): value for key, value in document.items()}
    found = {}
    for criterion in criteria:
        for name in (criterion.key, criterion.name_en, criterion.name):
            if _folded(name) in held:
                found[criterion] = held[_folded(name)]
                break
    return found


def _folded(name: str) -> str:
    return re.sub(r"[(（][^()（）\n]*+[)）]|[\s_*\"'-]+", "", name).casefold()


def _plain(said: object) -> object:
    """What an object says, where a value is one."""
    if isinstance(said, dict):
        return next((said[key] for key in _VALUE_KEYS if key in said), None)
    return said


def _score(said: object) -> int | None:
    said = _plain(said)
    if isinstance(said, bool):
        return None
    if isinstance(said, int | float):
        return int(said) if said == int(said) else None
    found = _SCORE.fullmatch(said) if isinstance(said, str) else None
    return int(found[1]) if found else None


def _winner(said: object) -> str | None:
    said = _plain(said)
    if not isinstance(said, str):
        return None
    name = said.strip(" \t\"'“”*。.").casefold()
    if name in _FIRST:
        return "first"
    if name in _SECOND:
        return "second"
    return "tie" if name in _TIE else None
