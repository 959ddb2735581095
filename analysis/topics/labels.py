"""The topic labels that stand beside a corpus: what its makers or an annotator say a dialogue is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from filters.dialogue import CorpusEntry

SINGLE = "topic"
"""The key that holds one label (Psy-Insight). A comma in it is part of it."""
KEYS = ("annotations", "labels", "topics", SINGLE, "keywords")
"""Keys of `CorpusEntry.extra` that hold labels, the first that is there being read. All but `SINGLE` hold several: a list, a
mapping that holds one, or a text with commas, as the prompt of SMILE's Figure 11 asks for and as PsyQA writes its keywords."""
GIVEN = "provenance.topic"
"""Where a run keeps the topic that its prompt named."""
GIVEN_REMARK = "These are the topics that the prompt named, not what the dialogues are about."

_SEPARATORS = re.compile(r"[,，、;；\n]")
_NO_LABEL = frozenset({"", "none", "null", "nan", "n/a", "unknown", "无", "未知"})
"""What stands for no label: as Psy-Insight writes it, and its like."""
_INNER = (*KEYS, "name", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of a corpus, a tuple for each dialogue in the corpus's order, empty where there is none."""

    dialogues: tuple[tuple[str, ...], ...]
    source: str
    """The key they were read from, one for the whole corpus; "" where there is no label."""
    remark: str = ""


def labels_of(entries: Iterable[CorpusEntry]) -> Labels:
    """The labels under the first of `KEYS` that any entry has a label under, else the given topics.

    One key serves the whole corpus, so that two ways of labelling are never mixed.
    """
    found = list(entries)
    for key in KEYS:
        dialogues = tuple(_distinct(_labels(entry.extra.get(key), single=key == SINGLE)) for entry in found)
        if any(dialogues):
            return Labels(dialogues=dialogues, source=key)
    given = given_topics(found)
    if any(given.dialogues):
        return given
    return Labels(dialogues=given.dialogues, source="", remark="The corpus has no topic labels.")


def given_topics(entries: Iterable[CorpusEntry]) -> Labels:
    """The topic each dialogue's prompt named, where it named one (`standardT`)."""
    dialogues = []
    for entry in entries:
        provenance = entry.extra.get("provenance")
        topic = provenance.get("topic") if isinstance(provenance, Mapping) else None
        dialogues.append(_distinct(_labels(topic, single=True)))
    return Labels(dialogues=tuple(dialogues), source=GIVEN, remark=GIVEN_REMARK)


def _distinct(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))


def _labels(value: object, *, single: bool) -> Iterator[str]:
    """The labels in a value of any make; numbers and what else is no text hold none."""
    if isinstance(value, str):
        for piece in [value] if single else _SEPARATORS.split(value):
            # Half a surrogate pair cannot be written to a file.
            label = piece.strip().encode("utf-8", "replace").decode()
            if label.casefold() not in _NO_LABEL:
                yield label
    elif isinstance(value, Mapping):
        for key in _INNER:
            yield from _inner(value.get(key))
    else:
        yield from _inner(value)


def _inner(value: object) -> Iterator[str]:
    """One level down, and no deeper: a text is one label there, and a list holds texts or mappings that name them."""
    if isinstance(value, str):
        yield from _labels(value, single=True)
    elif isinstance(value, list | tuple):
        for one in value:
            if isinstance(one, str):
                yield from _labels(one, single=True)
            elif isinstance(one, Mapping):
                for key in _INNER:
                    named = one.get(key)
                    if isinstance(named, str):
                        yield from _labels(named, single=True)
