"""What models put around an answer, and the JSON in it."""

from __future__ import annotations

import re

import orjson

_THOUGHT = re.compile(r"\A(?:\s*<think(?:ing)?>)?.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"```[A-Za-z]*+\s*+(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_DECODED_FROM = 8  # brackets that are tried; an answer has one


def bare(text: str) -> str:
    """The answer without reasoning before it and without a code fence around it."""
    text = _THOUGHT.sub("", text, count=1)
    if fenced := _FENCED.search(text):
        text = fenced[1]
    return text.strip()


def json_in(text: str) -> object:
    """The first JSON list or object in the text; None where there is none."""
    for tried, opening in enumerate(_OPENING.finditer(text)):
        if tried >= _DECODED_FROM:
            break
        end = text.rfind("]" if opening.group() == "[" else "}")
        if end > opening.start():
            try:
                found: list[object] | dict[str, object] = orjson.loads(text[opening.start() : end + 1])
            except orjson.JSONDecodeError:
                continue
            if isinstance(found, dict) or found == [] or any(isinstance(one, str | list | dict) for one in found):
                return found
            if len(text) == end + 1 - opening.start():  # elsewhere "[3]" is a number in brackets
                return found
    return None
