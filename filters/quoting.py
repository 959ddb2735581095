"""The writer's quoted form: how an utterance that a bare line cannot carry is written, and read back.

A JSON string in ASCII quotes, with every character that the reader treats specially written as its escape. The reader
takes it as the writer's own form only if it is, character for character, what `quote` makes; anything else in quotes is
a model's habit.
"""

from __future__ import annotations

import json
import re

# Line ends, invisible characters, `<` (reasoning tags) and lone surrogates, which no file could hold.
_SPECIAL = re.compile(r"[<\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")


def quote(text: str) -> str:
    """`text` as one line in ASCII quotes; `unquote` gives it back, whatever it holds."""
    return _SPECIAL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def unquote(quoted: str) -> str | None:
    """What `quote` made this from, or None if it is not what `quote` makes."""
    if len(quoted) < len('""') or quoted[0] != '"' or quoted[-1] != '"':
        return None
    try:
        text = json.loads(quoted)
    except ValueError:
        return None
    return text if isinstance(text, str) and quote(text) == quoted else None
