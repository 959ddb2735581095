"""What the commands that send requests share: a run opened, an endpoint asked what it takes, an engine at work, signals."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import orjson
from rich.console import Console

from expander.display import watch
from expander.engine import Company, Engine
from expander.exits import Exit
from expander.job import Job
from expander.judging import Judge
from expander.progress import Stop, StopReason
from expander.results import write_results
from expander.service import Service
from expander.settings import EndpointSettings, WorkSettings
from expander.store import Store
from expander.stored_run import rules_text, stored_run, template_text

Item = TypeVar("Item")


def collect_less() -> None:
    """Let the garbage collector leave alone what lives as long as the run, and look less often at what does not.

    A request makes hundreds of objects and few cycles; by default the collector takes 7 % of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Store]:
    """The job's run, locked, with settings that may go on with it. On leaving, everything queued is stored.

    Raises StoreError as `Store` does, and UsageError for settings that differ: before a model is loaded for them.
    """
    settings = job.settings()
    job.where.look_for_server()
    async with Store(job.folder) as store:
        if (before := store.meta("settings")) is not None:
            # The constraint is known once the endpoint has been asked; until then it counts as the one of before.
            unknown = {name: value for name, value in orjson.loads(before).items() if name == "constrained"}
            store.settle_settings({**settings, **unknown})
            if job.posts is not None:
                store.forget_missing(str(job.posts))
        yield store


async def constrained(job: Job, service: Service, say: Callable[[str], None]) -> Job:
    """The job with the constraint that its endpoint takes. Raises UsageError where it takes none and none is no choice."""
    if job.structured.structured == "off":
        return job
    from expander.structured import settling

    found = await settling.settle(
        job.structured,
        template=job.loaded_template(),
        rules=job.rule_set(),
        urls=service.urls,
        model=job.model,
        endpoint=service.keyed(job.endpoint),
        sampling=job.sampling,
        say=say,
    )
    return replace(job, constraint=found)


def settle(job: Job, store: Store) -> None:
    """Hold the job's settings against those its run began with, and store what the run is to say of itself.

    Raises UsageError for settings that differ.
    """
    store.settle_settings(job.settings())
    store.set_meta("template", template_text(job.loaded_template()))
    store.set_meta("provenance", orjson.dumps(job.provenance()).decode())
    store.set_meta("rules", rules_text(job.rule_set()))


@asynccontextmanager
async def session(
    job: Job,
    store: Store,
    service: Service,
    *,
    told: Callable[[str], None] = lambda _: None,
    company: Company | None = None,
) -> AsyncIterator[Engine]:
    """The job's opened run, ready to work: its settings settled, its endpoint connected.

    Raises UsageError as `settle` does.
    """
    settle(job, store)
    template = job.loaded_template()
    async with service.connected(
        model=job.model,
        endpoint=job.endpoint,
        sampling=job.sampling,
        system=template.system,
        connections=service.most_in_flight(job.work),
        constrained=job.constraint.body() if job.constraint else None,
        told=told,
    ) as endpoint:
        yield Engine(
            store=store,
            endpoint=endpoint,
            maker=job.maker(),
            judge=Judge(template, job.rule_set()),
            work=job.work,
            request_seed=job.settled_sampling().request_seed,
            spent=store.tokens(),
            company=company,
        )


@asynccontextmanager
async def shown(
    engine: Engine, work: WorkSettings, status: Console, total_rows: Callable[[], int | None]
) -> AsyncIterator[None]:
    """The engine's progress on `status`, and Ctrl-C heard, for as long as it works."""
    async with meanwhile(watch(status, engine.progress, work, lambda: engine.tokens_spent, total_rows)):
        with signals([engine], status):
            yield


@asynccontextmanager
async def meanwhile(*coroutines: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """These go on beside the block, and are cancelled when it ends."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def chained(first: Item | None, rest: Iterator[Item]) -> Iterator[Item]:
    """A stream whose first item, if it has one, was taken to see whether it can be read."""
    if first is not None:
        yield first
    yield from rest


def finish(folder: Path) -> None:
    """Write what the run's folder holds for its reader. Raises StoreError."""
    run = stored_run(folder)
    write_results(folder, Judge(run.template, run.rules), run.provenance)


class signals:  # noqa: N801 - a context manager that reads as a clause
    """Ctrl-C (or SIGTERM) once: finish what is in flight. Twice: drop it."""

    def __init__(self, engines: Sequence[Engine], status: Console) -> None:
        self._engines = engines
        self._status = status
        self._asked = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError):  # not the main thread, or no Unix
                self._before[number] = signal.getsignal(number)
                loop.add_signal_handler(number, self._ask)

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError):
                loop.remove_signal_handler(number)
                signal.signal(number, self._before[number])  # the loop leaves the system's own behind

    def _ask(self) -> None:
        self._asked += 1
        for engine in self._engines:
            engine.drain(StopReason(Stop.INTERRUPTED, "Interrupted."))
        if self._asked == 1:
            in_flight = sum(engine.progress.in_flight for engine in self._engines)
            self._status.print(f"Stopping: waiting for {in_flight} requests in flight. Once more drops them.")
        else:
            for engine in self._engines:
                engine.abort()


def say_stopped(endpoint: EndpointSettings, stopped: StopReason, status: Console) -> Exit:
    """Why the run stopped, in words; the exit code that goes with it."""
    status.print(f"Stopped: {stopped.text} {stopped.hint}".rstrip(), style="bold", soft_wrap=True)
    if stopped.text.startswith("auth:"):
        variable = endpoint.api_key_env
        status.print(f"The key is read from ${variable}, which is {'set' if os.environ.get(variable) else 'not set'}.")
    return {Stop.PROVIDER: Exit.PROVIDER, Stop.BUDGET: Exit.PROVIDER, Stop.INTERRUPTED: Exit.INTERRUPTED}[stopped.kind]
