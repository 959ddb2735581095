"""What a measurement is: a metric with its definition, a figure with its interval, a comparison with its effect.

Everything a report shows is one of these values, so that one table, one JSON schema and one set of CSV files hold all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

LEVEL = 0.95
"""Coverage that every interval promises."""


class Group(StrEnum):
    """Where a reader looks for a metric."""

    SIZE = "corpus statistics"
    LEXICAL = "lexical diversity"
    SEMANTIC = "semantic diversity"
    TRANSFORMATION = "language transformation"
    TOPICS = "dialogue topics"
    HUMAN = "the human gap"
    JUDGEMENT = "judgement"
    COST = "kept and cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that is measured. `key` is its name in files: lower case, underscores."""

    key: str
    name: str
    group: Group
    unit: str
    """What a value counts: "utterances", "share of counselor utterances", "cosine", ..."""
    definition: str
    source: str
    """Paper and section, or that it is this project's own."""
    caveat: str = ""
    """What a reader must not conclude; empty where nothing needs saying."""


class Interval(NamedTuple):
    """Where the value lies, at `LEVEL`, by the named method."""

    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric's value for one corpus. `value` is None where it cannot be had, and `remark` says why."""

    corpus: str
    metric: str
    """The metric's key."""
    value: float | None
    n: int
    """Dialogues that the value rests on."""
    interval: Interval | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A corpus held against another, on one metric. Fields are None where they cannot be had, and `remark` says why."""

    metric: str
    corpus: str
    reference: str
    difference: float | None
    """The corpus's value minus the reference's."""
    interval: Interval | None
    effect: float | None
    """The effect size that `effect_name` names."""
    effect_name: str
    p: float | None
    p_corrected: float | None
    """After correction over all comparisons of the report; None until that is done."""
    test: str
    n: int
    n_reference: int
    remark: str = ""


class Box(NamedTuple):
    """A box plot's numbers."""

    low: float
    """5 % quantile."""
    lower: float
    median: float
    upper: float
    high: float
    """95 % quantile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a quantity is spread over a corpus: a histogram and a box. `counts[i]` lie in edges[i] <= x < edges[i + 1]."""

    corpus: str
    metric: str
    """The key of the metric it belongs to."""
    unit: str
    """What is counted: "dialogues", "pairs of dialogues", "utterances"."""
    n: int
    mean: float
    sd: float
    box: Box
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    """The last bin holds its upper edge too."""
    exact: bool = True
    """False where a sample of the units was drawn; `remark` says how many."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One entry of a ranking: what it is, how often it occurs, and which share of `Ranking.unit` that is."""

    text: str
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The most frequent of something in a corpus: openings, 4-grams, words, labels. Its texts come from data: escape them."""

    corpus: str
    name: str
    """What is ranked: "openings", "four_grams", "client_words", ..."""
    title: str
    """The same for a reader."""
    unit: str
    """What `share` is a share of: "dialogues", "counselor utterances", "tokens"."""
    n: int
    entries: tuple[Ranked, ...]
    remark: str = ""
