"""What was asked and what it met, one JSON line a request, so that a client's own account can be held against it."""

from __future__ import annotations

import time
from pathlib import Path

import orjson

from expander.offline.faults import prompt_key


class Record:
    """Appends `{"at": s, "prompt": hash, "met": kind}`, written through at once.

    `at` is in seconds since the server began, on a clock that never jumps. `prompt` is `faults.prompt_key` in hexadecimal,
    and null where a rate limit refused the request unread. `met` is the kind of fault, `rate-limit`, or null.
    Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._began = time.monotonic()

    def note(self, prompt: str | None, met: str | None) -> None:
        line = {
            "at": round(time.monotonic() - self._began, 4),
            "prompt": None if prompt is None else prompt_key(prompt).hex(),
            "met": met,
        }
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self._file.close()
