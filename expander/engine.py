"""The workers: rows in, stored replies and outcomes out.

Workers live as long as the run. Each takes a slot, then a row, has it asked for (`asking`), stores the reply, judges it.
Slots bound what is in flight or not yet committed, so a crash repeats at most as many requests. A worker whose row must
wait for a retry lets go of its slot while it waits; there are more workers than slots for that reason alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from expander.asking import Asker
from expander.endpoint import Endpoint, Reply, ReplyContent, Request, read_reply
from expander.errors import Action, EndpointError, ExpanderError
from expander.judging import Answer, Reader
from expander.passing_over import Pending
from expander.post import Post, Unreadable
from expander.progress import Progress, Stop, StopReason
from expander.rows import Maker, Row
from expander.settings import WorkSettings
from expander.slots import Slots
from expander.store import NewReply, Outcome, RowRecord, Store, StoredReply
from expander.tokens import ESTIMATED, estimate_tokens
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

_TURN_LOOKED_FOR_EVERY = 0.005  # seconds; one waiting worker an engine looks so often, and a reply takes longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """What ties an engine to others that work beside it; by default it is alone."""

    progress: Progress = field(default_factory=Progress)
    """Its own, for the others to see."""
    may_take: Callable[[], bool] = lambda: True
    """Whether it may take a row now, or waits for the others."""
    on_tokens: Callable[[], None] = lambda: None
    """Called when it has spent some."""


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
        company: Company | None = None,
    ) -> None:
        self._company = company or Company()
        self.progress = self._company.progress
        self._store = store
        self._judge = judge
        self._work = work
        self._request_seed = request_seed
        self._spent_before = spent
        self._estimated = store.tallied(ESTIMATED[0]), store.tallied(ESTIMATED[1])
        self.source_error: ExpanderError | None = None
        """What ended the input before its end, once the rows before it are done."""
        self._pending = Pending(store, maker, self.progress)
        self._most = work.in_flight
        self._slots = Slots(min(_RAMP_STEP, self._most))
        self._asker = Asker(endpoint, store, work, self._slots, self.progress)
        self._raised = asyncio.Event()
        self._intake = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hire: Callable[[], None] = lambda: None

    @property
    def stopped(self) -> StopReason | None:
        """Why the run stopped early; None while it has not."""
        return self.progress.stopped

    async def run(self, posts: Iterator[Post | Unreadable]) -> None:
        """Work through the posts.

        Raises StoreError when the run cannot be written.
        """
        rows = self._pending.rows(posts)
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
        self._asker.drain(reason)

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
        if self._waits_for_others():
            self._slots.release()  # retries need it meanwhile
            try:
                while self._waits_for_others():  # noqa: ASYNC110 - what is waited for are counters of all the others
                    await asyncio.sleep(_TURN_LOOKED_FOR_EVERY)
            finally:
                await asyncio.shield(self._slots.acquire())
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

    def _waits_for_others(self) -> bool:
        return self.stopped is None and not self._company.may_take()

    # Working on one row

    async def _work_on(self, row: Row) -> None:
        replies = self._pending.replies.pop(row.id, [])
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
                request = Request(row.prompt, row.request_seed(self._request_seed, len(replies)))
                reply = await self._asker.reply(request)
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
        self._count_tokens(row.prompt, reply.content)
        return StoredReply(reply_id, row.id, generation, reply.body)

    def _count_tokens(self, prompt: str, reply: ReplyContent) -> None:
        progress = self.progress
        progress.prompt_tokens += reply.prompt_tokens or 0
        progress.completion_tokens += reply.completion_tokens or 0
        if reply.completion_tokens is not None:
            self._asker.learn(reply.completion_tokens)
        if reply.prompt_tokens is None or reply.completion_tokens is None:
            progress.tokens_unknown += 1
            self._estimate(prompt, reply)
        self._stop_if_spent()
        self._company.on_tokens()

    def _estimate(self, prompt: str, reply: ReplyContent) -> None:
        """What the endpoint did not count counts by estimate, for a budget must hold all the same."""
        missed = (
            estimate_tokens(prompt) if reply.prompt_tokens is None else 0,
            estimate_tokens(reply.text or "") if reply.completion_tokens is None else 0,
        )
        self._estimated = self._estimated[0] + missed[0], self._estimated[1] + missed[1]
        for key, count in zip(ESTIMATED, missed, strict=True):
            self._store.count(key, count)

    def _stop_if_spent(self) -> None:
        prompt, completion = self.tokens_charged
        about = "about " if any(self._estimated) else ""
        work = self._work
        if work.max_total_tokens is not None and prompt + completion >= work.max_total_tokens:
            used = f"{about}{prompt + completion:,} tokens used; --max-total-tokens is {work.max_total_tokens:,}."
            self.drain(StopReason(Stop.BUDGET, used))
        cost = work.cost(prompt, completion)
        if work.max_cost is not None and cost is not None and cost >= work.max_cost:
            spent = f"{about}{cost:.4f} {work.currency} spent; --max-cost is {work.max_cost:g}."
            self.drain(StopReason(Stop.BUDGET, spent))

    @property
    def tokens_spent(self) -> tuple[int, int]:
        """Prompt and completion tokens of the whole run, earlier sessions included, as the endpoint counted them."""
        before_prompt, before_completion = self._spent_before
        return before_prompt + self.progress.prompt_tokens, before_completion + self.progress.completion_tokens

    @property
    def tokens_charged(self) -> tuple[int, int]:
        """`tokens_spent`, and by estimate what the endpoint did not count: what budgets are held against."""
        prompt, completion = self.tokens_spent
        return prompt + self._estimated[0], completion + self._estimated[1]

    # Outcomes

    def _finish(self, row: Row, answer: Answer, replies: list[StoredReply]) -> None:
        rejection = answer.rejection
        if rejection is None:
            self.progress.kept += 1
            self._end(row, Outcome.KEPT, None, None, replies, reading=answer.reading)
        else:
            self.progress.rejected[rejection.rule] += 1
            self._end(row, Outcome.REJECTED, rejection.rule, rejection.reason, replies)
        self._asker.row_ended(failed=False)

    def _fail(self, row: Row, error: EndpointError, replies: list[StoredReply]) -> None:
        if error.action is Action.STOP_RUN:
            return  # the run stops; this row has no outcome yet and is asked for when it goes on
        self.progress.failed[error.kind] += 1
        self._end(row, Outcome.FAILED, error.kind, error.detail, replies)
        self._asker.row_ended(failed=True)

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
