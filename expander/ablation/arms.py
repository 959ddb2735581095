"""The arms of an ablation: a template and a model each, with sampling of their own where a file says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from expander.errors import UsageError
from expander.job import Job
from expander.rows import condition
from expander.settings import EndpointSettings, SamplingSettings, VllmSettings, WorkSettings
from prompts import published
from prompts.small_file import read_small
from prompts.yaml_errors import FILE_ERRORS

ARMS = "arms"
"""The folder of the arms' runs, within the ablation's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One condition. Its run is `job`, an ordinary one."""

    name: str
    job: Job


class _ArmEntry(BaseModel):
    """An arm in a file; what it leaves out is as on the command line."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    template: str
    name: str | None = None
    model: str | None = None
    base_url: str | tuple[str, ...] | None = None
    api_key_env: str | None = None
    extra_body: dict[str, Any] | None = None
    structured: Literal["off", "regex", "grammar", "json"] | None = None
    structured_shortest: Annotated[int | None, Field(gt=0)] = None
    structured_longest: Annotated[int | None, Field(ge=0)] = None
    structured_most_turns: Annotated[int | None, Field(gt=0)] = None
    structured_analysis: Annotated[int | None, Field(ge=0)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    max_tokens: Annotated[int | None, Field(gt=0)] = None
    stop: tuple[str, ...] | None = None
    request_seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    price_in: Annotated[float | None, Field(ge=0)] = None
    price_out: Annotated[float | None, Field(ge=0)] = None


class _ArmFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    arms: Annotated[tuple[_ArmEntry, ...], Field(min_length=1)]


_OF_ENDPOINT = ("base_url", "model", "api_key_env")
_OF_SAMPLING = ("temperature", "top_p", "max_tokens", "stop", "request_seed")
_OF_WORK = ("price_in", "price_out")
_OF_CONSTRAINT = (
    "structured",
    "structured_shortest",
    "structured_longest",
    "structured_most_turns",
    "structured_analysis",
)


def arms_of(
    common: Job, templates: Sequence[str], models: Sequence[str], config: Path | None, *, folder: Path
) -> list[Arm]:
    """Every template with every model, in order, then those of the file; `common` holds what they share.

    An arm that repeats an earlier one's condition gets the next request seed, where one is sent: the same requests again
    would show nothing. Raises UsageError for fewer than two arms, two of one name, and a file that cannot be used.
    """
    if len(models) > 1 and common.is_offline:
        raise UsageError("Several --model need --base-url: the embedded offline endpoint is one model.")
    each_model: Sequence[str | None] = models or [None]
    given = [
        (_entry(template, model if len(models) > 1 else None), replace(common.endpoint, model=model))
        for template in templates
        for model in each_model
    ]
    given += [(entry, common.endpoint) for entry in (_read(config) if config is not None else ())]
    if len(given) < 2:  # noqa: PLR2004 - one arm has nothing to be held against
        raise UsageError("An ablation needs two arms: give --arm twice, or an --arm and several --model.")
    names = [entry.name or Path(entry.template).stem for entry, _ in given]
    folders = [re.sub(r"[^\w.-]+", "_", name).strip(".") or "_" for name in names]
    for place, (name, where) in enumerate(zip(names, folders, strict=True)):
        if where.casefold() in {other.casefold() for other in folders[:place]}:
            raise UsageError(f"Two arms are called {name!r}. Name them: --arm first={name} --arm second={name}.")
    arms: list[Arm] = []
    for (entry, endpoint), name, where in zip(given, names, folders, strict=True):
        job = _job(common, entry, endpoint, name)
        arms.append(Arm(name=name, job=replace(_seeded_apart(job, arms), out=folder / ARMS / where)))
    return arms


def _entry(given: str, model: str | None) -> _ArmEntry:
    """`smile`, `mine.yaml` or `NAME=TEMPLATE`."""
    name, equals, template = given.partition("=")
    if not equals or given in published() or Path(given).is_file():
        name, template = "", given
    if not template or (template != given and not name.strip()):
        raise UsageError(f"--arm {given}: give a template, or NAME=TEMPLATE.")
    if model is not None:
        name = f"{name or Path(template).stem}-{model.rsplit('/', 1)[-1]}"
    return _ArmEntry(template=template, name=name.strip() or None)


def _read(path: Path) -> tuple[_ArmEntry, ...]:
    try:
        document = yaml.safe_load(read_small(path))
    except FILE_ERRORS as error:
        raise UsageError(f"--arm-config {path}: cannot be read. Give a YAML file in UTF-8.") from error
    try:
        return _ArmFile.model_validate(document).arms
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError(f"--arm-config {path}: {problems}") from error


def _job(common: Job, entry: _ArmEntry, endpoint: EndpointSettings, name: str) -> Job:
    def own(names: Sequence[str]) -> dict[str, Any]:
        return {each: value for each in names if (value := getattr(entry, each)) is not None}

    try:
        changed = own(_OF_ENDPOINT)
        if entry.extra_body is not None:
            changed["extra_body"] = orjson.dumps(entry.extra_body).decode()
        if isinstance(url := changed.get("base_url"), str):
            changed["base_url"] = (url,)
        vllm = VllmSettings() if "base_url" in changed else common.vllm  # an arm may be served elsewhere
        return replace(
            common,
            vllm=vllm,
            structured=replace(common.structured, **own(_OF_CONSTRAINT)),
            template=entry.template,
            endpoint=replace(endpoint, **changed),
            sampling=replace(common.sampling, **own(_OF_SAMPLING)),
            work=replace(common.work, **own(_OF_WORK)),
        )
    except UsageError as error:
        raise UsageError(f"Arm {name}: {error}") from error


def _seeded_apart(job: Job, before: Sequence[Arm]) -> Job:
    """The job with a request seed that no earlier arm of the same condition has; as it is where none is sent."""
    sampling = job.settled_sampling()
    while sampling.request_seed is not None and any(_same(replace(job, sampling=sampling), arm.job) for arm in before):
        sampling = replace(sampling, request_seed=sampling.request_seed + 1)
    return replace(job, sampling=sampling)


def _same(one: Job, other: Job) -> bool:
    return _condition(one) == _condition(other)


def _condition(job: Job) -> dict[str, object]:
    forced = asdict(job.structured) if job.structured.structured != "off" else None
    return {
        **condition(job.loaded_template(), job.model, job.settled_sampling(), job.endpoint),
        "structured": forced,
    }


def shared_work(work: WorkSettings, arms: int) -> list[WorkSettings]:
    """Equal parts of concurrency and quotas, the first arms with one request more where it does not divide.

    Budgets are left out: they bound all arms together (`budget.Budget`). Raises UsageError where an arm would get nothing.
    """
    each, rest = divmod(work.in_flight, arms)
    if not each:
        raise UsageError(
            f"--concurrency {work.in_flight} is too low for {arms} arms, which go on at once: give at least {arms}."
        )
    return [
        replace(
            work,
            concurrency=each + (place < rest),
            rpm=work.rpm / arms if work.rpm else None,
            tpm=work.tpm / arms if work.tpm else None,
            max_total_tokens=None,
            max_cost=None,
        )
        for place in range(arms)
    ]


SMILE_POSTS = 500
"""SMILE §4.1: questions drawn, one random answer each, from the first `sampling.FIRST_QAS`."""
SMILE_TEMPERATURE = SMILE_TOP_P = 1.0
"""SMILE §4.1, hyperparameters."""
SMILE_REGENERATIONS = 50
"""SMILE §4.1 asks anew until a reply passes. A template of which one reply in ten passes is then without a dialogue for one
post in two hundred (0.9 ** 51); one that never passes costs no fortune."""


def smile_protocol(
    sampling: SamplingSettings, work: WorkSettings, sample: int | None
) -> tuple[SamplingSettings, WorkSettings, int]:
    """What SMILE §4.1 prescribes; a smaller sample and another bound on regenerations may be asked for.

    Raises UsageError for a temperature or top_p that contradicts it.
    """
    for name, value, published_value in (
        ("temperature", sampling.temperature, SMILE_TEMPERATURE),
        ("top-p", sampling.top_p, SMILE_TOP_P),
    ):
        if value != published_value:
            raise UsageError(f"--protocol smile has {name} {published_value:g}: leave --{name} {value:g} out.")
    regenerations = work.max_regenerations or SMILE_REGENERATIONS
    return sampling, replace(work, max_regenerations=regenerations), sample or SMILE_POSTS
