"""How a row of a batch stands: waiting for its reply, without one, to be asked anew, or judged. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from expander.engine import ABOUT_THE_SUBJECT, EMPTY_REPLIES_ASKED_AGAIN, EMPTY_REPLY
from expander.errors import EndpointError
from expander.judging import Answer
from expander.rows import Row
from expander.store import Outcome, RowRecord, StoredReply

WAITING = "in-batch"
"""The rule of rows that stand in a request file and have no reply yet."""
ASKED_ANEW = "asked-anew"
"""The rule of rows whose reply failed the rules and that the next request file asks for again."""


def asks_again(answer: Answer, replies: int, max_regenerations: int) -> bool:
    """Whether a row with so many replies is asked for anew: the same decision as in a run that sends by itself."""
    if answer.rejection is None or answer.rejection.rule in ABOUT_THE_SUBJECT:
        return False
    allowed = max_regenerations
    if answer.rejection.rule == EMPTY_REPLY:
        allowed = max(allowed, EMPTY_REPLIES_ASKED_AGAIN)
    return replies <= allowed


def judged(row: Row, answer: Answer, replies: Sequence[StoredReply]) -> RowRecord:
    """The row's end."""
    if answer.rejection is None:
        return _record(row, Outcome.KEPT, None, None, replies, answer.reading)
    return _record(row, Outcome.REJECTED, answer.rejection.rule, answer.rejection.reason, replies)


def waiting(row: Row, replies: Sequence[StoredReply], file: str) -> RowRecord:
    """Without an outcome, so failed as far as the run goes: it is asked for again unless its reply comes."""
    return _record(row, Outcome.FAILED, WAITING, f"asked for in {file}; no reply has been imported yet", replies)


def asked_anew(row: Row, answer: Answer, replies: Sequence[StoredReply]) -> RowRecord:
    assert answer.rejection is not None
    reason = f"its reply failed {answer.rejection.rule}; the next request file asks for another"
    return _record(row, Outcome.FAILED, ASKED_ANEW, reason, replies)


def failed(row: Row, error: EndpointError, replies: Sequence[StoredReply]) -> RowRecord:
    return _record(row, Outcome.FAILED, error.kind, error.detail, replies)


def _record(
    row: Row,
    outcome: Outcome,
    rule: str | None,
    reason: str | None,
    replies: Sequence[StoredReply],
    reading: bytes | None = None,
) -> RowRecord:
    return RowRecord(
        id=row.id,
        position=row.position,
        post=row.post,
        changes=row.changes,
        redactions=row.redactions,
        sample=row.sample,
        topic=row.topic,
        outcome=outcome,
        rule=rule,
        reason=reason,
        replies=tuple(reply.id for reply in replies),
        reading=reading,
    )
