"""The program's first and last step: where no command is at work, Ctrl-C ends it without a word."""

from __future__ import annotations

import signal
import threading


def main() -> None:
    """Run the command line on the process's arguments. Raises SystemExit with its code."""
    _let_the_system_answer()
    from expander.cli import main as run

    try:
        run()
    finally:
        _let_the_system_answer()


def _let_the_system_answer() -> None:
    """Python's own answer to an interrupt is a traceback, of an import or of its own end."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.default_int_handler:  # who started this may want it ignored
            signal.signal(number, signal.SIG_DFL)
