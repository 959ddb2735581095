"""Reads an answer to the topic prompt: the labels it names, in its order. Nothing is looked for inside prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from expander.annotation.reply_text import bare, json_in
from expander.annotation.task import Unparseable
from expander.annotation.vocabulary import MOST, Vocabulary

_NONE = frozenset(
    {
        "无",
        "没有",
        "无主题",
        "以上都不是",
        "都不相关",
        "none",
        "none of the above",
        "n/a",
        "null",
        "no topic",
        "no topics",
    }
)
"""Answers that say there is no topic: they are read, and hold no label."""
_LEAD = re.compile(
    r"^[^,，、:：\n]{0,24}?(?:主题|标签|topics?|labels?)[^:：,，、\n]{0,32}?(?:[:：]|是[:：]?|为[:：]?|\b(?:are|is)\b[:：]?)\s*",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(
    r"\W*(?:解释|理由|说明|分析|原因|依据|备注|注)\s*[:：]|\W*(?:explanation|reason(?:ing|s)?|notes?|because)\b",
    re.IGNORECASE,
)
_SPEAKS = re.compile(
    r"\W*(?:我|抱歉|对不起|很抱歉|无法|不能|根据|综上|这段|这个|该|本|来访者|求助者|支持者|对话|好的|sorry|i\s|i'm|as an|the\s|this\s|based on|it seems|sure)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[。！？!?]|\.\s|\.$")
_TOPIC_KEYS = ("topics", "labels", "topic", "label", "name", "主题", "对话主题", "标签", "名称", "annotations")


def topic_labels(answer: str, vocabulary: Vocabulary) -> tuple[str, ...] | Unparseable:
    """The labels, each once: by its name where it is on the list, as it was said where it is not.

    Read are JSON, lists with numbers or marks, any usual separator, names in either language, a name with its number or
    its definition. An answer that says there is none holds no label.
    """
    text = bare(answer)
    if text.strip(" \"'。.[]{}").casefold() in _NONE:
        return ()
    document = json_in(text)
    found = _of_json(document, vocabulary) if document is not None else []
    labels = found or _of_lines(text, vocabulary)
    if not labels:
        return () if document in ([], {}) else Unparseable("no label could be read in the answer")
    return tuple(dict.fromkeys(labels))


def _of_json(document: object, vocabulary: Vocabulary) -> list[str]:
    return [label for said in _texts(document) for label in _entry(said, vocabulary)]


def _entry(said: str, vocabulary: Vocabulary) -> list[str]:
    """One entry of a list is one label, unless it is a list itself."""
    label = vocabulary.label(said)
    if label is not None and vocabulary.knows(label):
        return [label]
    return [label for piece in vocabulary.split(said) if (label := vocabulary.label(piece)) and len(label) <= MOST]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key in _TOPIC_KEYS:
            if key in value:
                yield from _texts(value[key])
                return
        yield from (key for key, held in value.items() if held)  # {"topic": 0.9} and {"topic": true}


def _of_lines(text: str, vocabulary: Vocabulary) -> list[str]:
    labels: list[str] = []
    for line in text.splitlines():
        if _EXPLAINS.match(line):
            break
        found = _of_line(line, vocabulary)
        if found is None and labels:
            break  # prose after the list
        labels += found or []
    return labels


def _of_line(line: str, vocabulary: Vocabulary) -> list[str] | None:
    """The labels of one line; None for prose."""
    lead = _LEAD.match(line)
    if lead and not vocabulary.knows(vocabulary.label(lead.group()) or ""):
        line = line[lead.end() :]
    found = [label for piece in vocabulary.split(line) if (label := vocabulary.label(piece))]
    if any(len(label) > MOST for label in found):
        return None
    if not any(map(vocabulary.knows, found)) and (_SENTENCE.search(line) or _SPEAKS.match(line)):
        return None
    return found
