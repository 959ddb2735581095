"""Python functions that SQL calls, and what became of one that did not come back.

Of an exception in such a function sqlite3 says only that there was one, and forgets it. A Ctrl-C that happens to fall into
it would end as an error of the store, and a good store be called damaged. So what was raised is noted as Python reports it.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakSet

Function: TypeAlias = Callable[..., Any]

_ours: WeakSet[Function] = WeakSet()
_noted = threading.local()


def add_function(connection: sqlite3.Connection, name: str, function: Function, *, pure: bool) -> None:
    """Let SQL call a function of any number of values; `pure` where its result depends on them alone."""
    if not isinstance(sys.unraisablehook, _Noting):  # at first, or where somebody has put another in its place
        sqlite3.enable_callback_tracebacks(True)
        sys.unraisablehook = _Noting(sys.unraisablehook)
    _ours.add(function)
    connection.create_function(name, -1, function, deterministic=pure)


def raise_what_ended_it() -> None:
    """To be called where an error of SQLite is told: raises what is no error of the store at all, such as an interrupt."""
    ended: BaseException | None = getattr(_noted, "raised", None)
    _noted.raised = None
    if ended is not None and not isinstance(ended, ValueError):  # those say that a line is not as it was written
        raise ended


class _Noting:
    """`sys.unraisablehook` for our own functions; for all else the one that was there before."""

    def __init__(self, before: Function) -> None:
        self._before = before

    def __call__(self, report: sys.UnraisableHookArgs) -> None:
        if callable(report.object) and report.object in _ours:
            _noted.raised = report.exc_value
        else:
            self._before(report)
