"""Errors that a person can act on. Each message says what, where, and what to do."""

from __future__ import annotations

from enum import StrEnum


class ExpanderError(Exception):
    """Something the user can put right; the command line prints it without a traceback."""


class UsageError(ExpanderError):
    """A wrong option, file or setting: nothing was sent."""


class StoreError(ExpanderError):
    """The run folder cannot be used or written."""


class Action(StrEnum):
    """What an endpoint's failure means for the row and for the run."""

    RETRY = "retry"
    """Ask again, after the time it names."""
    FAIL_ROW = "fail-row"
    """This row will never get a reply; the others go on."""
    STOP_RUN = "stop-run"
    """No row will: say why, and how to go on."""


class EndpointError(Exception):
    """One attempt that brought no usable reply. It never carries the prompt, the reply or the key."""

    def __init__(
        self,
        kind: str,
        action: Action,
        detail: str,
        *,
        status: int | None = None,
        after: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.action = action
        self.detail = detail
        self.status = status
        self.after = after
        """Seconds the endpoint asked us to wait, where it said so."""
        self.hint = hint
