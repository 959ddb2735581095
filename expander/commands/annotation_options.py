"""Every option of `annotate` that `expand` has not, or has with another default. The string below a field is its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

# Some for the command line alone: it reads the types of inherited fields by the names of this module.
from expander.bounds import A_MINUTE, COUNT, FLAG, IN_FLIGHT, MANY, POSITIVE, SECONDS, SEED, SHARE, TEMPERATURE, TOKENS  # noqa: F401
from expander.settings import SamplingSettings, WorkSettings

TaskName = Literal["topics", "strategy", "emotion", "judge"]


@Parameter(name="*", group=Group("Question", sort_key=1))
@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationOptions:
    """What is asked, and of which dialogues."""

    codebook: Path | None = None
    """With `--task topics`: a YAML list of topics, each with `name` and `definition` (and `name_en`, `definition_en`);
    SMILE's 60 when unset."""
    rubric: str = "cehs"
    """With `--task judge`: cehs (SoulChat, Table 2), pairwise (Psy-Insight, Table 7), or your own YAML file."""
    against: Path | None = None
    """With a rubric that compares: the other corpus. Dialogues of one post are paired, else of one question, else by chance."""
    kind: str | None = None
    """Of the corpus: smilechat, psy-insight, messages, sharegpt, psyqa, text or run; told from the content when unset."""
    limit: Annotated[int | None, POSITIVE] = None
    """Take only the first so many dialogues, or pairs."""
    seed: Annotated[int, SEED] = 0
    """Decides which dialogues are paired by chance. It is not sent to the endpoint."""
    no_redact: Annotated[bool, FLAG] = False
    """Send phone numbers, ids, accounts, e-mail addresses and links as they stand (they are taken out by default)."""


@Parameter(name="*", group=Group("Sampling", sort_key=3))
@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationSampling:
    """What the endpoint is asked for."""

    temperature: Annotated[float, TEMPERATURE] = 0.7
    """0.7 in SMILE, Appendix D."""
    top_p: Annotated[float, SHARE] = 0.8
    """0.8 in SMILE, Appendix D."""
    max_tokens: Annotated[int | None, TOKENS] = None
    """Most tokens an answer may have; the endpoint's own limit when unset."""
    stop: Annotated[tuple[str, ...], MANY] = ()
    """A string at which the answer ends; may be given several times."""
    request_seed: Annotated[int | None, SEED] = None
    """Sent to the endpoint, mixed with the request's identity."""

    def settings(self) -> SamplingSettings:
        return SamplingSettings(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
            request_seed=self.request_seed,
        )


@Parameter(name="*", group=Group("Work", sort_key=4))
@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationWork(WorkSettings):
    """How hard the endpoint is worked, and when to stop."""

    max_regenerations: Annotated[int, Parameter(name=["--regenerate", "--max-regenerations"]), COUNT] = 2
    """How often an answer that cannot be read is asked for anew, before it is kept as it is."""
