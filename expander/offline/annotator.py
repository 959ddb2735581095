"""The rule-based annotator: answers the project's annotation prompts by keywords and likeness of words.

It understands nothing. It tells an annotation prompt from a rewriting one by the prompt's own words from its first to its
last line, so a post that holds such words is still rewritten. The same prompt always gets the same answer; neither seed
nor temperature counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import orjson

from expander.offline.judging import better, scored
from expander.offline.label_words import labelled
from expander.offline.topic_likeness import likely_topics
from prompts.annotation import prompts

FINGERPRINT = "offline-annotator-1"
"""Changes when its rules do: equal fingerprint and prompt mean an equal answer."""
UNSURE = "说不好。材料里能看到的太少，这里没有办法判断。"
"""What a fault of form says instead of an answer."""

_Name = Literal["topics", "utterances", "scores", "comparison"]
_NUMBERED = re.compile(r"^\[(\d+)\] ([^:]{1,20}): ?(.*)$", re.MULTILINE)
_CRITERION = re.compile(r"^- (\w+) \[[^\]\n]*\](?: \((-?\d+)-(-?\d+)\))?", re.MULTILINE)
_LABEL = re.compile(r"^- ([^:(\n]+?)(?: \([^)\n]*\))?: ", re.MULTILINE)


class Asked(NamedTuple):
    """An annotation prompt that was recognised."""

    name: _Name
    values: Mapping[str, str]


def recognised(prompt: str) -> Asked | None:
    """Which annotation prompt this is, with what stands in its places; None for any other prompt."""
    names: tuple[_Name, ...] = ("topics", "utterances", "scores", "comparison")
    for name in names:
        for language in prompts(name).by_language.values():
            if (values := language.read(prompt)) is not None:
                return Asked(name, values)
    return None


def answer(asked: Asked) -> str:
    """The answer, in the form that its prompt asks for."""
    return _ANSWERS[asked.name](asked.values)


def _topics(values: Mapping[str, str]) -> str:
    return ", ".join(likely_topics(values["definitions"], values["dialogue"]))


def _utterances(values: Mapping[str, str]) -> str:
    offered = tuple(_LABEL.findall(values["labels"]))
    said = {int(number): text for number, _, text in _NUMBERED.findall(values["dialogue"])}
    numbers = [int(number) for number in re.findall(r"\d+", values["numbers"])]
    return "\n".join(f"{number}: {labelled(said.get(number, ''), offered)}" for number in numbers)


def _scores(values: Mapping[str, str]) -> str:
    said = _supporter(values["dialogue"])
    found = {key: scored(key, said, int(low or 0), int(high or 1)) for key, low, high in _criteria(values)}
    return orjson.dumps(found).decode()


def _comparison(values: Mapping[str, str]) -> str:
    first, second = _supporter(values["first"]), _supporter(values["second"])
    return orjson.dumps({key: better(key, first, second) for key, _, _ in _criteria(values)}).decode()


def _criteria(values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return _CRITERION.findall(values["criteria"])


def _supporter(dialogue: str) -> list[str]:
    return [text for _, speaker, text in _NUMBERED.findall(dialogue) if speaker in {"支持者", "Supporter"}]


_ANSWERS: Mapping[_Name, Callable[[Mapping[str, str]], str]] = {
    "topics": _topics,
    "utterances": _utterances,
    "scores": _scores,
    "comparison": _comparison,
}
