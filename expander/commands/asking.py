"""`annotate`: what an endpoint says of finished dialogues. A signature and one call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from expander.commands.annotation_options import AnnotationOptions, AnnotationSampling, AnnotationWork, TaskName
from expander.consoles import console
from expander.settings import EndpointSettings, OfflineKnobs, VllmSettings

_JOB = Group("Job", sort_key=0)


def annotate(
    corpus: Path,
    /,
    *,
    task: Annotated[TaskName, Parameter(group=_JOB)],
    out: Annotated[Path | None, Parameter(group=_JOB)] = None,
    dry_run: Annotated[bool, Parameter(group=_JOB, negative="")] = False,
    options: AnnotationOptions = AnnotationOptions(),  # noqa: B008 - frozen
    endpoint: EndpointSettings = EndpointSettings(),  # noqa: B008
    sampling: AnnotationSampling = AnnotationSampling(),  # noqa: B008
    work: AnnotationWork = AnnotationWork(),  # noqa: B008
    offline: OfflineKnobs = OfflineKnobs(),  # noqa: B008
    vllm: VllmSettings = VllmSettings(),  # noqa: B008
) -> int:
    """Ask an endpoint about each dialogue of a corpus. The same command again goes on where the last one stopped.

    Exit codes as of `expand`. docs/annotation.md says what is asked and what comes of it.

    Example: `run.py annotate outputs/RUN --task topics --base-url https://api.openai.com/v1 --model gpt-4o-mini`

    Parameters
    ----------
    corpus: Path
        A run's folder, or a corpus of any kind that `audit` reads.
    task: TaskName
        topics (SMILE 5.3), strategy or emotion (a label an utterance, as in Psy-Insight), or judge (by a rubric).
    out: Path
        The run's folder [default: outputs/CORPUS-TASK-MODEL].
    dry_run: bool
        Print the first prompt, counts and estimates; send nothing.
    """
    from expander.commands.annotating import annotate_corpus

    return annotate_corpus(
        corpus,
        task,
        options,
        out=out,
        sends=not dry_run,
        endpoint=endpoint,
        sampling=sampling,
        work=work,
        offline=offline,
        vllm=vllm,
        console=console(),
        status=console(stderr=True),
    )
