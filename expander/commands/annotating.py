"""`annotate`: a corpus, a question, and the job they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from analysis.corpora import BrokenEntry
from expander.annotation.job import AnnotationJob, annotate, dry_run
from expander.annotation.judge import Comparison, Scores
from expander.annotation.task import Task
from expander.annotation.topics import Topics
from expander.annotation.utterances import Utterances
from expander.commands.annotation_options import AnnotationOptions, AnnotationSampling, AnnotationWork, TaskName
from expander.commands.reading import entries, kind_of
from expander.errors import UsageError
from expander.post import Place, Unreadable
from expander.settings import EndpointSettings, OfflineKnobs, VllmSettings
from filters.dialogue import CorpusEntry
from prompts.annotation import codebook, rubric


def annotate_corpus(
    corpus: Path,
    name: TaskName,
    options: AnnotationOptions,
    *,
    out: Path | None,
    sends: bool,
    endpoint: EndpointSettings,
    sampling: AnnotationSampling,
    work: AnnotationWork,
    offline: OfflineKnobs,
    vllm: VllmSettings,
    console: Console,
    status: Console,
) -> int:
    """Run the job, or say what it would do, and give the exit code."""
    task = _task(name, options)
    _fits(task, options)
    job = AnnotationJob(
        task=task,
        corpus=corpus,
        entries=_reading(corpus, options.kind),
        against=options.against,
        against_entries=_reading(options.against, None) if options.against is not None else None,
        out=out,
        limit=options.limit,
        seed=options.seed,
        redacts=not options.no_redact,
        endpoint=endpoint,
        sampling=sampling.settings(),
        work=work,
        offline=offline,
        vllm=vllm,
    )
    _keep_corpora(job)
    if not sends:
        return dry_run(job, console=console)
    return annotate(job, console=console, status=status)


def _task(name: TaskName, options: AnnotationOptions) -> Task:
    if options.codebook is not None and name != "topics":
        raise UsageError(f"--codebook is for --task topics; the labels of {name} are given. Leave it out.")
    if name == "topics":
        return Topics(codebook(options.codebook))
    if name == "judge":
        chosen = rubric(options.rubric)
        return Scores(chosen) if chosen.kind == "scores" else Comparison(chosen)
    return Utterances(name)


def _fits(task: Task, options: AnnotationOptions) -> None:
    if isinstance(task, Comparison) and options.against is None:
        raise UsageError(f"--rubric {task.rubric.name} compares two corpora: name the other one with --against.")
    if not isinstance(task, Comparison) and options.against is not None:
        raise UsageError("--against is for a rubric that compares, such as --task judge --rubric pairwise.")


def _reading(corpus: Path, kind: str | None) -> Callable[[], Iterator[CorpusEntry | Unreadable]]:
    known = kind or kind_of(corpus)

    def read() -> Iterator[CorpusEntry | Unreadable]:
        for number, entry in enumerate(entries(corpus, known), 1):
            if isinstance(entry, BrokenEntry):
                yield Unreadable(Place(str(corpus), number), f"{entry.place}: {entry.reason}")
            else:
                yield entry

    return read


def _keep_corpora(job: AnnotationJob) -> None:
    """Results must not be written among what is read: the next reading would find them."""
    for corpus in filter(None, (job.corpus, job.against)):
        source = corpus.resolve()
        if job.folder.resolve() in {source, source.parent}:
            raise UsageError(f"{job.folder}: the corpus is there. Give another folder with --out.")
