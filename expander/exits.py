"""How a command ends, for whoever called it."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The command line's exit codes."""

    COMPLETE = 0
    BUG = 1
    USAGE = 2
    ROWS_FAILED = 3
    PROVIDER = 4
    INTERRUPTED = 130
