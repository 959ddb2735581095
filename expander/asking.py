"""One reply from the endpoint: at the pace it allows, asked for again where that may help, given up where it will not.

An attempt holds a slot. Whoever waits for a retry lets go of it meanwhile.
"""

from __future__ import annotations

import asyncio
import random

from expander.endpoint import Endpoint, Reply, Request
from expander.errors import Action, EndpointError
from expander.health import Health
from expander.pacing import Pace, TokenEstimate
from expander.progress import Progress, Stop, StopReason
from expander.retry import RATE_LIMITED, RetryPolicy, retrying
from expander.settings import WorkSettings
from expander.slots import Slots
from expander.store import Store
from expander.tokens import TYPICAL_REPLY, estimate_tokens

_LONGEST_NAMED = 10**9  # seconds: what an endpoint asks for may have 300 digits
_LOOK_EVERY = 0.5  # seconds between looks of one that waits for a retry, whether the run has stopped


class Asker:
    """Asks for all rows of a session, and stops it where the endpoint has closed or nearly everything fails."""

    def __init__(self, endpoint: Endpoint, store: Store, work: WorkSettings, slots: Slots, progress: Progress) -> None:
        self._endpoint = endpoint
        self._store = store
        self._slots = slots
        self._progress = progress
        self._max_wait = work.max_wait
        self._pace = Pace(concurrency=work.in_flight, rpm=work.rpm, tpm=work.tpm)
        self._estimate = TokenEstimate(TYPICAL_REPLY, estimate_tokens) if work.tpm else None
        self._policy = RetryPolicy(max_attempts=work.max_attempts, max_wait=work.max_wait, chance=random.Random())
        self._health = Health()

    def drain(self, reason: StopReason) -> None:
        """Send nothing more; what is in flight comes to its end. The first reason stands."""
        self._progress.stopped = self._progress.stopped or reason
        self._pace.stop()

    async def reply(self, request: Request) -> Reply:
        """The caller holds a slot, before and after. Raises the last EndpointError where there is no reply."""
        tokens = self._estimate.of(request.prompt) if self._estimate else 0
        refused = False

        async def attempt() -> Reply:
            nonlocal refused
            try:
                return await self._attempt(request, tokens, again=refused)
            except EndpointError as error:
                refused = error.kind == RATE_LIMITED
                raise

        return await retrying(attempt, self._policy, self._rest)

    def learn(self, completion_tokens: int) -> None:
        """So long was a reply: what the next one may take of a quota of tokens."""
        if self._estimate:
            self._estimate.learn(completion_tokens)

    def row_ended(self, *, failed: bool) -> None:
        """Where nearly all rows fail, the run stops."""
        self._health.row_ended(failed=failed)
        if failed:
            self._stop_if_hopeless()

    async def _attempt(self, request: Request, tokens: int, *, again: bool) -> Reply:
        progress, pace = self._progress, self._pace
        if not await pace.enter(tokens):
            raise EndpointError("stopped", Action.STOP_RUN, "the run was stopped before this row's request left")
        self._store.check_writing()  # a slot that a failed commit has set free: what it would ask for could not be kept
        progress.requests += 1
        progress.in_flight += 1
        try:
            reply = await self._endpoint.complete(request)
        except EndpointError as error:
            if error.kind == RATE_LIMITED:
                pace.refused(error.after, again=again)
                self._stop_if_closed()
            else:
                pace.failed()
            progress.refusals[error.kind] += 1
            self._store.count(f"attempt:{error.kind}")
            self._note_failure(error)
            raise
        except BaseException:
            pace.failed()
            raise
        finally:
            progress.in_flight -= 1
        pace.accepted()
        self._health.succeeded()
        return reply

    async def _rest(self, seconds: float) -> None:
        """Wait for a retry outside the slot, which somebody else can use meanwhile."""
        self._progress.retrying += 1
        self._slots.release()
        try:
            await self._sleep_unless_stopped(seconds)
        finally:
            await asyncio.shield(self._slots.acquire())
            self._progress.retrying -= 1

    async def _sleep_unless_stopped(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            if self._progress.stopped is not None:
                raise EndpointError("stopped", Action.STOP_RUN, "the run was stopped while this row waited for a retry")
            await asyncio.sleep(min(left, _LOOK_EVERY))

    def _note_failure(self, error: EndpointError) -> None:
        if error.action is Action.STOP_RUN:
            self.drain(StopReason(Stop.PROVIDER, f"{error.kind}: {error.detail}.", error.hint))
        elif error.kind != RATE_LIMITED:
            self._health.attempt_failed(error)
            self._stop_if_hopeless()

    def _stop_if_closed(self) -> None:
        """An endpoint that takes nothing from anybody for longer than a row may wait has closed for the day."""
        if self._pace.shortest_rest > self._max_wait:
            rest = min(round(self._pace.shortest_rest), _LONGEST_NAMED)
            why = f"{RATE_LIMITED}: the endpoint refuses every request, and asks to wait {rest:,} s or more."
            self.drain(StopReason(Stop.PROVIDER, why, "Go on after that time; --max-wait makes rows wait longer."))

    def _stop_if_hopeless(self) -> None:
        if why := self._health.hopeless(self._progress.in_flight):
            self.drain(StopReason(Stop.PROVIDER, why, "Check the endpoint; what was stored stays."))
