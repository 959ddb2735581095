"""All arms in one process: an engine each, side by side, stopped and resumed as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from expander import event_loop
from expander.ablation.arms import Arm, shared_work
from expander.ablation.budget import Budget
from expander.ablation.interleaving import Convoy, Runner
from expander.ablation.shares import Shares
from expander.ablation.watching import summary, watch
from expander.display import fed_line
from expander.engine import Company, Engine
from expander.exits import Exit
from expander.progress import Stop, StopReason
from expander.results import funnel
from expander.service import Service, feeding, serving
from expander.session import collect_less, constrained, finish, meanwhile, opened, say_stopped, session, signals
from expander.store import FILE, read_only
from expander.vllm_server.supervise import LOG


def run(arms: Sequence[Arm], *, console: Console, status: Console) -> Exit:
    """Work through every arm, or to a reason to stop. Each arm's files are written; exit codes are those of `expand`."""
    collect_less()
    return event_loop.run(_run(arms, console, status))


async def _run(arms: Sequence[Arm], console: Console, status: Console) -> Exit:
    works = shared_work(arms[0].job.work, len(arms))
    jobs = [
        replace(arm.job, work=replace(work, price_in=arm.job.work.price_in, price_out=arm.job.work.price_out))
        for arm, work in zip(arms, works, strict=True)
    ]
    for job in jobs:
        job.check()
    convoy, budget = Convoy(), Budget(arms[0].job.work)
    done = [_stored_rows(job.folder) for job in jobs]
    say = partial(status.print, markup=False, highlight=False, soft_wrap=True)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(job)) for job in jobs]
        services: dict[object, Service] = {}
        for job in jobs:
            if (key := job.where.shared_by) not in services:
                served = serving(job.where, log=job.folder / LOG, told=say)
                services[key] = await stack.enter_async_context(served)
        engines: list[Engine] = []
        runners = [convoy.join(stored, work.in_flight) for stored, work in zip(done, works, strict=True)]
        for job, store, runner in zip(jobs, stores, runners, strict=True):
            service = services[job.where.shared_by]
            settled = await constrained(job, service, say)
            company = Company(
                progress=runner.progress, may_take=partial(convoy.may_take, runner), on_tokens=budget.spent
            )
            engines.append(await stack.enter_async_context(session(settled, store, service, told=say, company=company)))
        budget.watch([(engine, job.work) for engine, job in zip(engines, jobs, strict=True)])
        shares = [
            Shares(
                [
                    (engine, runner)
                    for job, engine, runner in zip(jobs, engines, runners, strict=True)
                    if services[job.where.shared_by] is service
                ]
            )
            for service in services.values()
        ]
        feeders = [
            await stack.enter_async_context(feeding(service, arms[0].job.work, share))
            for service, share in zip(services.values(), shares, strict=True)
        ]
        async with meanwhile(watch(status, arms, engines)):
            with signals(engines, status):
                await _side_by_side(arms, engines, runners, shares)
    for job in jobs:
        finish(job.folder)
    for feeder in feeders:
        if feeder is not None:
            say(fed_line(feeder))
    return _report(arms, engines, console, status)


async def _side_by_side(
    arms: Sequence[Arm], engines: Sequence[Engine], runners: Sequence[Runner], shares: Sequence[Shares]
) -> None:
    async def work(arm: Arm, engine: Engine, runner: Runner) -> None:
        try:
            await engine.run(arm.job.selected())
        finally:
            runner.ended = True  # nobody waits for it any more, and what it had in flight is the others'
            for each in shares:
                each.divide()
        if engine.stopped is not None and engine.stopped.kind is Stop.PROVIDER:
            # The others would go on alone, at another time than this one.
            for other in engines:
                other.drain(StopReason(Stop.PROVIDER, f"arm {arm.name} stopped.", engine.stopped.hint))

    try:
        async with asyncio.TaskGroup() as group:
            for each in zip(arms, engines, runners, strict=True):
                group.create_task(work(*each))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _stored_rows(folder: Path) -> int:
    """Rows that have an outcome and are not asked for again."""
    if not (folder / FILE).is_file():
        return 0
    with closing(read_only(folder)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name = 'row'").fetchone()
        if found is None:
            return 0
        rows: int = connection.execute("SELECT count(*) FROM row WHERE outcome <> 'failed'").fetchone()[0]
        return rows


def _report(arms: Sequence[Arm], engines: Sequence[Engine], console: Console, status: Console) -> Exit:
    counts = []
    for arm in arms:
        with closing(read_only(arm.job.folder)) as connection:
            counts.append(funnel(connection))
    console.print(summary(arms, counts))
    for engine in engines:
        if engine.source_error is not None:
            raise engine.source_error
    stopped = [(arm, engine.stopped) for arm, engine in zip(arms, engines, strict=True) if engine.stopped is not None]
    if stopped:
        # The arm that stopped first says why; those drained with it only say that they were.
        arm, reason = next(
            (each for each in stopped if not each[1].text.startswith("arm ")),
            stopped[0],
        )
        return say_stopped(arm.job.endpoint, reason, status)
    failed = sum(sum(each.failed.values()) for each in counts)
    if failed:
        status.print("Some rows got no reply; they are asked for again when the ablation goes on.", style="bold")
    if any(each.missing.get("unreadable") for each in counts):
        status.print(f"Some input rows are unreadable: {arms[0].job.folder} says where and why.", style="bold")
        return Exit.ROWS_FAILED
    return Exit.ROWS_FAILED if failed else Exit.COMPLETE
