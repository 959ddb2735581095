"""What one failed attempt means, and when to try again. Pure, apart from the one function that waits.

The SDK's own retries are off: they know no cap on total time, hold their slot while they wait, and hide the count.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay
from tenacity.stop import stop_base

from expander.errors import Action, EndpointError

RATE_LIMITED = "rate-limited"
Result = TypeVar("Result")

_BACKOFF_FIRST = 1.0  # seconds before the second attempt, doubling from there
_BACKOFF_MOST = 60.0  # seconds; a minute is the window of most published rate limits
_JITTER = 0.25  # share of the wait added at random, so that rows refused together do not return together

# OpenAI's error codes for an account that has no money left, and what compatible providers send instead.
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance", "quota_exceeded"}
)
# Words joined by signs, or a short number: anything else may be a key, or a piece of the prompt.
_IDENTIFIER = re.compile(r"(?=.{1,60}$)[A-Za-z]+([_.-][A-Za-z]+)*|\d{1,6}", re.ASCII)
_TRANSIENT = frozenset({408, 409, 425})  # and whatever the server says is its own fault


def failure_of_status(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> EndpointError:
    """What an answer other than 200 means. Never quotes the body: providers echo prompts and parts of keys in it."""
    code = _code(body)
    detail = f"HTTP {status}" + (f" ({code})" if code else "")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return EndpointError(
            "auth", Action.STOP_RUN, detail, status=status, hint="Check the key, and that it may use this model."
        )
    if status == HTTPStatus.PAYMENT_REQUIRED or code in _QUOTA_CODES:
        return EndpointError(
            "quota", Action.STOP_RUN, detail, status=status, hint="The account's quota is used up: top it up."
        )
    if status == HTTPStatus.NOT_FOUND:
        return EndpointError(
            "not-found",
            Action.STOP_RUN,
            detail,
            status=status,
            hint="Check --model, and that --base-url ends as it should (often /v1).",
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return EndpointError(
            "redirect", Action.STOP_RUN, detail, status=status, hint="The endpoint has moved: give its new --base-url."
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EndpointError(RATE_LIMITED, Action.RETRY, detail, status=status, after=retry_after(headers, now=now))
    if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EndpointError("server-error", Action.RETRY, detail, status=status, after=retry_after(headers, now=now))
    return EndpointError("refused", Action.FAIL_ROW, detail, status=status)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date. None when absent or unreadable.

    A date is held against the answer's own `Date`, for a clock that is wrong here would ask too soon or give up; without
    one, against `now`, in seconds since the epoch. `headers` must look names up without regard to case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    then = _moment(value)
    if then is None:
        return None
    answered = _moment(headers.get("date"))
    return max(0.0, then - (now if answered is None else answered))


def _moment(date: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date, which is in GMT where it names no zone; None where it is none."""
    try:
        moment = parsedate_to_datetime(date or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def wait_seconds(error: EndpointError, failures: int, chance: random.Random) -> float:
    """How long to wait after the `failures`-th failure: what the endpoint asked for, else doubling; with jitter.

    Asked for no wait at all (0, or a date gone by) is not asked: a row that is refused for ever would ask for ever.
    """
    if error.after:
        return error.after * (1 + _JITTER * chance.random()) + 0.05 * chance.random()
    backoff = min(_BACKOFF_MOST, _BACKOFF_FIRST * 2.0 ** min(failures - 1, 10))  # 2.0 ** 1024 is no float
    return backoff * (1 - _JITTER + 2 * _JITTER * chance.random())


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Both caps. Being told to slow down counts against the time, not against the attempts."""

    max_attempts: int
    max_wait: float
    chance: random.Random


async def retrying(
    attempt: Callable[[], Awaitable[Result]], policy: RetryPolicy, rest: Callable[[float], Awaitable[None]]
) -> Result:
    """The first result of `attempt`, asked for again as long as policy and error allow; `rest` does the waiting.

    Raises the last EndpointError.
    """
    started = time.monotonic()
    failed: list[EndpointError] = []
    try:
        return await attempt()  # nearly every call ends here, and tenacity costs more than the request's JSON
    except EndpointError as error:
        failed.append(_bare(error))

    async def replay_then_attempt() -> Result:
        if failed:
            raise failed.pop()
        try:
            return await attempt()
        except EndpointError as error:
            raise _bare(error) from None

    waits = _Waits(policy)
    again = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, EndpointError) and error.action is Action.RETRY),
        wait=waits,
        stop=waits.used_up | stop_before_delay(policy.max_wait - (time.monotonic() - started)),
        sleep=rest,
        reraise=True,
    )
    return await again(replay_then_attempt)


def _bare(error: EndpointError) -> EndpointError:
    """The error without where it was raised and what from.

    Those frames hold a reply's body, and with tenacity's they hold one another: until the collector comes, which may be long.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


class _Waits:
    """Counts one row's failures. tenacity asks for the wait first, then whether to stop."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self.used_up = stop_when(lambda: self._failures >= policy.max_attempts)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, EndpointError):
            return 0.0
        self._failures += error.kind != RATE_LIMITED
        return wait_seconds(error, max(1, self._failures), self._policy.chance)


class stop_when(stop_base):  # noqa: N801 - named like tenacity's own conditions, which it is combined with
    """Stop when a condition of ours holds."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition

    def __call__(self, retry_state: RetryCallState) -> bool:  # noqa: ARG002 - tenacity's signature
        return self._condition()


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None


def _code(body: bytes) -> str:
    """The error's code or type as OpenAI's API words it: short identifiers, never free text."""
    try:
        error = orjson.loads(body)["error"]
        found = [str(error.get("code")), str(error.get("type"))]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""
    codes = [code for code in found if code != "None" and _IDENTIFIER.fullmatch(code)]
    return next((code for code in codes if code in _QUOTA_CODES), codes[0] if codes else "")
