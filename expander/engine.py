"""The workers: rows in, stored replies and outcomes out.

Workers live as long as the run. Each takes a slot, then a row, sends, stores the reply, judges it.
Slots bound what is in flight or not yet committed, so a crash repeats at most as many requests. A worker whose row must
wait for a retry lets go of its slot while it waits; there are more workers than slots for that reason alone.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from expander.endpoint import Endpoint, Reply, ReplyContent, Request, read_reply
from expander.errors import Action, EndpointError, ExpanderError
from expander.health import Health
from expander.judging import Answer, Reader
from expander.pacing import Pace, TokenEstimate
from expander.passing_over import LOOK_UP_AT_ONCE, Met, looked_up
from expander.post import Post, Unreadable
from expander.retry import RATE_LIMITED, RetryPolicy, retrying
from expander.rows import Maker, Row
from expander.settings import WorkSettings
from expander.slots import Slots
from expander.store import NewReply, Outcome, RowRecord, Store, StoredReply
from expander.tokens import TYPICAL_REPLY, estimate_tokens
from filters.rules import OPTIONAL

# Rows that may wait for a retry at once, per slot: at 20 % of rows refused twice for 2 s, and answers after 50 ms,
# 2 s / 50 ms * 20 % = 8 rows wait for each one in flight if the rest is to run at half its rate.
_WORKERS_PER_SLOT = 8
_MOST_WAITING = 4096  # workers; each that waits holds its prompt, some 10 kB

# Requests in flight rise to `concurrency` in steps, so that an endpoint with a low limit refuses few.
_RAMP_STEP = 16
_RAMP_EVERY = 0.01  # seconds: 256 in flight after 0.15 s

EMPTY_REPLY = "empty-reply"  # the rule's name
EMPTY_REPLIES_ASKED_AGAIN = 2  # it is an endpoint's hiccup, so it is asked for anew even where rules are not
ABOUT_THE_SUBJECT = frozenset(rule.name for rule in OPTIONAL)  # another reply would speak of the same

_LONGEST_NAMED = 10**9  # seconds: what an endpoint asks for may have 300 digits


class Stop(StrEnum):
    """Why workers take no more rows."""

    PROVIDER = "provider"
    BUDGET = "budget"
    INTERRUPTED = "interrupted"


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
    """Replies whose tokens the endpoint did not count."""
    in_flight: int = 0
    input_ended: bool = False
    total_rows: int | None = None

    @property
    def finished(self) -> int:
        """Rows that this session brought to an end."""
        return self.kept + self.rejected.total() + self.failed.total()


@dataclass(slots=True)
class StopReason:
    """Why the run stopped early, in words for its user."""

    kind: Stop
    text: str
    hint: str = ""


class Engine:
    """One session of a run. `run` returns when every row has an outcome, or the run has a reason to stop."""

    def __init__(
        self,
        *,
        store: Store,
        endpoint: Endpoint,
        maker: Maker,
        judge: Reader,
        work: WorkSettings,
        request_seed: int | None,
        spent: tuple[int, int],
    ) -> None:
        self.progress = Progress()
        self.stopped: StopReason | None = None
        self._store = store
        self._endpoint = endpoint
        self._maker = maker
        self._judge = judge
        self._work = work
        self._request_seed = request_seed
        self._spent_before = spent
        self.source_error: ExpanderError | None = None
        """What ended the input before its end, once the rows before it are done."""
        self._fresh = store.is_empty()
        self._pending = store.pending()
        self._pace = Pace(concurrency=work.in_flight, rpm=work.rpm, tpm=work.tpm)
        self._estimate = TokenEstimate(TYPICAL_REPLY, estimate_tokens) if work.tpm else None
        self._policy = RetryPolicy(max_attempts=work.max_attempts, max_wait=work.max_wait, chance=random.Random())
        self._most = work.in_flight
        self._slots = Slots(min(_RAMP_STEP, self._most))
        self._raised = asyncio.Event()
        self._intake = asyncio.Lock()
        self._health = Health()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hire: Callable[[], None] = lambda: None

    async def run(self, posts: Iterator[Post | Unreadable]) -> None:
        """Work through the posts.

        Raises StoreError when the run cannot be written.
        """
        rows = self._pending_rows(posts)
        ramp = asyncio.create_task(self._ramp())
        try:
            async with asyncio.TaskGroup() as group:

                def hire() -> None:
                    wanted = min(_WORKERS_PER_SLOT * self._most, max(_MOST_WAITING, 2 * self._most))
                    while len(self._tasks) < wanted:
                        self._tasks.add(group.create_task(self._worker(rows)))

                hire()
                self._hire = hire
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._hire = lambda: None
            ramp.cancel()

    def resize(self, most: int) -> None:
        """Have so many requests in flight from now on, 1 or more. Those beyond it that are in flight come to their end."""
        self._most = most
        self._slots.resize(min(most, self._slots.size))
        self._raised.set()
        if self.stopped is None and not self.progress.input_ended:
            self._hire()

    def drain(self, reason: StopReason) -> None:
        """Take no more rows and send nothing more; finish what is in flight."""
        self.stopped = self.stopped or reason
        self._pace.stop()

    def abort(self) -> None:
        """Drop everything in flight at once."""
        for task in self._tasks:
            task.cancel()

    # Taking rows

    async def _worker(self, rows: Iterator[Row | None]) -> None:
        while True:
            async with self._intake:  # one worker at a time stands before the slots, so retries do not queue behind all
                await self._slots.acquire()
                try:
                    row = await self._take(rows)
                except BaseException:
                    self._slots.release()
                    raise
                if row is None:
                    self._slots.release()
                    return
            try:
                await self._work_on(row)
            finally:
                self._slots.release()
                del row  # a worker may wait long for its next row, and there are thousands

    async def _take(self, rows: Iterator[Row | None]) -> Row | None:
        """The next row without an outcome; None at the end."""
        while self.stopped is None and not self.progress.input_ended:
            try:
                row = next(rows)
            except StopIteration:
                self.progress.input_ended = True
            except ExpanderError as error:
                self.source_error = error
                self.progress.input_ended = True
            else:
                if row is not None:
                    return row
                await asyncio.sleep(0)
        return None

    async def _ramp(self) -> None:
        while True:
            while self._slots.size < self._most:
                await asyncio.sleep(_RAMP_EVERY)
                self._slots.resize(min(self._most, self._slots.size + _RAMP_STEP))
            self._raised.clear()
            await self._raised.wait()

    def _pending_rows(self, posts: Iterator[Post | Unreadable]) -> Iterator[Row | None]:
        """Rows that need work, with None now and then to let other tasks have a turn."""
        progress = self.progress
        idle = 0
        for batch in looked_up(posts, self._store, self._maker, fresh=self._fresh):
            idle += len(batch)
            for met in batch:
                if met.is_done:
                    progress.rows += len(met.ids)
                    progress.done_before += len(met.ids)
                    continue
                for row in self._rows_of(met):
                    progress.rows += 1
                    if row.id in met.done:
                        progress.done_before += 1
                    else:
                        idle = 0
                        yield row
            if idle >= LOOK_UP_AT_ONCE:
                idle = 0
                yield None

    def _rows_of(self, met: Met) -> Iterator[Row]:
        post = met.post
        if isinstance(post, Unreadable):
            self._note_unreadable(post)
            return
        if met.before is not None:
            self.progress.duplicates += 1
            self._store.keep_missing(post.place, "duplicate", f"{self._maker.same_as} {met.before}")
            return
        for row in self._maker.rows(met.position, post):
            if isinstance(row, Unreadable):
                self._note_unreadable(row)
            else:
                yield row

    def _note_unreadable(self, problem: Unreadable) -> None:
        self.progress.unreadable += 1
        self._store.keep_missing(problem.place, "unreadable", problem.reason)

    # Working on one row

    async def _work_on(self, row: Row) -> None:
        replies = self._pending.pop(row.id, [])
        content = read_reply(replies[-1].body) if replies else None
        try:
            while True:
                if content is not None:
                    answer = self._judge.answer(row, content, generation=len(replies) - 1)
                    if not self._ask_again(answer, len(replies)):
                        self._finish(row, answer, replies)
                        return
                    if self.stopped is not None:
                        return  # the next session asks for it anew
                    self.progress.regenerated += 1
                reply = await self._reply(row, generation=len(replies))
                content = reply.content
                replies.append(await self._keep(row, reply, generation=len(replies)))
        except EndpointError as error:
            self._fail(row, error, replies)

    def _ask_again(self, answer: Answer, replies: int) -> bool:
        if answer.rejection is None or answer.rejection.rule in ABOUT_THE_SUBJECT:
            return False
        allowed = self._work.max_regenerations
        if answer.rejection.rule == EMPTY_REPLY:
            allowed = max(allowed, EMPTY_REPLIES_ASKED_AGAIN)
        return replies <= allowed

    async def _reply(self, row: Row, generation: int) -> Reply:
        request = Request(row.prompt, row.request_seed(self._request_seed, generation))
        tokens = self._estimate.of(row.prompt) if self._estimate else 0
        refused = False

        async def attempt() -> Reply:
            nonlocal refused
            try:
                return await self._attempt(request, tokens, again=refused)
            except EndpointError as error:
                refused = error.kind == RATE_LIMITED
                raise

        return await retrying(attempt, self._policy, self._rest)

    async def _attempt(self, request: Request, tokens: int, *, again: bool) -> Reply:
        progress, pace = self.progress, self._pace
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
        self.progress.retrying += 1
        self._slots.release()
        try:
            await self._sleep_unless_stopped(seconds)
        finally:
            await asyncio.shield(self._slots.acquire())
            self.progress.retrying -= 1

    async def _sleep_unless_stopped(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            if self.stopped is not None:
                raise EndpointError("stopped", Action.STOP_RUN, "the run was stopped while this row waited for a retry")
            await asyncio.sleep(min(left, 0.5))

    async def _keep(self, row: Row, reply: Reply, generation: int) -> StoredReply:
        reply_id = await self._store.keep_reply(
            NewReply(
                row_id=row.id,
                generation=generation,
                seconds=reply.seconds,
                prompt_tokens=reply.content.prompt_tokens,
                completion_tokens=reply.content.completion_tokens,
                body=reply.body,
            )
        )
        self._count_tokens(reply.content)
        return StoredReply(reply_id, row.id, generation, reply.body)

    def _count_tokens(self, reply: ReplyContent) -> None:
        progress = self.progress
        if reply.prompt_tokens is None or reply.completion_tokens is None:
            progress.tokens_unknown += 1
            return
        progress.prompt_tokens += reply.prompt_tokens
        progress.completion_tokens += reply.completion_tokens
        if self._estimate:
            self._estimate.learn(reply.completion_tokens)
        prompt, completion = self.tokens_spent
        work = self._work
        if work.max_total_tokens is not None and prompt + completion >= work.max_total_tokens:
            self.drain(
                StopReason(
                    Stop.BUDGET,
                    f"{prompt + completion:,} tokens used; --max-total-tokens is {work.max_total_tokens:,}.",
                )
            )
        cost = work.cost(prompt, completion)
        if work.max_cost is not None and cost is not None and cost >= work.max_cost:
            self.drain(StopReason(Stop.BUDGET, f"{cost:.4f} {work.currency} spent; --max-cost is {work.max_cost:g}."))

    @property
    def tokens_spent(self) -> tuple[int, int]:
        """Prompt and completion tokens of the whole run, earlier sessions included."""
        before_prompt, before_completion = self._spent_before
        return before_prompt + self.progress.prompt_tokens, before_completion + self.progress.completion_tokens

    # Outcomes

    def _finish(self, row: Row, answer: Answer, replies: list[StoredReply]) -> None:
        rejection = answer.rejection
        if rejection is None:
            self.progress.kept += 1
            self._end(row, Outcome.KEPT, None, None, replies, reading=answer.reading)
        else:
            self.progress.rejected[rejection.rule] += 1
            self._end(row, Outcome.REJECTED, rejection.rule, rejection.reason, replies)
        self._health.row_ended(failed=False)

    def _fail(self, row: Row, error: EndpointError, replies: list[StoredReply]) -> None:
        if error.action is Action.STOP_RUN:
            return  # the run stops; this row has no outcome yet and is asked for when it goes on
        self.progress.failed[error.kind] += 1
        self._end(row, Outcome.FAILED, error.kind, error.detail, replies)
        self._health.row_ended(failed=True)
        self._stop_if_hopeless()

    def _end(
        self,
        row: Row,
        outcome: Outcome,
        rule: str | None,
        reason: str | None,
        replies: list[StoredReply],
        *,
        reading: bytes | None = None,
    ) -> None:
        self._store.keep_row(
            RowRecord(
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
        )

    def _note_failure(self, error: EndpointError) -> None:
        if error.action is Action.STOP_RUN:
            self.drain(StopReason(Stop.PROVIDER, f"{error.kind}: {error.detail}.", error.hint))
        elif error.kind != RATE_LIMITED:
            self._health.attempt_failed(error)
            self._stop_if_hopeless()

    def _stop_if_closed(self) -> None:
        """An endpoint that takes nothing from anybody for longer than a row may wait has closed for the day."""
        if self._pace.shortest_rest > self._work.max_wait:
            rest = min(round(self._pace.shortest_rest), _LONGEST_NAMED)
            why = f"{RATE_LIMITED}: the endpoint refuses every request, and asks to wait {rest:,} s or more."
            self.drain(StopReason(Stop.PROVIDER, why, "Go on after that time; --max-wait makes rows wait longer."))

    def _stop_if_hopeless(self) -> None:
        if why := self._health.hopeless(self.progress.in_flight):
            self.drain(StopReason(Stop.PROVIDER, why, "Check the endpoint; what was stored stays."))
