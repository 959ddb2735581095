"""`expand`: a job worked through to its end, or only estimated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console

from expander import event_loop
from expander.consoles import printable
from expander.display import cost, duration, fed_line, summary
from expander.engine import Engine
from expander.errors import UsageError
from expander.exits import Exit
from expander.job import Job
from expander.loop_lag import LoopLag
from expander.post import MOST_NAMED, Post, Unreadable
from expander.results import REJECTED, funnel
from expander.rows import Row
from expander.service import feeding, serving
from expander.session import chained, collect_less, constrained, finish, meanwhile, opened, say_stopped, session, shown
from expander.sources.length import count_lines
from expander.store import read_only
from expander.tokens import TYPICAL_REPLY, estimate_tokens
from expander.vllm_server.supervise import LOG

READ_AHEAD_FROM = 30_000
"""Rows of a run, from which on another process reads its input: to start one takes as long as to pass over so many."""


def expand(job: Job, *, console: Console, status: Console) -> Exit:
    """Run the job to its end, or to a reason to stop. Results go to `console`, progress and remarks to `status`."""
    collect_less()
    return event_loop.run(_expand(job, console, status))


async def _expand(job: Job, console: Console, status: Console) -> Exit:
    # A wrong option or file is found before a folder is made.
    job.check()
    posts = job.selected()
    first = next(posts, None)
    say = partial(status.print, markup=False, highlight=False, soft_wrap=True)
    async with (
        opened(job) as store,
        serving(job.where, log=job.folder / LOG, told=say) as service,
        session(await constrained(job, service, say), store, service, told=say) as engine,
        feeding(service, job.work, engine) as feeder,
    ):
        if job.posts is not None and store.lines() >= READ_AHEAD_FROM:
            first, posts = None, job.selected(ahead=True)
        fraction, lag = _Fraction(chained(first, posts), job.posts), LoopLag()
        total_rows = partial(fraction.total_rows, engine)
        with closing(posts):
            async with meanwhile(fraction.count(), lag.listen()), shown(engine, job.work, status, total_rows):
                await engine.run(fraction.posts())
    finish(job.folder)
    end = _report(job, engine, console, status)
    if (late := lag.told()) is not None:
        say(late)
    if feeder is not None:
        say(fed_line(feeder))
    if engine.source_error is not None:
        raise engine.source_error
    return end


class _Fraction:
    """How many rows the input will make, from the line the reading has reached."""

    def __init__(self, posts: Iterator[Post | Unreadable], path: Path | None) -> None:
        self._posts = posts
        self._path = path
        self._lines: int | None = None
        self._reached = 0

    def posts(self) -> Iterator[Post | Unreadable]:
        for post in self._posts:
            self._reached = post.place.line
            yield post

    async def count(self) -> None:
        if self._path is not None:
            self._lines = await asyncio.to_thread(count_lines, self._path)

    def total_rows(self, engine: Engine) -> int | None:
        progress = engine.progress
        if progress.input_ended:
            return progress.rows
        if not self._lines or self._reached <= 1 or not progress.rows:
            return None
        return max(progress.rows, round(progress.rows * self._lines / self._reached))


def _report(job: Job, engine: Engine, console: Console, status: Console) -> Exit:
    with closing(read_only(job.folder)) as connection:
        counts = funnel(connection)
    progress, stopped = engine.progress, engine.stopped
    if progress.done_before:
        status.print(f"{progress.done_before:,} rows were done before this command.")
    console.print(summary(job.folder, counts, job.work))
    if stopped is not None:
        return say_stopped(job.endpoint, stopped, status)
    if counts.failed:
        status.print("Some rows got no reply; they are asked for again when the run goes on.", style="bold")
    if counts.missing.get("unreadable"):
        status.print(f"Some input rows are unreadable: {job.folder / REJECTED} says where and why.", style="bold")
    if counts.failed or counts.missing.get("unreadable"):
        return Exit.ROWS_FAILED
    return Exit.COMPLETE


def dry_run(job: Job, *, console: Console) -> Exit:
    """Print the first prompt, counts and estimates; send nothing and write nothing."""
    maker, work = job.maker(), job.work
    first: Row | None = None
    rows = unreadable = prompt_tokens = 0
    for position, post in enumerate(job.selected()):
        for row in (post,) if isinstance(post, Unreadable) else maker.rows(position, post):
            if isinstance(row, Unreadable):
                unreadable += 1
                if unreadable <= MOST_NAMED:
                    console.print(printable(f"{row.place}: {row.reason}"), markup=False, highlight=False)
                continue
            first = first or row
            rows += 1
            prompt_tokens += estimate_tokens(row.prompt)
    if unreadable > MOST_NAMED:
        console.print(f"... and {unreadable - MOST_NAMED:,} more rows that cannot be read.")
    if first is None:
        raise UsageError("No post to expand: every row of the input was unreadable.")
    console.rule("first prompt")
    console.print(printable(first.prompt), markup=False, highlight=False, soft_wrap=True)
    _print_constraint(job, console)
    console.rule("estimate")
    completion_tokens = rows * min(TYPICAL_REPLY, job.sampling.max_tokens or TYPICAL_REPLY)
    console.print(f"{rows:,} rows to make, {unreadable:,} input rows unreadable. Nothing was sent.")
    console.print(
        f"About {prompt_tokens:,} tokens in prompts and {completion_tokens:,} in replies, without regenerations."
    )
    console.print(f"Cost: {cost(work, (prompt_tokens, completion_tokens))}.")
    if work.rpm:
        console.print(f"At {work.rpm:g} requests a minute: at least {duration(rows / work.rpm * 60)}.")
    console.print(f"Run folder: {job.folder}", soft_wrap=True)
    return Exit.COMPLETE


def _print_constraint(job: Job, console: Console) -> None:
    if job.structured.structured == "off":
        return
    from expander.structured.settling import offered

    constraint = offered(job.structured, job.loaded_template(), job.rule_set(), job.sampling, job.endpoint)
    assert constraint is not None
    console.rule(f"constraint ({constraint.kind})")
    console.print("An endpoint with little room for a reply makes its bounds tighter.")
    console.print(printable(constraint.text), markup=False, highlight=False, soft_wrap=True)
