"""What Ctrl-C and SIGTERM do outside an event loop. Light: it is imported before anything else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from expander.exits import Exit

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LATER = 0.01  # seconds until an interrupt that would be lost is tried again: what loses it takes microseconds
_WEAKREF = "weakref.py"
_IMPORT_LOCKS = ("<frozen importlib._bootstrap>", "cb")


def answer() -> None:
    """Let both end the command with 130 and the way to go on, but where whoever started it has Ctrl-C ignored."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.default_int_handler):
        signal.signal(signal.SIGINT, interrupt)


def leave_to_the_system() -> None:
    """Let both end the process at once. Python's own answer is a traceback, of an import or of its own end."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if signal.getsignal(number) in (interrupt, signal.default_int_handler):
            signal.signal(number, signal.SIG_DFL)


def interrupt(_: int, frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt; a little later where Python would print it and go on.

    It does so with whatever is raised in `__del__` and in the callbacks of weak references, of which every import has some.
    """
    if _would_be_lost(frame) and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, _LATER)
        return
    raise KeyboardInterrupt


def _would_be_lost(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or (code.co_filename, code.co_name) == _IMPORT_LOCKS:
            return True
        if code.co_filename.endswith(_WEAKREF):
            return True
        frame = frame.f_back
    return False


@contextmanager
def held() -> Iterator[None]:
    """Both wait until the block ends, then raise KeyboardInterrupt. The second one ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        if came:
            os._exit(
                Exit.INTERRUPTED
            )  # what is paid for was stored before, and nothing else may wait for a stuck thread
        came.append(number)

    before = {number: signal.signal(number, hold) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if came:
            raise KeyboardInterrupt
