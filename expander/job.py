"""`expand`: everything around the engine. Opens the run, chooses the endpoint, handles signals, writes the results."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import uvloop
from rich.console import Console

from expander.consoles import printable
from expander.display import cost, duration, fed_line, summary, watch
from expander.endpoint import Endpoint
from expander.engine import Engine, Stop, StopReason
from expander.errors import UsageError
from expander.judging import Judge, Reader
from expander.loop_lag import LoopLag
from expander.post import MOST_NAMED, Post, Unreadable
from expander.results import REJECTED, funnel, write_results
from expander.rows import Maker, Row, RowMaker, condition, selected_posts
from expander.service import Service, ServiceSettings, feeding, serving
from expander.settings import (
    EndpointSettings,
    InputSettings,
    OfflineKnobs,
    RuleSettings,
    SamplingSettings,
    StructuredSettings,
    VllmSettings,
    WorkSettings,
    run_folder,
)
from expander.sources.length import count_lines
from expander.store import Store, read_only
from expander.stored_run import rules_text, stored_run, template_text
from expander.tokens import TYPICAL_REPLY, estimate_tokens
from expander.vllm_server.supervise import LOG
from filters.rules import RuleSet
from prompts import Template, load

if TYPE_CHECKING:
    from expander.structured.constraint import Constraint

_OFFLINE_SEED = 0
READ_AHEAD_FROM = 30_000
"""Rows of a run, from which on another process reads its input: to start one takes as long as to pass over so many."""


class Exit(IntEnum):
    """The command line's exit codes."""

    COMPLETE = 0
    BUG = 1
    USAGE = 2
    ROWS_FAILED = 3
    PROVIDER = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One `expand` command."""

    posts: Path | None
    template: str
    out: Path | None
    inputs: InputSettings
    endpoint: EndpointSettings
    sampling: SamplingSettings
    work: WorkSettings
    rules: RuleSettings
    offline: OfflineKnobs
    vllm: VllmSettings = field(default_factory=VllmSettings)
    structured: StructuredSettings = field(default_factory=StructuredSettings)
    constraint: Constraint | None = None
    """What `structured` came to at the endpoint: known once it has been asked (`constrained`)."""

    @property
    def where(self) -> ServiceSettings:
        return ServiceSettings(endpoint=self.endpoint, vllm=self.vllm, offline=self.offline)

    @property
    def is_offline(self) -> bool:
        return self.where.is_offline

    @property
    def model(self) -> str:
        return self.where.model

    @property
    def folder(self) -> Path:
        return run_folder(self.out, self.posts, self.template, self.model)

    def loaded_template(self) -> Template:
        return load(self.template)

    def settled_sampling(self) -> SamplingSettings:
        """The offline endpoint gets a seed in any case, so that its output can be had again."""
        if self.is_offline and self.sampling.request_seed is None:
            return replace(self.sampling, request_seed=_OFFLINE_SEED)
        return self.sampling

    def rule_set(self) -> RuleSet:
        return self.rules.rule_set()

    def maker(self) -> RowMaker:
        return RowMaker(
            self.loaded_template(), self.model, self.settled_sampling(), self.endpoint, self.inputs, self.constraint
        )

    def selected(self, *, ahead: bool = False) -> Generator[Post | Unreadable]:
        return selected_posts(self.posts, self.inputs, self.loaded_template(), ahead=ahead)

    def check(self) -> None:
        """Raises UsageError for an option that would only be read once the run is under way."""
        self.where.check()

    def settings(self) -> dict[str, object]:
        """What must not change within a run.

        Left out, because they do not change what a reply is: the base URL (the same model may move), the key, headers,
        the input file (rows are known by content), --limit, --samples and --count (they only add rows), and everything
        about work and prices.
        """
        template, inputs = self.loaded_template(), self.inputs
        return {
            **condition(template, self.model, self.settled_sampling(), self.endpoint),
            **({"constrained": self.constraint.described()} if self.constraint else {}),
            "template_name": template.name,
            "format": asdict(template.format),
            "rules": self.rule_set().fingerprint(),
            "cleaning": not inputs.no_clean,
            "redaction": not inputs.no_redact,
            "seed": inputs.seed,
            "sample": inputs.sample,
            "sample_first": inputs.sample_first if inputs.sample is not None else None,
            "shard": inputs.shard,
        }

    def provenance(self) -> dict[str, object]:
        """What every dialogue says of where it comes from."""
        template = self.loaded_template()
        return {
            "generator": f"dialogue-expander {program_version()}",
            "endpoint": self.where.place,
            "model": self.model,
            "template": template.name,
            "template_source": template.source,
            "template_sha256": template.sha256,
            "sampling": {name: value for name, value in asdict(self.settled_sampling()).items() if name != "samples"},
            "constrained": self.constraint.provenance() if self.constraint else False,
        }


def expand(job: Job, *, console: Console, status: Console) -> Exit:
    """Run the job to its end, or to a reason to stop. Results go to `console`, progress and remarks to `status`."""
    collect_less()
    return uvloop.run(_expand(job, console, status))


def collect_less() -> None:
    """Let the garbage collector leave alone what lives as long as the run, and look less often at what does not.

    A request makes hundreds of objects and few cycles; by default the collector takes 7 % of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


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
        fraction = _Fraction(_chained(first, posts), job.posts)
        counting = asyncio.create_task(fraction.count())
        lag = LoopLag()
        listening = asyncio.create_task(lag.listen())
        watching = asyncio.create_task(
            watch(status, engine.progress, job.work, lambda: engine.tokens_spent, partial(fraction.total_rows, engine))
        )
        try:
            with signals([engine], status):
                await engine.run(fraction.posts())
        finally:
            posts.close()
            for task in (watching, counting, listening):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    finish(job.folder)
    end = _report(job, engine, console, status)
    if (late := lag.told()) is not None:
        say(late)
    if feeder is not None:
        say(fed_line(feeder))
    if engine.source_error is not None:
        raise engine.source_error
    return end


