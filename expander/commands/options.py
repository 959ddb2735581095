"""Every option of `audit`, `dedup`, `export`, `report` and `agree`, declared once. The comment string below a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from expander.bounds import COUNT, DRAW_SEED, FLAG, IN_FLIGHT, MANY, POSITIVE, SHARE

Speaker = Literal["client", "counselor", "any"]
DistanceName = Literal["masi", "jaccard", "nominal"]
OriginName = Literal["synthetic", "baseline", "human", "unknown"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What is asked of each dialogue."""

    kind: str | None = None
    """smilechat, psy-insight, messages, sharegpt, psyqa, text or run; told from the content when unset."""
    json: Path | None = None
    """Also write the figures to this file, for machines."""
    min_turns: Annotated[int, COUNT] = 5
    """Fewest turns (5 in SMILE, Appendix B.2)."""
    max_turns: Annotated[int | None, COUNT] = None
    """Most turns."""
    opens_with: Speaker = "client"
    """Who must speak first."""
    closes_with: Speaker = "counselor"
    """Who must speak last."""
    template: Annotated[tuple[str, ...], MANY] = ()
    """A template whose instructions must not stand in a dialogue; may be given several times."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class DedupOptions:
    """What counts as the same, and what comes of it."""

    against: Annotated[tuple[Path, ...], MANY] = ()
    """A corpus whose dialogues must not come back, such as a test set; may be given several times."""
    threshold: Annotated[float, SHARE] = 0.5
    """How alike is too alike: Jaccard similarity of character 5-grams. One character changed in each fifteen leaves 0.5."""
    exact_only: Annotated[bool, FLAG] = False
    """Drop only dialogues with equal words."""
    seed: Annotated[int, DRAW_SEED] = 0
    """Chooses which copy stays."""
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None
    """Write the dialogues that stay, of all corpora in order, as OpenAI messages in JSON Lines."""
    json: Path | None = None
    """Write the settings and every dropped dialogue with what it resembles, for machines."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What the export is to be."""

    to: str
    """messages, sharegpt, llama-factory, parquet, sft-sessions (SMILE 6), soulchat, or csv."""
    out: Path
    """The folder to make: a file a split, what was changed, and the card. It appears whole or not at all."""
    licence: Annotated[str, Parameter(name="--license", show_default=False)] = ""
    """The terms it is handed on under, as Hugging Face spells them (cc-by-nc-4.0, ...) or in words. Needed, never assumed."""
    name: str | None = None
    """The corpus's name on its card; the folder's or file's when unset."""
    language: Annotated[tuple[str, ...], MANY] = ()
    """ISO 639-1 code, may be given several times; zh or en when unset, by whether the first dialogues hold Chinese."""
    origin: OriginName | None = None
    """Who spoke, for the card's warnings. A run says it itself; of another corpus it is unknown when unset."""
    split: str = "0.9,0.05,0.05"
    """Shares of train, validation and test, by question and never by row."""
    seed: int = 0
    """Decides which question goes where."""
    system_prompt: str | None = None
    """smile (SMILE, Figure 12), or a text file: put before every row."""
    overwrite: Annotated[bool, FLAG] = False
    """Replace an earlier export in the same folder, and nothing else."""
    kind: str | None = None
    """smilechat, psy-insight, messages, sharegpt, psyqa, text or run; told from the content when unset."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AgreeOptions:
    """What counts as agreement, and against whom."""

    distance: DistanceName = "masi"
    """Between two sets of labels: masi (a set within the other is nearer), jaccard, or nominal (equal or not)."""
    with_given: Annotated[bool, FLAG] = False
    """Hold one folder's labels (strategy, emotion) against those that its corpus had before, such as Psy-Insight's."""
    seed: Annotated[int, DRAW_SEED] = 0
    """Decides the resamples of --with-given."""
    json: Path | None = None
    """Also write everything to this file, for machines."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What is measured, against whom, and where it is written."""

    human: Annotated[tuple[Path, ...], MANY] = ()
    """Sessions of people to hold the others against, such as Psy-Insight; may be given several times."""
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("report.html")
    """The page. Beside it, under the same name: .json, and a .csv file for each table."""
    name: Annotated[tuple[str, ...], MANY] = ()
    """A corpus's name on the page, in the order they are given, human ones last; the file's name when unset."""
    baseline: str | None = None
    """The corpus that the others are held against beside the human ones, by its name; the first when unset."""
    posts: Annotated[tuple[Path, ...], MANY] = ()
    """PsyQA posts, for the likeness of a dialogue to a post that it was not made from (SMILE 4.2). Runs bring their own."""
    tokenizer: str | None = None
    """Besides words and characters: a folder that holds a Hugging Face tokenizer."""
    codebook: Path | None = None
    """A YAML list of topics with `name`: the labels that count as limited; SMILE's 60 when unset."""
    judgements: Annotated[tuple[str, ...], MANY] = ()
    """A folder that `annotate --task judge` made, for a corpus of this report, or NAME=FOLDER where several corpora have its
    dialogues' ids; may be given several times."""
    rubric: Annotated[tuple[Path, ...], MANY] = ()
    """The YAML file of a rubric of your own that scores in --judgements were given by; may be given several times."""
    examples: Annotated[int, COUNT] = 30
    """How many sets of dialogues to show side by side; 0 keeps every text but the most frequent phrases out of the page."""
    seed: Annotated[int, DRAW_SEED] = 0
    """Decides every sample, so that the same command gives the same figures."""
    title: str = "How diverse, how human"
    """The page's heading."""


@Parameter(name="*", group=Group("Embeddings", sort_key=2))
@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingOptions:
    """What turns a dialogue into a vector."""

    embeddings: str = "tfidf"
    """tfidf (embedded, lexical), endpoint, or the folder of a sentence-transformers model."""
    base_url: str | None = None
    """With `--embeddings endpoint`: an OpenAI-compatible endpoint; without it the embedded offline one answers."""
    model: str | None = None
    """The embedding model's name at that endpoint."""
    dimensions: Annotated[int | None, POSITIVE] = None
    """Ask the endpoint for vectors of so many dimensions."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    concurrency: Annotated[int, IN_FLIGHT] = 8
    """Requests in flight."""
    cache: Path = Path("outputs/embeddings.sqlite")
    """Vectors that were paid for, by a hash of model and text: none is asked for twice."""
