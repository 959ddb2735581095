"""Prompts that ask about a dialogue, and what they choose among: codebooks, label sets, rubrics. All of it is data.

Each prompt stands in Chinese and in English; a dialogue is asked about in its own language.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from filters.dialogue import Role
from prompts import HERE, TemplateError, _cut, _join, topics
from prompts.small_file import read_small
from prompts.yaml_errors import FILE_ERRORS

FOLDER = HERE / "annotation"
RUBRICS = ("cehs", "pairwise")
"""The rubrics that this project brings."""
WIDEST_SCORE = 10_000
"""How far from zero a rubric's bounds may lie: ratings, percentages and per mille fit; a number beyond is a slip."""

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt in one language, cut at its variables."""

    text: str
    pieces: tuple[str, ...]
    """Literal text and variables in turn: even places are literal, odd ones name a variable."""

    def render(self, values: Mapping[str, str]) -> str:
        """The message to send. The values go in as they are."""
        return _join(self.pieces, values)

    def read(self, message: str) -> Mapping[str, str] | None:
        """The values that `render` put into a message; None for a message that it did not make.

        Exact as long as no value holds the literal text that follows it.
        """
        *before, last = self.pieces[::2]
        if not message.startswith(before[0]) or not message.endswith(last):
            return None
        values: dict[str, str] = {}
        place = len(before[0])
        for name, literal in zip(self.pieces[1::2], [*before[1:], None], strict=True):
            end = len(message) - len(last) if literal is None else message.find(literal, place)
            if end < place:
                return None
            values[name] = message[place:end]
            place = end + len(literal or "")
        return values


@dataclass(frozen=True, slots=True)
class Prompts:
    """One prompt in both languages."""

    source: str
    by_language: Mapping[Language, Prompt]

    @property
    def sha256(self) -> str:
        pieces = sorted((language, prompt.pieces) for language, prompt in self.by_language.items())
        return hashlib.sha256(repr(pieces).encode()).hexdigest()


class Label(NamedTuple):
    """One label an annotator may choose, under all its names."""

    name: str
    """What is counted and written."""
    name_en: str
    definition: str
    definition_en: str
    also: tuple[str, ...] = ()
    """Other ways to write it, which are read as it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """The labels of one speaker's utterances."""

    role: Role
    key: str
    """Where `analysis` reads them beside an utterance."""
    labels: tuple[Label, ...]


class Criterion(NamedTuple):
    """One thing that a rubric asks about."""

    key: str
    name: str
    name_en: str
    low: int
    high: int
    description: str
    description_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """What a judge looks at: `scores` are given to one dialogue, a `comparison` holds two side by side."""

    name: str
    source: str
    kind: Literal["scores", "comparison"]
    criteria: tuple[Criterion, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _PromptFile(_Strict):
    source: _Text
    variables: dict[str, str]
    zh: _Text
    en: _Text


class _LabelEntry(_Strict):
    name: _Text
    name_zh: str = ""
    also: tuple[_Text, ...] = ()
    definition: _Text
    definition_en: str = ""


class _LabelFile(_Strict):
    source: str
    role: Role
    key: _Text
    labels: Annotated[tuple[_LabelEntry, ...], Field(min_length=2)]


class _TopicEntry(_Strict):
    index: int | None = None
    name: _Text
    name_en: str = ""
    definition: str = ""
    definition_en: str = ""


_Bound = Annotated[int, Field(ge=-WIDEST_SCORE, le=WIDEST_SCORE)]


class _CriterionEntry(_Strict):
    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    name: str = ""
    name_en: str = ""
    low: _Bound = 0
    high: _Bound = 1
    description: _Text
    description_en: str = ""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class _RubricFile(_Strict):
    source: str = "a file of the user's"
    kind: Literal["scores", "comparison"]
    criteria: Annotated[tuple[_CriterionEntry, ...], Field(min_length=1)]


@cache
def prompts(name: Literal["topics", "utterances", "scores", "comparison"]) -> Prompts:
    """One of the prompts that this project brings, in both languages."""
    file = _PromptFile.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")))
    texts: Mapping[Language, str] = {"zh": file.zh, "en": file.en}
    return Prompts(
        file.source,
        {language: Prompt(text, _cut(text, file.variables, (), name)) for language, text in texts.items()},
    )


@cache
def label_set(name: Literal["strategy", "emotion"]) -> LabelSet:
    """The labels of a counselor's strategy, or of a client's emotion."""
    file = _LabelFile.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")))
    labels = tuple(
        Label(entry.name, entry.name, entry.definition, entry.definition_en, (entry.name_zh, *entry.also))
        for entry in file.labels
    )
    return LabelSet(role=file.role, key=file.key, labels=labels)


@cache
def codebook(path: Path | None = None) -> tuple[Label, ...]:
    """The topics to choose among: those of a file, or SMILE's 60 with definitions in our own words.

    Raises TemplateError: no readable YAML, no list of topics, a topic without a name, one name for two topics.
    """
    if path is None:
        return tuple(Label(topic.name, topic.name_en, topic.definition, topic.definition_en) for topic in topics())
    document = _document(path, "a codebook is a list of topics, each with `name` and `definition`")
    listed = document.get("topics") if isinstance(document, dict) else document
    if not isinstance(listed, list) or not listed:
        raise TemplateError(f"{path}: a codebook is a list of topics, each with `name` and `definition`.")
    entries = []
    for number, entry in enumerate(listed, 1):
        try:
            entries.append(_TopicEntry.model_validate({"name": entry} if isinstance(entry, str) else entry))
        except ValidationError as error:
            raise TemplateError(f"{path}: topic {number}: {_problems(error)}") from error
    names = [entry.name.strip() for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TemplateError(f"{path}: two topics are called {', '.join(twice[:3])}. Give each its own name.")
    return tuple(
        Label(name, entry.name_en or name, _folded(entry.definition), _folded(entry.definition_en or entry.definition))
        for name, entry in zip(names, entries, strict=True)
    )


@cache
def rubric(name_or_path: str) -> Rubric:
    """The rubric of that name, or in that file.

    Raises TemplateError: no such rubric, no YAML, a key missing or unknown, one key for two criteria.
    """
    path = FOLDER / f"{name_or_path}.yaml" if name_or_path in RUBRICS else Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        raise TemplateError(
            f"There is no rubric {name_or_path!r}. The project brings {' and '.join(RUBRICS)}; "
            "for your own, name its file (ending in .yaml)."
        )
    try:
        file = _RubricFile.model_validate(_document(path, "a rubric is a mapping with `kind` and `criteria`"))
    except ValidationError as error:
        raise TemplateError(f"{path}: {_problems(error)}") from error
    keys = [entry.key for entry in file.criteria]
    if len(set(keys)) < len(keys):
        raise TemplateError(f"{path}: two criteria have one key. Give each its own.")
    return Rubric(
        name=path.stem,
        source=file.source,
        kind=file.kind,
        criteria=tuple(
            Criterion(
                entry.key,
                entry.name or entry.key,
                entry.name_en or entry.key,
                entry.low,
                entry.high,
                _folded(entry.description),
                _folded(entry.description_en or entry.description),
            )
            for entry in file.criteria
        ),
    )


def _document(path: Path, what: str) -> object:
    try:
        return yaml.safe_load(read_small(path))
    except FILE_ERRORS as error:
        raise TemplateError(f"{path}: cannot be read as YAML in UTF-8; {what}.") from error


def _folded(text: str) -> str:
    """On one line, as each entry stands in a prompt."""
    return " ".join(text.split())


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
