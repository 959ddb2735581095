"""`annotate`: everything around the engine. Opens the run, starts the endpoint, handles signals, writes the results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import orjson
from rich.console import Console

from expander import event_loop
from expander.annotation.judge import Comparison, Scores
from expander.annotation.pairing import pairs
from expander.annotation.subjects import dialogue_subject, pair_subject
from expander.annotation.summary import summary
from expander.annotation.task import AnnotationMaker, AnnotationReader, Task
from expander.annotation.writing import ANNOTATIONS, Asked, write_annotations
from expander.consoles import printable
from expander.display import cost, duration, fed_line
from expander.engine import Engine
from expander.errors import UsageError
from expander.exits import Exit
from expander.post import MOST_NAMED, Place, Post, Unreadable
from expander.results import funnel
from expander.rows import Row
from expander.service import ServiceSettings, feeding, serving
from expander.session import chained, collect_less, say_stopped, shown
from expander.settings import (
    EndpointSettings,
    OfflineKnobs,
    SamplingSettings,
    VllmSettings,
    WorkSettings,
    run_folder,
)
from expander.store import Kind, Store, read_only
from expander.tokens import estimate_tokens
from expander.version import program_version
from expander.vllm_server.supervise import LOG
from filters.dialogue import CorpusEntry

_OFFLINE_SEED = 0
_TYPICAL_ANSWER = 60  # tokens: ten labels, or a JSON object of four criteria
_RESULT_FILES = frozenset({"dialogues.jsonl", "corpus.jsonl"})

Entries = Callable[[], Iterator[CorpusEntry | Unreadable]]
"""A corpus, to be read as often as needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationJob:
    """One `annotate` command."""

    task: Task
    corpus: Path
    entries: Entries
    against: Path | None
    against_entries: Entries | None
    out: Path | None
    limit: int | None
    seed: int
    redacts: bool
    endpoint: EndpointSettings
    sampling: SamplingSettings
    work: WorkSettings
    offline: OfflineKnobs
    vllm: VllmSettings = field(default_factory=VllmSettings)

    @property
    def where(self) -> ServiceSettings:
        return ServiceSettings(endpoint=self.endpoint, vllm=self.vllm, offline=self.offline)

    @property
    def model(self) -> str:
        return self.where.model

    @property
    def folder(self) -> Path:
        name = self.task.name
        if isinstance(self.task, Scores | Comparison):
            name += f"-{self.task.rubric.name}"
        if self.against is not None:
            name += f"-{_stem(self.against)}"
        return run_folder(self.out, Path(_stem(self.corpus)), name, self.model)

    def settled_sampling(self) -> SamplingSettings:
        """The offline endpoint gets a seed in any case, as in `expand`."""
        if self.where.is_offline and self.sampling.request_seed is None:
            return replace(self.sampling, request_seed=_OFFLINE_SEED)
        return self.sampling

    def settings(self) -> dict[str, object]:
        """What must not change within a run, and makes a row what it is. Left out as in `expand`: where the model is
        served, the corpus's file, --limit, and everything about work and prices.
        """
        sampling = asdict(self.settled_sampling())
        del sampling["samples"]
        paired = {"seed": self.seed} if self.against is not None else {}
        return {
            **self.task.fingerprint(),
            **paired,
            "model": self.model,
            **sampling,
            "extra_body": self.endpoint.body(),
            "redaction": self.redacts,
        }

    def maker(self) -> AnnotationMaker:
        return AnnotationMaker(self.task, self.settings())

    def made_by(self) -> dict[str, object]:
        """What every annotation says of where it comes from."""
        fingerprint = self.task.fingerprint()
        return {
            "generator": f"dialogue-expander {program_version()}",
            "task": self.task.name,
            "endpoint": self.where.place,
            "model": self.model,
            "prompt_sha256": fingerprint["prompt"],
            **({"corpus": str(self.corpus), "against": str(self.against)} if self.against is not None else {}),
        }

    def asked(self) -> Iterator[Asked | Unreadable]:
        """What there is to ask about, as a stream: each dialogue, or each pair; unreadable entries in their places."""
        if self.against_entries is not None:
            yield from self._pairs(self.against_entries)
            return
        taken = 0
        for number, entry in enumerate(self.entries(), 1):
            if isinstance(entry, Unreadable):
                yield entry
                continue
            if self.limit is not None and taken >= self.limit:
                return
            taken += 1
            yield Asked(dialogue_subject(entry, Place(str(self.corpus), number), redacts=self.redacts), entry)

    def _pairs(self, against: Entries) -> Iterator[Asked | Unreadable]:
        sides: list[list[CorpusEntry]] = []
        for entries in (self.entries, against):
            side: list[CorpusEntry] = []
            for entry in entries():
                if isinstance(entry, Unreadable):
                    yield entry
                else:
                    side.append(entry)
            sides.append(side)
        for number, pair in enumerate(pairs(*sides, seed=self.seed)[: self.limit], 1):
            place = Place(str(self.corpus), number)
            yield Asked(pair_subject(pair.one, pair.other, place, paired_by=pair.by, redacts=self.redacts), pair.one)

    def subjects(self) -> Iterator[Post | Unreadable]:
        for one in self.asked():
            yield one if isinstance(one, Unreadable) else one.subject

    def check(self) -> None:
        """Raises UsageError for an option that would only be read once the run is under way."""
        self.where.check()


