"""What an ablation adds to a report, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from analysis.figures import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One condition, and what became of its posts."""

    name: str
    """The corpus of this name holds its dialogues."""
    settings: Mapping[str, str]
    """What tells it from the others: template, model, sampling."""
    rows: int
    """Posts, times the samples of each."""
    kept: int
    failed: int
    """Rows that never got a reply; they are in no share."""
    replies: int
    prompt_tokens: int | None
    """None where the endpoint did not count them."""
    completion_tokens: int | None
    money: float | None
    """None without prices."""


class DiffLine(NamedTuple):
    """A line of a prompt beside another one."""

    change: Literal["same", "removed", "added", "left out"]
    text: str
    """Of lines left out: how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDiff:
    """What an arm's prompt has that the baseline's has not, and the reverse. No lines where they are equal."""

    arm: str
    baseline: str
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Replies that one rule rejected: a share of an arm's replies."""

    arm: str
    rule: str
    replies: int
    share: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An arm between what it costs and what it gives."""

    arm: str
    cost: float
    value: float
    cost_interval: Interval | None
    value_interval: Interval | None
    front: bool
    """No other arm is at least as good in both and better in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """A quality against a cost. Arms that lack one of the two are no points."""

    key: str
    title: str
    cost: str
    """What the cost is, with its unit."""
    quality: str
    more_is_better: bool
    points: tuple[Point, ...]
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """How many posts would settle a comparison with the baseline."""

    arm: str
    metric: str
    settled: bool
    total: int | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """The arms in order, and what holds them against the baseline beside the report's own comparisons."""

    baseline: str
    posts: int
    currency: str
    arms: tuple[Arm, ...]
    headline: tuple[str, ...]
    """Keys of the metrics that the first table has."""
    diffs: tuple[PromptDiff, ...]
    refusals: tuple[Refusals, ...]
    paretos: tuple[Pareto, ...]
    detectable: str
    """What so many posts could show, in a sentence."""
    settling: tuple[Settling, ...]
    remarks: tuple[str, ...]
