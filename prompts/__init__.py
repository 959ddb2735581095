"""Prompt templates as data: one YAML file each, and the loader that turns a file into a `Template`.

A template's text is cut at its variables once, when it is loaded. Rendering joins the pieces with the post's text,
so nothing in a post is ever read as template syntax.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from filters.dialogue import DialogueFormat, Role
from prompts.small_file import read_small
from prompts.yaml_errors import YAML_ERRORS

HERE = Path(__file__).parent
NOT_TEMPLATES = frozenset({"topics"})

Need = Literal["qa", "topic", "nothing"]
Variable = Literal["qa", "question", "answer", "topic"]
VARIABLES: Mapping[Variable, Need] = {"qa": "qa", "question": "qa", "answer": "qa", "topic": "topic"}
BRACED = re.compile(r"\{[A-Za-z_][A-Za-z0-9_ ]*\}")


class TemplateError(ValueError):
    """A template file that cannot be used: which file, what is wrong, what to do."""


class Values(NamedTuple):
    """What a template's variables stand for in one row; a template that needs nothing uses none of them."""

    question: str = ""
    answer: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One prompt, ready to render."""

    name: str
    source: str
    language: str
    needs: Need
    prompt: str
    """The text as published, its variables still in it."""
    system: str | None
    format: DialogueFormat
    pieces: tuple[str, ...]
    """Literal text and variables in turn: even places are literal, odd ones name a variable."""
    qa_pieces: tuple[str, ...]
    file_text: str
    """The whole file: a run keeps it, so that its replies can be read again after the file has changed."""
    sha256: str
    """Of the words that are sent, not of the rules a reply must meet: a change of rules needs no new request."""

    def render(self, values: Values) -> str:
        """The user message for one row. The values go in as they are: braces, percent signs and markup unchanged."""
        known = {"question": values.question, "answer": values.answer, "topic": values.topic}
        if self.qa_pieces:
            known["qa"] = _join(self.qa_pieces, known)
        return _join(self.pieces, known)


class _Labels(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    client: Annotated[tuple[str, ...], Field(min_length=1)]
    counselor: Annotated[tuple[str, ...], Field(min_length=1)]


class _Turns(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    min: Annotated[int, Field(ge=1)]
    max: int | None = None


class _TemplateFile(BaseModel):
    """The keys of a template file; any other key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    language: Literal["zh", "en"] = "zh"
    needs: Need
    variables: dict[str, Variable] | None = None
    literal: tuple[str, ...] = ()
    qa: str = "{client}: {question}\n{counselor}: {answer}"
    labels: _Labels
    turns: _Turns
    opens_with: Role | None = None
    closes_with: Role | None = None
    preamble: bool = False
    system: str | None = None
    prompt: Annotated[str, Field(min_length=1)]


def published() -> tuple[str, ...]:
    """Names of the templates this project brings, sorted."""
    return tuple(sorted(path.stem for path in HERE.glob("*.yaml") if path.stem not in NOT_TEMPLATES))


@cache
def load(name_or_path: str) -> Template:
    """The template of that published name, or in that file.

    Raises TemplateError: no such template, no YAML, a key missing or unknown, a variable missing or unknown.
    """
    if name_or_path in published():
        return parse((HERE / f"{name_or_path}.yaml").read_text("utf-8"), name=name_or_path)
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        raise TemplateError(
            f"There is no template {name_or_path!r}. The project brings {', '.join(published())}; "
            "for your own, name its file (ending in .yaml)."
        )
    try:
        text = read_small(path)
    except (OSError, ValueError) as error:
        raise TemplateError(f"{path}: cannot be read as a template: {error}") from error
    return parse(text, name=path.stem, where=str(path))


