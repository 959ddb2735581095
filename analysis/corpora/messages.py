"""One JSON record to one dialogue: four shapes that differ in where the messages stand and how they are named.

Speakers, order and texts stay as the file has them: two messages of one speaker in a row, an empty message, white space.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analysis.corpora.entries import BrokenEntry
from analysis.corpora.records import Record
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance


class Shape(NamedTuple):
    """How a kind of corpus writes a dialogue: the names of its list, of a message's keys, and of its speakers."""

    listed: str
    speaker: str
    text: str
    roles: Mapping[str, Role]
    ids: tuple[str, ...] = ("id",)
    system: frozenset[str] = frozenset()
    """Speakers of a leading message that is no utterance; its text goes to extra["system"]."""


SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: no text in any encoding."""
_SPEAKER_AND_TEXT = 2  # keys, which every message has; most messages of large corpora have no other
_NOTHING: Mapping[str, object] = {}

_SYSTEM = frozenset({"system", "developer"})
_OPENAI = Shape(
    "messages", "role", "content", {"user": Role.CLIENT, "assistant": Role.COUNSELOR}, ("id", "custom_id"), _SYSTEM
)

SHAPES: Mapping[str, Shape] = {
    "smilechat": Shape("messages", "role", "content", {"client": Role.CLIENT, "counselor": Role.COUNSELOR}),
    "psy-insight": Shape(
        "dialog", "speaker", "content", {"Seeker": Role.CLIENT, "Supporter": Role.COUNSELOR}, ("dialog_id", "id")
    ),
    "messages": _OPENAI,
    "sharegpt": Shape(
        "conversations",
        "from",
        "value",
        {"human": Role.CLIENT, "user": Role.CLIENT, "gpt": Role.COUNSELOR, "assistant": Role.COUNSELOR},
        ("id", "conversation_id"),
        _SYSTEM,
    ),
    "run": _OPENAI,
}
"""The JSON kinds by name."""


class _NoDialogueError(Exception):
    """Why a record cannot be read; the message names keys and roles and never quotes an utterance."""


def entry_of(record: Record, kind: str) -> CorpusEntry | BrokenEntry:
    """The record as that kind's dialogue, or why it is none.

    `extra` keeps every other key of the record under its own name. Where messages carry more than speaker and text,
    extra["utterances"] has one mapping an utterance with the rest (Psy-Insight: `strategy`, `emotional label`, ...).
    A record without an id gets one from what was said, so it stays the same wherever the record stands.
    """
    try:
        return _entry(record, kind, SHAPES[kind])
    except _NoDialogueError as error:
        return BrokenEntry(record.place, str(error))


def _entry(record: Record, kind: str, shape: Shape) -> CorpusEntry:
    fields, messages = _messages(record.value, shape)
    extra = {key: value for key, value in fields.items() if key not in {shape.listed, *shape.ids}}
    utterances: list[Utterance] = []
    others: list[Mapping[str, object]] = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise _NoDialogueError(f"message {number} is {_kind(message)}, not an object")
        speaker, said = message.get(shape.speaker), message.get(shape.text)
        text = _text(said, number, shape)
        if number == 1 and isinstance(speaker, str) and speaker in shape.system:
            extra["system"] = text
            continue
        role = shape.roles.get(speaker) if isinstance(speaker, str) else None
        if role is None:
            raise _NoDialogueError(
                f"message {number} has the {shape.speaker} {_shown(speaker)}; known are {', '.join(shape.roles)}"
            )
        utterances.append(Utterance(role, text))
        others.append(_others(message, shape) if len(message) > _SPEAKER_AND_TEXT else _NOTHING)
    if not utterances:
        raise _NoDialogueError(f"`{shape.listed}` holds no utterance")
    if any(others):
        extra["utterances"] = tuple(others)
    dialogue = Dialogue(tuple(utterances))
    return CorpusEntry(
        id=_id(fields, shape) or record.stem or content_id(dialogue),
        dialogue=dialogue,
        place=record.place,
        question_id=_question_id(fields, kind),
        extra=extra,
    )


def _others(message: Mapping[str, object], shape: Shape) -> Mapping[str, object]:
    return {key: value for key, value in message.items() if key not in {shape.speaker, shape.text}}


def content_id(dialogue: Dialogue) -> str:
    """16 hexadecimal digits of SHA-256 over speakers and texts."""
    content = "\x1e".join(f"{role}\x1f{text}" for role, text in dialogue.utterances)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _messages(value: object, shape: Shape) -> tuple[Mapping[str, object], Sequence[object]]:
    if isinstance(value, list):  # a file of messages, as SMILECHAT's repository has them
        return {}, value
    if not isinstance(value, dict):
        raise _NoDialogueError(f"a dialogue must be an object; this is {_kind(value)}")
    if shape.listed not in value:
        raise _NoDialogueError(f"it has no `{shape.listed}`; it has {_keys(value)}")
    messages = value[shape.listed]
    if not isinstance(messages, list):
        raise _NoDialogueError(f"`{shape.listed}` is {_kind(messages)}, not a list")
    return value, messages


def _text(said: object, number: int, shape: Shape) -> str:
    if isinstance(said, list):  # OpenAI's content parts
        parts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in said]
        said = "".join(part for part in parts if isinstance(part, str)) if all(parts) else None
    if not isinstance(said, str):
        raise _NoDialogueError(f"`{shape.text}` of message {number} is {_kind(said)}, not a text")
    if SURROGATE.search(said):
        raise _NoDialogueError(f"`{shape.text}` of message {number} is not UTF-8, or holds half a surrogate pair")
    return said


def _id(fields: Mapping[str, object], shape: Shape) -> str | None:
    return next((found for name in shape.ids if (found := _named(fields.get(name)))), None)


def _question_id(fields: Mapping[str, object], kind: str) -> str | None:
    provenance = fields.get("provenance") if kind == "run" else None
    found = provenance.get("question_id") if isinstance(provenance, dict) else fields.get("question_id")
    return _named(found)


def _named(found: object) -> str | None:
    """An id as text; None for what is none, and for one with half a surrogate pair, which no file in UTF-8 could hold."""
    named = str(found) if isinstance(found, int | str) else ""
    return named if named and not SURROGATE.search(named) else None


def _kind(value: object) -> str:
    known = {type(None): "null", bool: "a boolean", str: "a text", list: "a list", dict: "an object"}
    return known.get(type(value), "a number")


def _shown(speaker: object) -> str:
    return repr(speaker[:40]) if isinstance(speaker, str) else _kind(speaker)


def _keys(value: Mapping[str, object]) -> str:
    return ", ".join(list(value)[:12]) or "no key at all"
