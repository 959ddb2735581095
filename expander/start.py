"""The program's first and last step: where no command is at work, Ctrl-C ends it without a word."""

from __future__ import annotations

from expander.interrupts import leave_to_the_system


def main() -> None:
    """Run the command line on the process's arguments. Raises SystemExit with its code."""
    leave_to_the_system()
    from expander.cli import main as run

    try:
        run()
    finally:
        leave_to_the_system()
