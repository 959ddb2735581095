"""Which kind of corpus a path holds, told by what is in it: a run's folder, a JSON record's keys and roles, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from analysis.corpora import labelled_text
from analysis.corpora.entries import BrokenEntry, CorpusError
from analysis.corpora.files import RUN_DIALOGUES, dialogue_files, holds_json
from analysis.corpora.messages import SHAPES
from analysis.corpora.posts import holds_posts
from analysis.corpora.records import Record, records_of

KINDS: Mapping[str, str] = {
    "smilechat": 'objects with "messages" of role client or counselor, or a folder of files that each hold such a list',
    "psy-insight": 'objects with "dialog" of speaker Seeker or Supporter',
    "messages": 'objects with "messages" of role user or assistant (OpenAI)',
    "sharegpt": 'objects with "conversations" of from human or gpt',
    "psyqa": 'posts: objects with "question" and "answers" of "answer_text" (PsyQA), each answer a dialogue of two utterances',
    "text": "text files, one a dialogue, each utterance after a label such as 求助者： or Client:",
    "run": f"a run folder of this project, with its {RUN_DIALOGUES}",
}
"""Every kind by name, with what it looks like."""

_LOOKED_AT = 20
"""Records that are looked at before the kind is given up: a few broken ones must not hide it."""


def detect_kind(path: Path) -> str:
    """The kind's name.

    Raises CorpusError where nothing known is found; it says what was found and what each kind looks like.
    """
    if path.is_dir() and (path / RUN_DIALOGUES).is_file():
        return "run"
    files = dialogue_files(path)
    if not holds_json(files[0]):
        return _text_kind(path, files)
    found: list[str] = []
    for record in islice(_first_records(files), _LOOKED_AT):
        if isinstance(record, BrokenEntry):
            found.append(record.reason)
            continue
        kind = _kind_of(record.value)
        if kind is not None:
            return kind
        found.append(_described(record.value))
    if not found:
        raise CorpusError(f"{path} holds no dialogue: it is empty. Check that it is the right one.")
    raise CorpusError(f"{path} is no corpus of a known kind: its first record is {found[0]}. {known_kinds()}")


def known_kinds() -> str:
    """A sentence that lists the kinds, for a message to a person."""
    return "Known are " + "; ".join(f"{name}: {what}" for name, what in KINDS.items()) + "."


def _first_records(files: list[Path]) -> Iterator[Record | BrokenEntry]:
    for file in files[:_LOOKED_AT]:
        yield from records_of(file)


def _text_kind(path: Path, files: list[Path]) -> str:
    reasons = []
    for file in files[:_LOOKED_AT]:
        entry = labelled_text.text_entry(file)
        if not isinstance(entry, BrokenEntry):
            return "text"
        reasons.append(entry.reason)
    raise CorpusError(
        f"{path} is no corpus of a known kind: its {'first ' if len(files) > 1 else ''}text has no dialogue "
        f"({reasons[0]}). {known_kinds()}"
    )


def _kind_of(value: object) -> str | None:
    if isinstance(value, list):
        value = {"messages": value} if _speakers(value, "role") else {"conversations": value}
    if not isinstance(value, dict):
        return None
    if holds_posts(value):
        return "psyqa"
    if "provenance" in value and _speakers(value.get("messages"), "role") & set(SHAPES["run"].roles):
        return "run"
    for kind, shape in SHAPES.items():
        if _speakers(value.get(shape.listed), shape.speaker) & set(shape.roles):
            return kind
    return None


def _speakers(messages: object, key: str) -> set[str]:
    if not isinstance(messages, list):
        return set()
    named = [message.get(key) for message in messages if isinstance(message, dict)]
    return {name for name in named if isinstance(name, str)}


def _described(value: object) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)} elements that are no messages of known roles"
    if not isinstance(value, dict):
        return f"no object but {type(value).__name__}"
    keys = ", ".join(list(value)[:12]) or "no key"
    for shape in SHAPES.values():
        messages = value.get(shape.listed)
        if isinstance(messages, list):
            speakers = ", ".join(sorted(_speakers(messages, shape.speaker))[:6]) or f"no `{shape.speaker}` at all"
            return f"an object with `{shape.listed}` whose speakers are {speakers}"
    return f"an object with {keys}"
