"""What has happened in a session of a run, and why it stopped: written by those who work, read by those who show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Stop(StrEnum):
    """Why workers take no more rows."""

    PROVIDER = "provider"
    BUDGET = "budget"
    INTERRUPTED = "interrupted"


@dataclass(slots=True)
class StopReason:
    """Why the run stopped early, in words for its user."""

    kind: Stop
    text: str
    hint: str = ""


@dataclass(slots=True)
class Progress:
    """What has happened in this session. Everything shown while a run goes on is read from here."""

    rows: int = 0
    """Rows taken from the input, those that were done before among them."""
    done_before: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    duplicates: int = 0
    requests: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    """Attempts without a reply, by kind."""
    retrying: int = 0
    regenerated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_unknown: int = 0
    """Replies whose tokens the endpoint did not count, or not all of them."""
    in_flight: int = 0
    input_ended: bool = False
    total_rows: int | None = None
    stopped: StopReason | None = None
    """Set once: from then on no row is taken and nothing is sent."""

    @property
    def finished(self) -> int:
        """Rows that this session brought to an end."""
        return self.kept + self.rejected.total() + self.failed.total()
