"""What the linting of a template finds, and where in the file it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import yaml


class Severity(StrEnum):
    """An error: the file cannot be loaded, or no reply that does what the prompt says can be kept. A warning: rarely meant."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """One thing that is wrong or doubtful: its name in `CHECKS`, the line (from 1; None for the whole file), what to do."""

    name: str
    severity: Severity
    line: int | None
    message: str
    advice: str


CHECKS: Mapping[str, str] = {
    "unreadable": "no UTF-8, no YAML, or no mapping",
    "file-name": "a name that does not end in .yaml",
    "unknown-key": "a key that no template has",
    "missing-key": "a key that every template needs",
    "wrong-value": "a value of the wrong kind",
    "key-twice": "a key that stands twice: the last one counts",
    "unknown-variable": "a {word} that stands for nothing",
    "missing-variable": "the post or the topic that the template needs is not in its prompt",
    "foreign-variable": "a variable that the template's `needs` does not give",
    "leftover-mark": "what looks like a variable, and is sent as it stands",
    "unused-mark": "a mark under `variables:` that the prompt does not have",
    "half-a-post": "the question or the answer is never sent",
    "post-twice": "the question or the answer is sent twice",
    "label-shape": "a label that is empty, holds a colon or a line break, or has signs that nobody sees",
    "shared-label": "one label for both speakers, or twice",
    "label-prefix": "one speaker's label begins the other's",
    "crossed-label": "a label that a reading knows as a name of the other speaker",
    "label-not-accepted": "the prompt asks for a label that the format does not have",
    "label-not-asked": "the prompt does not say the label that the format wants",
    "mixed-colons": "a label with a half-width colon here and a full-width one there",
    "turns-crossed": "turns.min above turns.max",
    "turns-apart": "no number of turns that the prompt asks for is accepted",
    "turns-looser": "fewer or more turns are accepted than the prompt asks for; a comment on the line says that it is meant",
    "turns-tighter": "some of the turns that the prompt asks for are not accepted",
    "opening-contradicted": "`opens_with` is not whom the prompt lets begin",
    "closing-contradicted": "`closes_with` is not whom the prompt lets end",
    "analysis-not-allowed": "the prompt asks for words before the dialogue, and `preamble` is false",
    "english-not-allowed": "the prompt asks for English, and `language` is zh",
    "long-prompt": "template, the longest post and a typical reply do not fit into 4,096 tokens",
    "refused": "the loader refuses the file for another reason",
}
"""Every check by name."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the keys of a YAML file stand. Lines count from 1."""

    lines: Mapping[Path, int]
    literal: Mapping[Path, bool]
    """Whether a scalar is a literal block (|), whose lines are the file's."""
    text: tuple[str, ...]
    twice: tuple[tuple[str, int], ...]
    """Keys that were given before in the same mapping."""

    def line(self, path: Path) -> int | None:
        """Of a key, or of the nearest one above it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def line_of(self, path: Path, value: str, start: int) -> int | None:
        """Of a place in a scalar's value; that of its key where the scalar is folded or quoted."""
        first = self.line(path)
        if first is None or not self.literal.get(path):
            return first
        return first + 1 + value.count("\n", 0, start)

    def is_commented(self, path: Path) -> bool:
        """Whether a comment stands on the line of the key or of the one above it."""
        found = {self.line(path), self.line(path[:-1])} - {None}
        return any(" #" in self.text[line - 1] for line in found if line is not None)


def places_of(text: str) -> Places:
    """Of a text that is YAML. Raises yaml.YAMLError."""
    lines: dict[Path, int] = {}
    literal: dict[Path, bool] = {}
    twice: list[tuple[str, int]] = []

    def walk(node: yaml.Node | None, path: Path) -> Iterator[tuple[yaml.Node, Path]]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                line = key.start_mark.line + 1
                if inner in lines:
                    twice.append((str(key.value), line))
                lines[inner] = line
                yield value, inner
        elif isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                inner = (*path, place)
                lines[inner] = item.start_mark.line + 1
                yield item, inner
        elif isinstance(node, yaml.ScalarNode):
            literal[path] = node.style == "|"

    waiting = list(walk(yaml.compose(text, Loader=yaml.SafeLoader), ()))
    seen: set[int] = set()  # an alias leads to a node once more, or round in a circle
    while waiting:
        node, path = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            waiting += walk(node, path)
    return Places(lines, literal, tuple(text.splitlines()), tuple(sorted(twice, key=lambda each: each[1])))
