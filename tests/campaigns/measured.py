"""Runs a command and notes how it ended: `python -I -S measured.py ANSWER COMMAND ...`.

ANSWER then holds its exit code (a signal's number negative) and the most memory it held, in KiB. This small process stands in
between because the kernel counts as a child's what it shares with its parent until it has begun, and pytest's is large.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(answer: str, command: list[str]) -> None:
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    Path(answer).write_text(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}", "ascii")


def measured(answer: Path, command: list[str]) -> list[str]:
    """The command that runs `command` and leaves `answer`. To kill it, kill its process group."""
    return [sys.executable, "-I", "-S", __file__, str(answer), *command]


def read(answer: Path) -> tuple[int, int]:
    """Exit code, and the most memory in bytes."""
    code, kib = answer.read_text("ascii").split()
    return int(code), int(kib) * 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