class EngineMaker(Protocol):
    """`Engine`, or what stands in for it where several runs go on at once."""

    def __call__(
        self,
        *,
        store: Store,
        endpoint: Endpoint,
        maker: Maker,
        judge: Reader,
        work: WorkSettings,
        request_seed: int | None,
        spent: tuple[int, int],
    ) -> Engine: ...


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Store]:
    """The job's run, locked, with settings that may go on with it. On leaving, everything queued is stored.

    Raises StoreError as `Store` does, and UsageError for settings that differ: before a model is loaded for them.
    """
    settings = job.settings()
    job.where.look_for_server()
    async with Store(job.folder) as store:
        if job.posts is not None:
            store.forget_missing(str(job.posts))
        if (before := store.meta("settings")) is not None:
            # The constraint is known once the endpoint has been asked; until then it counts as the one of before.
            unknown = {name: value for name, value in orjson.loads(before).items() if name == "constrained"}
            store.settle_settings({**settings, **unknown})
        yield store


async def constrained(job: Job, service: Service, say: Callable[[str], None]) -> Job:
    """The job with the constraint that its endpoint takes. Raises UsageError where it takes none and none is no choice."""
    if job.structured.structured == "off":
        return job
    from expander.structured.settling import settle

    found = await settle(
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


@asynccontextmanager
async def session(
    job: Job,
    store: Store,
    service: Service,
    make: EngineMaker = Engine,
    *,
    told: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Engine]:
    """The job's opened run, ready to work: its settings held against those it began with, its endpoint connected.

    Raises UsageError for settings that differ.
    """
    template = job.loaded_template()
    store.settle_settings(job.settings())
    store.set_meta("template", template_text(template))
    store.set_meta("provenance", orjson.dumps(job.provenance()).decode())
    store.set_meta("rules", rules_text(job.rule_set()))
    async with service.connected(
        model=job.model,
        endpoint=job.endpoint,
        sampling=job.sampling,
        system=template.system,
        connections=service.most_in_flight(job.work),
        constrained=job.constraint.body() if job.constraint else None,
        told=told,
    ) as endpoint:
        yield make(
            store=store,
            endpoint=endpoint,
            maker=job.maker(),
            judge=Judge(template, job.rule_set()),
            work=job.work,
            request_seed=job.settled_sampling().request_seed,
            spent=store.tokens(),
        )


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


def _chained(first: Post | Unreadable | None, rest: Iterator[Post | Unreadable]) -> Iterator[Post | Unreadable]:
    if first is not None:
        yield first
    yield from rest


def _report(job: Job, engine: Engine, console: Console, status: Console) -> Exit:
    connection = read_only(job.folder)
    try:
        counts = funnel(connection)
    finally:
        connection.close()
    progress, stopped = engine.progress, engine.stopped
    if progress.done_before:
        status.print(f"{progress.done_before:,} rows were done before this command.")
    console.print(summary(job.folder, counts, job.work))
    if stopped is not None:
        return say_stopped(job, stopped, status)
    if counts.failed:
        status.print("Some rows got no reply; they are asked for again when the run goes on.", style="bold")
    if counts.missing.get("unreadable"):
        status.print(f"Some input rows are unreadable: {job.folder / REJECTED} says where and why.", style="bold")
    if counts.failed or counts.missing.get("unreadable"):
        return Exit.ROWS_FAILED
    return Exit.COMPLETE


def say_stopped(job: Job, stopped: StopReason, status: Console) -> Exit:
    """Why the run stopped, in words; the exit code that goes with it."""
    status.print(f"Stopped: {stopped.text} {stopped.hint}".rstrip(), style="bold", soft_wrap=True)
    if stopped.text.startswith("auth:"):
        variable = job.endpoint.api_key_env
        status.print(f"The key is read from ${variable}, which is {'set' if os.environ.get(variable) else 'not set'}.")
    return {Stop.PROVIDER: Exit.PROVIDER, Stop.BUDGET: Exit.PROVIDER, Stop.INTERRUPTED: Exit.INTERRUPTED}[stopped.kind]


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


def stored_judge(folder: Path) -> Judge:
    """The rules a stored run was judged by, with the template as it was then."""
    run = stored_run(folder)
    return Judge(run.template, run.rules)


def program_version() -> str:
    try:
        return version("dialogue-expander")
    except PackageNotFoundError:
        return "uninstalled"