def parse(text: str, *, name: str, where: str | None = None) -> Template:
    """A template from the text of its file; `where` is named in errors."""
    where = where or name
    try:
        document = yaml.safe_load(text)
    except YAML_ERRORS as error:
        raise TemplateError(f"{where}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise TemplateError(f"{where}: a template file is a mapping with `prompt`, `needs`, `labels` and `turns`.")
    try:
        file = _TemplateFile.model_validate(document)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise TemplateError(f"{where}: {problems}") from error
    return _build(file, text, name, where)


def _build(file: _TemplateFile, text: str, name: str, where: str) -> Template:
    fmt = DialogueFormat(
        client_labels=file.labels.client,
        counselor_labels=file.labels.counselor,
        min_turns=file.turns.min,
        max_turns=file.turns.max,
        opens_with=file.opens_with,
        closes_with=file.closes_with,
        preamble=file.preamble,
        english=file.language == "en",
    )
    _check_format(fmt, where)
    markers: Mapping[str, str] = file.variables or {f"{{{variable}}}": variable for variable in VARIABLES}
    pieces = _cut(file.prompt, markers, file.literal, where)
    used = set(pieces[1::2])
    wanted = {variable for variable, need in VARIABLES.items() if need == file.needs}
    if file.needs != "nothing" and not used & wanted:
        raise TemplateError(
            f"{where}: it needs {file.needs!r}, yet its prompt uses none of {_named(markers, wanted)}. "
            "Put one in, or set `needs: nothing`."
        )
    if foreign := used - wanted:
        raise TemplateError(f"{where}: its prompt uses {_named(markers, foreign)}, yet it says `needs: {file.needs}`.")
    qa = file.qa.replace("{client}", fmt.client_labels[0]).replace("{counselor}", fmt.counselor_labels[0])
    qa_pieces = _cut(qa, {"{question}": "question", "{answer}": "answer"}, file.literal, f"{where} (qa)")
    return Template(
        name=name,
        source=file.source,
        language=file.language,
        needs=file.needs,
        prompt=file.prompt,
        system=file.system,
        format=fmt,
        pieces=pieces,
        qa_pieces=qa_pieces if "qa" in used else (),
        file_text=text,
        sha256=hashlib.sha256(repr((file.system, pieces, qa_pieces)).encode()).hexdigest(),
    )


def _check_format(fmt: DialogueFormat, where: str) -> None:
    labels = [label.strip() for label in (*fmt.client_labels, *fmt.counselor_labels)]
    if not all(labels):
        raise TemplateError(f"{where}: a speaker label is empty.")
    if len(set(labels)) != len(labels):
        raise TemplateError(
            f"{where}: one label stands for both speakers, or twice; a reader could not tell who speaks."
        )
    if fmt.max_turns is not None and fmt.max_turns < fmt.min_turns:
        raise TemplateError(f"{where}: turns.max ({fmt.max_turns}) is below turns.min ({fmt.min_turns}).")


def _cut(text: str, markers: Mapping[str, str], literal: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Literal pieces and variable names in turn. A `{word}` that is neither a marker nor declared literal is an error."""
    pattern = re.compile("|".join(re.escape(marker) for marker in sorted(markers, key=len, reverse=True)) or r"(?!)")
    pieces: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        pieces += [text[end : match.start()], markers[match.group()]]
        end = match.end()
    pieces.append(text[end:])
    for piece in pieces[::2]:
        for word in BRACED.findall(piece):
            if word not in literal:
                raise TemplateError(
                    f"{where}: unknown variable {word}. Known here: {', '.join(markers) or 'none'}. "
                    "If it is meant as text, list it under `literal:`."
                )
    return tuple(pieces)


def _named(markers: Mapping[str, str], variables: set[str] | set[Variable]) -> str:
    return ", ".join(marker for marker, variable in markers.items() if variable in variables) or ", ".join(variables)


def _join(pieces: tuple[str, ...], known: Mapping[str, str]) -> str:
    return "".join(piece if place % 2 == 0 else known[piece] for place, piece in enumerate(pieces))


class Topic(NamedTuple):
    """One of the 60 dialogue topics of SMILE's Appendix G: names as published, definitions in our own words."""

    number: int
    name: str
    name_en: str
    definition: str
    definition_en: str


@cache
def topics() -> tuple[Topic, ...]:
    """The codebook, in the paper's order."""
    document = yaml.safe_load((HERE / "topics.yaml").read_text("utf-8"))
    return tuple(Topic(entry.pop("index"), **entry) for entry in document["topics"])
