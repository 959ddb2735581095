"""Every option that `ablate` has beside those of `expand`, declared once. The comment string below a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from expander.bounds import COUNT, FLAG, MANY, POSITIVE, SECONDS
from expander.settings import EndpointSettings


@Parameter(name="*", group=Group("Ablation", sort_key=0))
@dataclass(frozen=True, slots=True, kw_only=True)
class AblationOptions:
    """What is held against what, on which posts."""

    arm: Annotated[tuple[str, ...], MANY] = ()
    """A template, published or your own file, or NAME=TEMPLATE; may be given several times. The first is the baseline."""
    arm_config: Path | None = None
    """A YAML file of further arms, each with a template and, where they differ, a model, an endpoint and sampling of its own."""
    posts_drawn: Annotated[int | None, Parameter(name="-n"), POSITIVE] = None
    """Draw so many distinct questions, one random answer each; all posts when unset. The same as --sample."""
    protocol: Literal["smile"] | None = None
    """smile: SMILE 4.1, that is 500 posts from the first 5000, temperature and top_p 1.0, replies asked for anew until one is
    kept (50 times at most)."""
    out: Path | None = None
    """The ablation's folder [default: outputs/POSTS-ablation]. A run's folder for each arm is in arms/."""
    plan: Annotated[bool, FLAG] = False
    """Print arms, prompts, rows, estimates and what so many posts can show; send nothing and write nothing."""


@Parameter(name="*", group=Group("Page", sort_key=7))
@dataclass(frozen=True, slots=True, kw_only=True)
class AblationPage:
    """What the page at the end holds."""

    baseline: str | None = None
    """The arm that the others are held against; the first when unset."""
    human: Annotated[tuple[Path, ...], MANY] = ()
    """Sessions of people to hold the arms against, such as Psy-Insight; may be given several times."""
    embeddings: str = "tfidf"
    """tfidf (embedded, lexical), or the folder of a sentence-transformers model."""
    tokenizer: str | None = None
    """Besides words and characters: a folder that holds a Hugging Face tokenizer."""
    examples: Annotated[int, COUNT] = 30
    """How many posts to show with every arm's dialogue side by side."""
    title: str = "Which template"
    """The page's heading."""


@Parameter(name="*", group=Group("Endpoint", sort_key=2))
@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEndpoints:
    """Where requests go, and which models answer: `EndpointSettings` with several models."""

    base_url: Annotated[tuple[str, ...], MANY] = ()
    """Any OpenAI-compatible endpoint; several share the load. Without one, the embedded offline endpoint answers."""
    model: Annotated[tuple[str, ...], MANY] = ()
    """A model's name at that endpoint; may be given several times: every template is an arm with every model."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key. The key itself is never an option and never stored."""
    header: Annotated[tuple[str, ...], MANY] = ()
    """An extra request header, `Name=value`, or `Name=env:VARIABLE` for a secret one."""
    extra_body: str | None = None
    """A JSON object merged into every request's body, for parameters of one provider."""
    attempt_timeout: Annotated[float, SECONDS] = EndpointSettings().attempt_timeout
    """Seconds one request may take from sending to the last byte."""

    def __post_init__(self) -> None:
        self.first()

    def first(self) -> EndpointSettings:
        """With the first model alone. Raises UsageError as `EndpointSettings` does."""
        return EndpointSettings(
            base_url=self.base_url,
            model=self.model[0] if self.model else None,
            api_key_env=self.api_key_env,
            header=self.header,
            extra_body=self.extra_body,
            attempt_timeout=self.attempt_timeout,
        )
