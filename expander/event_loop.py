"""A coroutine run to its end on uvloop, and its loop closed undisturbed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import uvloop

from expander.exits import Exit

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """What `main` returns or raises. Raises KeyboardInterrupt for Ctrl-C, also where it comes while the loop is closed.

    uvloop (0.23) closes itself under the thread that waits for its workers if an interrupt falls into that wait: the
    thread then ends in a traceback. So the interrupt waits until the loop is closed.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(main)
        finally:
            with interrupts_held():
                runner.close()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """SIGINT and SIGTERM wait until the block ends, then raise KeyboardInterrupt. The second one ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        if held:
            os._exit(
                Exit.INTERRUPTED
            )  # what is paid for was stored before, and nothing else may wait for a stuck thread
        held.append(number)

    before = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            raise KeyboardInterrupt
