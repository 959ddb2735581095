"""A row's outcome had anew from its stored replies, and how it differs from the one before. Pure: no file, no request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from expander.endpoint import read_reply
from expander.judging import Judge, reading_of
from expander.post import Post
from expander.store import Outcome, StoredReply


class Standing(NamedTuple):
    """How a row stands: what the store has of it beside the post."""

    outcome: Outcome
    rule: str | None
    reason: str | None
    reply_id: int
    """The reply that decided."""
    reading: bytes | None

    @property
    def label(self) -> str:
        """`kept`, or the rule that rejected it."""
        return self.rule or str(self.outcome)


class Change(NamedTuple):
    """A row that stands otherwise than before."""

    id: str
    before: Standing
    after: Standing

    @property
    def moved(self) -> bool:
        """Whether the outcome or the rule is another. If not, the reason, the reading or the deciding reply is."""
        return self.before.label != self.after.label


def standing(judge: Judge, post: Post, replies: Sequence[StoredReply]) -> Standing:
    """How a row stands by these rules: its first reply that passes decides, or else its last.

    So it would stand had the run had these rules from its start, as long as each reply was there. `replies` are oldest
    first and never empty.
    """
    for reply in replies:
        content = read_reply(reply.body)
        verdict = judge.verdict(post, content)
        if verdict.rejection is None:
            reading = reading_of(verdict, content, reply.generation)
            return Standing(Outcome.KEPT, None, None, reply.id, reading)
    rejection = verdict.rejection
    assert rejection is not None
    return Standing(Outcome.REJECTED, rejection.rule, rejection.reason, reply.id, None)


def change(row_id: str, before: Standing, after: Standing) -> Change | None:
    """None where nothing is another."""
    return None if before == after else Change(row_id, before, after)


_EXAMPLES = 3  # ids kept for each kind of change


@dataclass(slots=True)
class Refiltered:
    """What came of judging a run anew."""

    rows: int = 0
    kept_before: int = 0
    kept: int = 0
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows by where they stood and where they stand: `kept`, or the rule that rejects."""
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """The first ids of each."""
    amended: int = 0
    """Rows with the same outcome and rule, yet another reason, reading or deciding reply."""

    def add(self, rows: int, kept_before: int, kept: int, changes: Iterable[Change]) -> None:
        """Count some more rows, and those among them that changed."""
        self.rows += rows
        self.kept_before += kept_before
        self.kept += kept
        for changed in changes:
            if not changed.moved:
                self.amended += 1
                continue
            way = changed.before.label, changed.after.label
            self.moved[way] += 1
            met = self.examples.setdefault(way, [])
            if len(met) < _EXAMPLES:
                met.append(changed.id)
