"""Several endpoints that serve the same model, as one: each request goes where the fewest are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from expander.endpoint import Endpoint, Reply, Request
from expander.errors import Action, EndpointError
from expander.retry import RATE_LIMITED

_FIRST_REST = 2.0  # seconds that an endpoint is left out after a failure: a connection that broke once is soon whole
_LONGEST_REST = 60.0  # seconds: doubled up to here while it fails; one request a minute is a cheap question
_BUSY_REST = 1.0  # seconds, where a 429 does not say how long
_FAILURES = 3  # in a row, other than broken connections, before an endpoint is left out: a row may fail anywhere


@dataclass(slots=True)
class _Member:
    endpoint: Endpoint
    name: str
    in_flight: int = 0
    failed_in_a_row: int = 0
    out_until: float = 0.0
    is_out: bool = False
    """Left out: once its rest is over, one request at a time finds out whether it is back."""


class SharedEndpoint:
    """A request whose endpoint is not there, or busy, goes to another at once; any other failure is the caller's to judge.

    An endpoint that is not there, or fails again and again, is left out for a while and then tried with one request.
    """

    def __init__(self, members: Sequence[tuple[str, Endpoint]], told: Callable[[str], None]) -> None:
        """Endpoints with the name that `told` hears when one is left out and when it is back."""
        self._members = [_Member(endpoint, name) for name, endpoint in members]
        self._told = told

    async def complete(self, request: Request) -> Reply:
        """Raises EndpointError as the endpoints do; a broken connection or a 429 only where no other endpoint can help."""
        asked: set[int] = set()
        while True:
            place = self._next(asked)
            asked.add(place)
            member = self._members[place]
            member.in_flight += 1
            try:
                reply = await member.endpoint.complete(request)
            except EndpointError as error:
                self._note(member, error)
                if error.kind not in {"connection", RATE_LIMITED} or not self._another_is_up(asked):
                    raise
            else:
                self._is_back(member)
                return reply
            finally:
                member.in_flight -= 1

    def _next(self, asked: set[int]) -> int:
        """The place of the endpoint to ask. Where all are left out, the one whose rest ends first: waiting is the caller's."""
        now = self._now()
        left = [(place, member) for place, member in enumerate(self._members) if place not in asked]
        up = [(place, member) for place, member in left if member.out_until <= now]
        willing = [(place, member) for place, member in up if not (member.is_out and member.in_flight)]
        if willing:
            return min(willing, key=lambda each: (each[1].is_out and bool(asked), each[1].in_flight))[0]
        return min(left, key=lambda each: (each[1].out_until, each[1].in_flight))[0]

    def _another_is_up(self, asked: set[int]) -> bool:
        now = self._now()
        return any(member.out_until <= now for place, member in enumerate(self._members) if place not in asked)

    def _note(self, member: _Member, error: EndpointError) -> None:
        now = self._now()
        if error.action is not Action.RETRY or member.out_until > now:
            return  # what is said of the request; or one more of those that were in flight when the first failed
        if error.kind == RATE_LIMITED:
            member.out_until = now + (_BUSY_REST if error.after is None else error.after)
            return
        member.failed_in_a_row += 1
        lost = member.failed_in_a_row if error.kind == "connection" else member.failed_in_a_row - _FAILURES + 1
        if lost > 0:
            member.out_until = now + min(_LONGEST_REST, _FIRST_REST * 2 ** min(lost - 1, 10))
            if not member.is_out:
                member.is_out = True
                self._told(f"{member.name} is left out for now ({error.kind}); the other endpoints take its share.")

    def _is_back(self, member: _Member) -> None:
        if member.is_out:
            self._told(f"{member.name} answers again.")
        if member.failed_in_a_row:
            member.failed_in_a_row, member.out_until, member.is_out = 0, 0.0, False

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
