"""Reads what a server adds to its log, while it does."""

from __future__ import annotations

import re
from pathlib import Path

from expander.vllm_server.log_lines import plain

_MOST_KEPT = 4000  # lines of a life: a death's traces are a few hundred


class LogReader:
    """The plain lines of one life: from where the log ended when it began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""
        self.lines: list[str] = []
        """The last of what has been read."""

    def new(self) -> list[str]:
        """Whole lines added since the last call. A progress bar's states are lines of their own."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        self._offset += len(added)
        *whole, self._rest = re.split(rb"[\r\n]+", self._rest + added)
        lines = [line for line in (plain(raw.decode(errors="replace")) for raw in whole) if line]
        self.lines = (self.lines + lines)[-_MOST_KEPT:]
        return lines

    def finish(self) -> list[str]:
        """All lines, a last one without its end among them."""
        self.new()
        last = plain(self._rest.decode(errors="replace"))
        return [*self.lines, last] if last else self.lines
