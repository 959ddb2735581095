"""A report as values: all that the page, the JSON file and the CSV files say, and nothing that only one of them knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.ablation.model import Ablation
from analysis.figures import Comparison, Distribution, Figure, Metric, Ranking
from filters.dialogue import Utterance

SCHEMA = 1
"""Of `report.json`; goes up when a key changes its meaning or goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus as the report names it."""

    name: str
    file: str
    """The file's or folder's own name, without its path."""
    kind: str
    human: bool
    """Sessions of people; the others are held against these."""
    language: str
    """"zh", "en" or "mixed"; "" for a corpus without letters."""
    dialogues: int
    broken: int
    """Entries that hold no readable dialogue; they are in no figure."""
    remarks: tuple[str, ...] = ()
    """What a reader must know of this corpus: tiny, one speaker only, duplicates, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A dialogue for a reader. Every text in it comes from data."""

    corpus: str
    id: str
    utterances: tuple[Utterance, ...]
    flags: tuple[str, ...] = ()
    """Risk flags that the corpus carries."""
    rules: tuple[str, ...] = ()
    """Names of rules that object to it."""
    similarity: float | None = None
    """Cosine to what it stands beside, where it was chosen by likeness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Dialogues to read side by side: of one post where the corpora share posts, else of similar content."""

    post: str | None
    """The post's text; None where there is none."""
    dialogues: tuple[Shown, ...]
    """One of each corpus that has one; human sessions last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question of the first screen, answered in sentences made from the figures."""

    question: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything. Corpora stand in the order they were given, human ones last."""

    title: str
    answers: tuple[Answer, ...]
    corpora: tuple[Corpus, ...]
    metrics: tuple[Metric, ...]
    figures: tuple[Figure, ...]
    comparisons: tuple[Comparison, ...]
    distributions: tuple[Distribution, ...]
    rankings: tuple[Ranking, ...]
    examples: tuple[Example, ...]
    remarks: tuple[str, ...]
    """What concerns the whole page."""
    settings: Mapping[str, str | int | float | None]
    versions: Mapping[str, str]
    ablation: Ablation | None = None
    """Where the corpora are arms of one."""
