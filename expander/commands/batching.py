"""`batch`: a run by way of request files, for `vllm run-batch` and Batch APIs. Signatures, and one call each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Group, Parameter

from expander.bounds import FLAG, SECONDS
from expander.commands.batch_options import RequestFileOptions, ServiceOptions
from expander.consoles import console
from expander.settings import (
    EndpointSettings,
    InputSettings,
    OfflineKnobs,
    RuleSettings,
    SamplingSettings,
    StructuredSettings,
    WorkSettings,
)

if TYPE_CHECKING:
    from expander.batch.sending import Reach

batch_app = App(name="batch", help="Run by way of request files: OpenAI batch JSON Lines out, results in.")

_JOB = Group("Job", sort_key=0)


@batch_app.command
def export(
    posts: Path | None = None,
    /,
    *,
    template: Annotated[str, Parameter(group=_JOB)] = "smile",
    out: Annotated[Path | None, Parameter(group=_JOB)] = None,
    files: RequestFileOptions = RequestFileOptions(),  # noqa: B008 - frozen
    inputs: InputSettings = InputSettings(),  # noqa: B008
    endpoint: EndpointSettings = EndpointSettings(),  # noqa: B008
    sampling: SamplingSettings = SamplingSettings(),  # noqa: B008
    work: WorkSettings = WorkSettings(),  # noqa: B008
    rules: RuleSettings = RuleSettings(),  # noqa: B008
    offline: OfflineKnobs = OfflineKnobs(),  # noqa: B008
    structured: StructuredSettings = StructuredSettings(),  # noqa: B008
) -> int:
    """Write the requests of every row without an outcome to files, instead of sending them.

    The options are those of `expand`, and so are the requests. The same command again asks for what still has no outcome.

    Example: `run.py batch export posts.json --out outputs/RUN --model my-model -o requests.jsonl`

    Exit codes: 0 written, 2 wrong usage or an unusable file or folder.

    Parameters
    ----------
    posts: Path
        PsyQA JSON, JSON Lines, CSV, TSV (these also .gz, .zst, .xz) or Parquet.
    template: str
        A published template (`prompt list`), or your own YAML file.
    out: Path
        The run's folder [default: outputs/POSTS-TEMPLATE-MODEL].
    """
    from expander.batch.exporting import BatchJob
    from expander.batch.exporting import export as write_requests
    from expander.batch.requests import Limits

    job = BatchJob(
        posts=posts,
        template=template,
        out=out,
        inputs=inputs,
        endpoint=endpoint,
        sampling=sampling,
        work=work,
        rules=rules,
        offline=offline,
        structured=structured,
    )
    limits = Limits(rows=files.rows_per_file, size=int(files.megabytes_per_file * 1_000_000))
    return write_requests(job, files.requests, limits, console=console(), status=console(stderr=True))


@batch_app.command(name="import")
def import_results(run: Path, results: Annotated[list[Path], Parameter(negative="")], /) -> int:
    """Take results into the run: each reply is stored, then judged, as if the run had asked itself.

    A file may be imported any number of times. Exit codes: 0 every row has its outcome, 2 wrong usage or an unusable file
    or folder, 3 rows without an outcome, or lines that belong to none.

    Example: `run.py batch import outputs/RUN results.jsonl`

    Parameters
    ----------
    run: Path
        The run's folder.
    results: list[Path]
        Output and error files of a Batch API, or what `vllm run-batch` wrote.
    """
    from expander.batch.importing import import_results as take_results

    return take_results(run, results, console=console(), status=console(stderr=True))


@batch_app.command
def submit(
    run: Path,
    /,
    *,
    completion_window: str = "24h",
    service: ServiceOptions = ServiceOptions(),  # noqa: B008
) -> int:
    """Upload the exported request files and make a batch of each.

    Exit codes: 0 submitted, 2 wrong usage or an unusable file or folder, 4 stopped by the service; the same command goes on.

    Example: `run.py batch submit outputs/RUN --base-url https://api.openai.com/v1`

    Parameters
    ----------
    run: Path
        The run's folder.
    completion_window: str
        How long the service may take; OpenAI's knows 24h.
    """
    from expander.batch.sending import submit as submit_files

    return submit_files(run, _reach(service), completion_window, console=console(), status=console(stderr=True))


@batch_app.command
def poll(
    run: Path,
    /,
    *,
    wait: Annotated[bool, FLAG] = False,
    every: Annotated[float, SECONDS] = 60.0,
    service: ServiceOptions = ServiceOptions(),  # noqa: B008
) -> int:
    """Ask how the run's batches stand. Exit codes: 0, 2 wrong usage or an unusable folder, 4 stopped by the service.

    Parameters
    ----------
    run: Path
        The run's folder.
    wait: bool
        Ask again until every batch has ended.
    every: float
        Seconds between two questions.
    """
    from expander.batch.sending import poll as poll_batches

    return poll_batches(run, _reach(service), every if wait else None, console=console(), status=console(stderr=True))


@batch_app.command
def fetch(
    run: Path,
    /,
    *,
    give_up: Annotated[bool, FLAG] = False,
    service: ServiceOptions = ServiceOptions(),  # noqa: B008
) -> int:
    """Download the results of batches that have ended, and import them.

    Exit codes as of `batch import`, and 4 stopped by the service; the same command goes on.

    Parameters
    ----------
    run: Path
        The run's folder.
    give_up: bool
        Batches and files that the service knows no more are lost: let the next export ask for their rows.
    """
    from expander.batch.sending import fetch as fetch_batches

    return fetch_batches(run, _reach(service), gives_up=give_up, console=console(), status=console(stderr=True))


def _reach(service: ServiceOptions) -> Reach:
    from expander.batch.sending import Reach

    return Reach(
        base_url=service.base_url,
        api_key_env=service.api_key_env,
        header=service.header,
        attempt_timeout=service.attempt_timeout,
        max_attempts=service.max_attempts,
        max_wait=service.max_wait,
    )
