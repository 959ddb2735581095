"""Reads an answer that gives numbered utterances their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from expander.annotation.reply_text import bare, json_in
from expander.annotation.task import Unparseable
from expander.annotation.vocabulary import MOST, Vocabulary

_NEXT = r",\s*(?=\[?\d+\]?\s*[:：])"
_ENTRY = re.compile(
    rf"(?:^|[\n;；]|{_NEXT})(?:[^\S\n]|[*#-])*+"
    r"(?:[\[(（](?P<held>\d{1,5})[\])）]\**\s*(?:[:：.、=]|->|→)?|(?P<bare>\d{1,5})\**\s*(?:[:：.、=)）]|->|→|[-–—]))"
    rf"\s*(?P<said>[^\n;；]*?)(?=[\n;；]|{_NEXT}|$)"
)
_SPEAKER = re.compile(
    r"^(?:求助者|支持者|咨询师|来访者|Help-seeker|Supporter|Client|Counselor)\s*[:：]\s*", re.IGNORECASE
)
_AFTER_DASH = re.compile(r"\s[-–—]+\s|[(（。]")
_NUMBER_KEYS = ("n", "number", "id", "index", "utterance", "编号", "序号")
_SHOWN = 5  # numbers in a reason


def utterance_labels(answer: str, numbers: Sequence[int], vocabulary: Vocabulary) -> dict[int, list[str]] | Unparseable:
    """Labels of each utterance asked about: by name where on the list, as said where not.

    Read are lines `3: Question`, JSON that maps numbers to labels or lists them with their numbers, and a JSON list with
    one entry for each utterance asked about. An utterance without a label makes the whole answer unparseable.
    """
    text = bare(answer)
    document = json_in(text)
    pairs = list(_of_json(document, numbers)) or [
        (int(entry["held"] or entry["bare"]), entry["said"]) for entry in _ENTRY.finditer(text)
    ]
    found: dict[int, list[str]] = {}
    for number, said in pairs:
        if number in numbers and (labels := _labels(said, vocabulary)):
            found.setdefault(number, labels)
    if not found:
        return Unparseable("no label could be read in the answer")
    if missing := [number for number in numbers if number not in found]:
        named = ", ".join(map(str, missing[:_SHOWN])) + (" ..." if len(missing) > _SHOWN else "")
        return Unparseable(f"the answer has no label for {len(missing)} of {len(numbers)} utterances: {named}")
    return {number: found[number] for number in numbers}


def _labels(said: object, vocabulary: Vocabulary) -> list[str]:
    """On-list labels alone where there is any: what else stands in the entry explains it."""
    texts = [one for one in said if isinstance(one, str)] if isinstance(said, list) else [said]
    labels = [label for text in texts if isinstance(text, str) for label in _of_text(text, vocabulary)]
    known = [label for label in labels if vocabulary.knows(label)]
    return list(dict.fromkeys(known or [label for label in labels if len(label) <= MOST]))


def _of_text(text: str, vocabulary: Vocabulary) -> Iterator[str]:
    text = _SPEAKER.sub("", text)
    for piece in vocabulary.split(text):
        label = vocabulary.label(piece)
        if label is None:
            continue
        if not vocabulary.knows(label) and (head := vocabulary.label(_AFTER_DASH.split(piece, maxsplit=1)[0])):
            label = head
        yield label


def _of_json(document: object, numbers: Sequence[int]) -> Iterator[tuple[int, object]]:
    if isinstance(document, dict):
        name, inner = next(iter(document.items()), ("", None))
        if len(document) == 1 and _integer(name) is None and isinstance(inner, list | dict):
            yield from _of_json(inner, numbers)
            return
        for key, said in document.items():
            if (number := _integer(key)) is not None:
                yield number, said
    elif isinstance(document, list) and document and all(isinstance(one, dict) for one in document):
        for one in document:
            number = next((found for key in _NUMBER_KEYS if (found := _integer(one.get(key))) is not None), None)
            if number is not None:
                yield number, next((said for key, said in one.items() if key not in _NUMBER_KEYS), None)
            elif len(one) == 1:
                yield from _of_json(one, numbers)
    elif (
        isinstance(document, list)
        and len(document) == len(numbers)
        and all(isinstance(one, str | list) for one in document)
    ):
        yield from zip(numbers, document, strict=True)


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (digits := value.strip("[]()（） ")).isdecimal() and len(digits) <= 6:  # noqa: PLR2004
        return int(digits)
    return None
