"""The workers: rows in, stored replies and outcomes out.

A fixed number of workers live as long as the run. Each takes a slot, then a row, sends, stores the reply, judges it.
Slots bound what is in flight or not yet committed, so a crash repeats at most `concurrency` requests. A worker whose
row must wait for a retry lets go of its slot while it waits; there are more workers than slots for that reason alone.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from expander.endpoint import Endpoint, Reply, ReplyContent, Request, read_reply
from expander.errors import Action, EndpointError, ExpanderError
from expander.judging import Answer, Reader
from expander.pacing import Pace, TokenEstimate
from expander.post import Post, Unreadable
from expander.retry import RATE_LIMITED, RetryPolicy, retrying
from expander.rows import Maker, Row
from expander.settings import WorkSettings
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
_LOOK_UP_AT_ONCE = 200  # rows already done that are passed over before other tasks get a turn

# When nearly everything fails, stop rather than spend the night on it.
_FAILURES_WITHOUT_SUCCESS = 20  # attempts, when the run has had no reply at all: most likely a wrong setting
_FAILURES_SINCE_SUCCESS = 40  # attempts, and at the same time
_SECONDS_SINCE_SUCCESS = 60.0  # seconds: outlasts a restart of the endpoint
_ROWS_WATCHED = 200  # finished rows, of which fewer than
_ROWS_MUST_SUCCEED = 10  # these have a reply


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
        self._pace = Pace(concurrency=work.concurrency, rpm=work.rpm, tpm=work.tpm)
        self._estimate = TokenEstimate(TYPICAL_REPLY, estimate_tokens) if work.tpm else None
        self._policy = RetryPolicy(max_attempts=work.max_attempts, max_wait=work.max_wait, chance=random.Random())
        self._slots = asyncio.Semaphore(min(_RAMP_STEP, work.concurrency))
        self._intake = asyncio.Lock()
        self._health = Health()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, posts: Iterator[Post | Unreadable]) -> None:
        """Work through the posts.

        Raises StoreError when the run cannot be written.
        """
        rows = self._pending_rows(posts)
        workers = min(_WORKERS_PER_SLOT * self._work.concurrency, max(_MOST_WAITING, 2 * self._work.concurrency))
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = [group.create_task(self._worker(rows)) for _ in range(workers)]
                self._tasks.append(ramp := group.create_task(self._ramp()))
                await asyncio.wait(self._tasks[:-1], return_when=asyncio.FIRST_EXCEPTION)
                ramp.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

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
        for open_slots in range(_RAMP_STEP, self._work.concurrency, _RAMP_STEP):
            await asyncio.sleep(_RAMP_EVERY)
            for _ in range(min(_RAMP_STEP, self._work.concurrency - open_slots)):
                self._slots.release()

    def _pending_rows(self, posts: Iterator[Post | Unreadable]) -> Iterator[Row | None]:
        """Rows that need work, with None now and then to let other tasks have a turn."""
        progress = self.progress
        idle = 0
        for position, post in enumerate(posts):
            idle += 1
            for row in self._rows_of(position, post):
                progress.rows += 1
                if self._fresh or self._store.outcome(row.id) not in {Outcome.KEPT, Outcome.REJECTED}:
                    idle = 0
                    yield row
                else:
                    progress.done_before += 1
            if idle >= _LOOK_UP_AT_ONCE:
                idle = 0
                yield None

    def _rows_of(self, position: int, post: Post | Unreadable) -> Iterator[Row]:
        if isinstance(post, Unreadable):
            self._note_unreadable(post)
            return
        if first := self._store.first_place(post.id, post.place):
            self.progress.duplicates += 1
            self._store.keep_missing(post.place, "duplicate", f"{self._maker.same_as} {first}")
            return
        for row in self._maker.rows(position, post):
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
        return await retrying(lambda: self._attempt(request, tokens), self._policy, self._rest)

    async def _attempt(self, request: Request, tokens: int) -> Reply:
        progress, pace = self.progress, self._pace
        if not await pace.enter(tokens):
            raise EndpointError("stopped", Action.STOP_RUN, "the run was stopped before this row's request left")
        progress.requests += 1
        progress.in_flight += 1
        try:
            reply = await self._endpoint.complete(request)
        except EndpointError as error:
            if error.kind == RATE_LIMITED:
                pace.refused(error.after)
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

    def _stop_if_hopeless(self) -> None:
        if why := self._health.hopeless(self.progress.in_flight):
            self.drain(StopReason(Stop.PROVIDER, why, "Check the endpoint; what was stored stays."))


class Health:
    """Notices when nearly everything fails. Being told to slow down is no failure."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._ever = False
        self._last_success = self._clock()
        self._failures: Counter[str] = Counter()
        self._rows: deque[bool] = deque(maxlen=_ROWS_WATCHED)

    def succeeded(self) -> None:
        self._ever = True
        if self._failures:
            self._failures.clear()
        self._last_success = self._clock()

    def attempt_failed(self, error: EndpointError) -> None:
        self._failures[f"{error.kind}: {error.detail}"] += 1

    def row_ended(self, *, failed: bool) -> None:
        self._rows.append(failed)

    def hopeless(self, in_flight: int) -> str | None:
        """Why going on is no use; None while there is hope, which slow answers still in flight are."""
        failures = self._failures.total()
        silence = self._clock() - self._last_success
        if not self._ever and failures >= max(_FAILURES_WITHOUT_SUCCESS, 4 * in_flight):
            return f"The first {failures} attempts all failed ({self._worst()})."
        if failures >= _FAILURES_SINCE_SUCCESS and silence >= _SECONDS_SINCE_SUCCESS:
            return f"No reply for {silence:.0f} s; {failures} attempts failed since ({self._worst()})."
        if len(self._rows) == _ROWS_WATCHED and sum(self._rows) > _ROWS_WATCHED - _ROWS_MUST_SUCCEED:
            return f"{sum(self._rows)} of the last {_ROWS_WATCHED} rows failed."
        return None

    def _worst(self) -> str:
        return ", ".join(f"{count} x {what}" for what, count in self._failures.most_common(2))