def annotate(job: AnnotationJob, *, console: Console, status: Console) -> Exit:
    """Run the job to its end, or to a reason to stop. Results go to `console`, progress and remarks to `status`."""
    collect_less()
    return event_loop.run(_annotate(job, console, status))


async def _annotate(job: AnnotationJob, console: Console, status: Console) -> Exit:
    job.check()
    subjects = job.subjects()
    first = next(subjects, None)  # a corpus that cannot be read is found before a folder is made
    say = partial(status.print, markup=False, highlight=False, soft_wrap=True)
    async with (
        _opened(job) as store,
        serving(job.where, log=job.folder / LOG, told=say) as service,
        service.connected(
            model=job.model,
            endpoint=job.endpoint,
            sampling=job.sampling,
            system=None,
            connections=service.most_in_flight(job.work),
            told=say,
        ) as endpoint,
    ):
        engine = Engine(
            store=store,
            endpoint=endpoint,
            maker=job.maker(),
            judge=AnnotationReader(job.task),
            work=job.work,
            request_seed=job.settled_sampling().request_seed,
            spent=store.tokens(),
        )
        async with (
            shown(engine, job.work, status, partial(_rows, engine)),
            feeding(service, job.work, engine) as feeder,
        ):
            await engine.run(chained(first, subjects))
    if engine.source_error is None:
        write_annotations(job.folder, job.task, job.maker(), job.asked, job.made_by(), corpus=not _judges(job.task))
    end = _report(job, engine, console, status)
    if feeder is not None:
        say(fed_line(feeder))
    if engine.source_error is not None:
        raise engine.source_error
    return end


def _judges(task: Task) -> bool:
    """A judge's answers are no labels of a corpus."""
    return isinstance(task, Scores | Comparison)


def _rows(engine: Engine) -> int | None:
    return engine.progress.rows if engine.progress.input_ended else None


@asynccontextmanager
async def _opened(job: AnnotationJob) -> AsyncIterator[Store]:
    """The job's run, locked, with settings that may go on with it: before a model is loaded for them."""
    job.where.look_for_server()
    async with Store(job.folder) as store:
        goes_on = store.meta("settings") is not None
        store.settle_settings(job.settings(), Kind.ANNOTATION)
        for path in filter(None, (job.corpus, job.against)):
            if goes_on:
                store.forget_missing(str(path))
        store.set_meta("provenance", orjson.dumps(job.made_by()).decode())
        yield store


def _report(job: AnnotationJob, engine: Engine, console: Console, status: Console) -> Exit:
    with closing(read_only(job.folder, Kind.ANNOTATION)) as store:
        counts = funnel(store)
    if engine.progress.done_before:
        status.print(f"{engine.progress.done_before:,} requests were done before this command.")
    console.print(summary(job.folder, counts, job.work, corpus=not _judges(job.task)))
    if (stopped := engine.stopped) is not None:
        return say_stopped(job.endpoint, stopped, status)
    if counts.failed:
        status.print("Some requests got no reply; they are sent again when the run goes on.", style="bold")
    if counts.missing.get("unreadable"):
        status.print(f"Some entries are unreadable: {job.folder / ANNOTATIONS} says where and why.", style="bold")
    return Exit.ROWS_FAILED if counts.failed or counts.missing.get("unreadable") else Exit.COMPLETE


def dry_run(job: AnnotationJob, *, console: Console) -> Exit:
    """Print the first prompt, counts and estimates; send nothing and write nothing."""
    maker = job.maker()
    first: Row | None = None
    subjects = rows = unreadable = prompt_tokens = 0
    for position, subject in enumerate(job.subjects()):
        if isinstance(subject, Unreadable):
            unreadable += 1
            if unreadable <= MOST_NAMED:
                console.print(printable(f"{subject.place}: {subject.reason}"), markup=False, highlight=False)
            continue
        subjects += 1
        for row in maker.rows(position, subject):
            if isinstance(row, Row):
                first = first or row
                rows += 1
                prompt_tokens += estimate_tokens(row.prompt)
    if unreadable > MOST_NAMED:
        console.print(f"... and {unreadable - MOST_NAMED:,} more rows that cannot be read.")
    if first is None:
        raise UsageError("There is nothing to ask: no dialogue could be read, or none has an utterance to label.")
    console.rule("first prompt")
    console.print(printable(first.prompt), markup=False, highlight=False, soft_wrap=True)
    console.rule("estimate")
    tokens = prompt_tokens, rows * min(_TYPICAL_ANSWER, job.sampling.max_tokens or _TYPICAL_ANSWER)
    what = "pairs" if job.against is not None else "dialogues"
    console.print(f"{rows:,} requests for {subjects:,} {what}, {unreadable:,} entries unreadable. Nothing was sent.")
    console.print(f"About {tokens[0]:,} tokens in prompts and {tokens[1]:,} in answers, without those asked anew.")
    console.print(f"Cost: {cost(job.work, tokens)}.")
    if job.work.rpm:
        console.print(f"At {job.work.rpm:g} requests a minute: at least {duration(rows / job.work.rpm * 60)}.")
    console.print(f"Run folder: {job.folder}", soft_wrap=True)
    return Exit.COMPLETE


def _stem(path: Path) -> str:
    """A corpus's name in a folder's: that of the run whose file it is, or its own without endings."""
    path = path.resolve()
    return (path.parent if path.name in _RESULT_FILES else path).name.split(".")[0]
