"""A reply that a JSON Schema forced, as the labelled text that the rules read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from expander.structured.schema import ANALYSIS, DIALOGUE, LAST, OPENING
from filters.dialogue import Dialogue, DialogueFormat, Role, Utterance
from filters.writer import write_dialogue

# Line breaks and tabs as they are, or a few more of them: engines bound a string's length, not its characters.
_BREAKS = re.compile(r"[\x00-\x1f\x7f\s]+")
_FENCE = re.compile(r"\A```(?:json)?(.*)```\Z", re.DOTALL | re.IGNORECASE)


def labelled_text(text: str | None, fmt: DialogueFormat) -> str | None:
    """`text` as labelled lines where it is an object of `schema.dialogue_schema`'s keys; anything else as it came.

    Never raises: what is half an object, or another one, stays as it is, and the rules reject it. Control characters that
    stand raw inside strings are read, and each run of them or of white space becomes one space. An analysis comes first
    where the format allows one.
    """
    if text is None or "{" not in text[:16]:
        return text
    bare = text.strip()
    fenced = _FENCE.match(bare)
    try:
        found = json.loads(fenced[1].strip() if fenced else bare, strict=False)
        if not isinstance(found, dict) or not found.keys() <= {ANALYSIS, OPENING, DIALOGUE, LAST}:
            return text
        utterances = tuple(_utterances(found, fmt))
    except (ValueError, TypeError, RecursionError):
        return text
    if not utterances:
        return text
    written = write_dialogue(Dialogue(utterances), fmt)
    analysis = found.get(ANALYSIS)
    if fmt.preamble and isinstance(analysis, str) and (lead := _one_line(analysis)):
        return f"{lead}\n{written}"
    return written


def _utterances(found: dict[str, Any], fmt: DialogueFormat) -> Iterator[Utterance]:
    """Raises TypeError or ValueError where the object has another shape."""
    roles = {fmt.client_labels[0]: Role.CLIENT, fmt.counselor_labels[0]: Role.COUNSELOR}
    exchanges = found.get(DIALOGUE, [])
    if not isinstance(exchanges, list):
        raise TypeError
    for exchange in (found.get(OPENING, {}), *exchanges, found.get(LAST, {})):
        if not isinstance(exchange, dict):
            raise TypeError
        for label, said in exchange.items():
            if label not in roles or not isinstance(said, str):
                raise ValueError
            yield Utterance(roles[label], _one_line(said))


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()
