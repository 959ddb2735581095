"""A format as a JSON Schema, for endpoints that take `response_format` alone; `json_reply` reads what comes of it.

Keys are the template's own labels: the model meets the names that its prompt speaks of. Lengths and characters stand in
one `pattern` (xgrammar takes no length bound beside one). Every object closes itself and requires all its keys, as
strict mode of OpenAI's API asks.
"""

from __future__ import annotations

from expander.structured.alphabet import BEFORE_IN_JSON
from expander.structured.form import ANYWHERE, Form
from expander.structured.regex import repeated, utterance_regex

ANALYSIS, OPENING, DIALOGUE, LAST = "analysis", "opening", "dialogue", "last"


def dialogue_schema(form: Form) -> dict[str, object]:
    """An object with the exchanges in order and the last exchange apart, for it alone must not end in English."""
    bounds = form.bounds
    said = _string(utterance_regex(form, ANYWHERE))
    ended = _string(utterance_regex(form, form.last))
    keys: dict[str, object] = {}
    if bounds.analysis != 0:
        keys[ANALYSIS] = _string(repeated(BEFORE_IN_JSON.written(), 0, bounds.analysis))
    if form.opening is not None:
        keys[OPENING] = _object({form.opening: said})
    if bounds.max_turns > 1:
        keys[DIALOGUE] = {
            "type": "array",
            "items": _object({form.first: said, form.second: said}),
            "minItems": bounds.min_turns - 1,
            "maxItems": bounds.max_turns - 1,
        }
    keys[LAST] = _object({form.first: said, form.second: ended})
    return _object(keys)


def _string(pattern: str) -> dict[str, object]:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _object(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
