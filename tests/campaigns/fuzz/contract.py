"""What a reader of outside text promises, as a function of bytes, and how one input is held against it."""

from __future__ import annotations

import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from expander.errors import EndpointError, ExpanderError
from prompts import TemplateError

TIME_LIMIT = 1.0
"""CPU seconds one input may take. Inputs are at most a few KiB, which take milliseconds; a second is a hang."""

ERRORS: tuple[type[Exception], ...] = (ExpanderError, TemplateError, EndpointError)
"""What may come out of a reader beside its result: the errors that the command line prints for a person."""


class BrokenPromiseError(AssertionError):
    """A result that a reader's contract forbids."""


class HangError(BaseException):
    """An input that took longer than its time. No `except Exception` between here and there may swallow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One surface: what is done with an input, and what is promised of it."""

    name: str
    promise: str
    """The contract in a sentence or two."""
    run: Callable[[bytes], object]
    """Raises for a broken promise; whatever is promised to be raised is caught inside. What it returns counts for nothing."""
    seeds: tuple[bytes, ...]
    """Inputs that mutation starts from."""
    words: tuple[bytes, ...] = field(default=())
    """Pieces that mean something to this reader, put into inputs by mutation."""


def held(promised: bool, what: str) -> None:  # noqa: FBT001 - the promise itself, as `assert` takes it
    """Raises BrokenPromiseError saying what was promised; unlike `assert`, under -O too."""
    if not promised:
        raise BrokenPromiseError(what)


def chosen(data: bytes) -> bool:
    """One input in four, always the same ones: for checks that cost more than the reading itself."""
    return zlib.crc32(data) & 3 == 0


@contextmanager
def time_limit(seconds: float = TIME_LIMIT) -> Iterator[None]:
    """Raises HangError in the main thread once so much CPU time has passed. Also ends a regular expression."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError(f"more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def failure(target: Target, data: bytes, *, seconds: float = TIME_LIMIT) -> str | None:
    """How this input breaks the contract: the error's type and the place in the code it came from; None where it does not.

    Two inputs with the same answer have most likely met the same defect.
    """
    try:
        with time_limit(seconds):
            target.run(data)
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "SystemExit"
    except HangError:
        return "HangError"
    except BrokenPromiseError as error:
        return f"BrokenPromiseError: {error}"
    except BaseException as error:  # noqa: BLE001 - anything else that comes out is the finding
        return f"{type(error).__name__} at {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    place = "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/campaigns/" not in code.co_filename and not code.co_filename.startswith("<"):
            place = f"{'/'.join(code.co_filename.split('/')[-2:])}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
