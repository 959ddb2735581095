"""A coroutine run to its end on uvloop, and its loop closed undisturbed."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from expander import interrupts

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """What `main` returns or raises. Raises KeyboardInterrupt for Ctrl-C, also where it comes while the loop is closed.

    uvloop (0.23) closes itself under the thread that waits for its workers if an interrupt falls into that wait: the
    thread then ends in a traceback. So the interrupt waits until the loop is closed.
    """
    ours = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGINT) is interrupts.interrupt
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            if ours:  # Python's own the runner knows, and puts one there that cancels `main`
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return runner.run(main)
        finally:
            if ours:
                signal.signal(signal.SIGINT, interrupts.interrupt)
            with interrupts.held():
                runner.close()
