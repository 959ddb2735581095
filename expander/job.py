"""One `expand` command in full: what is asked for, of whom, and what of it must not change within a run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from expander.post import Post, Unreadable
from expander.rows import RowMaker, condition, selected_posts
from expander.service import ServiceSettings
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
from expander.version import program_version
from filters.rules import RuleSet
from prompts import Template, load

if TYPE_CHECKING:
    from expander.structured.constraint import Constraint

_OFFLINE_SEED = 0


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
