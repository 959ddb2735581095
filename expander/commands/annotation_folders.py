"""The folders that `annotate` made, as other commands read them: every line checked, and the settings that made them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.agreement.pairwise import Winner
from expander.annotation.writing import ANNOTATIONS
from expander.consoles import printable
from expander.errors import UsageError
from expander.results import DIALOGUES
from expander.sources.lines import ROW_LIMIT_BYTES, split_lines
from expander.store import FILE, Kind, read_only
from prompts.annotation import WIDEST_SCORE, label_set

_CHUNK_BYTES = 1 << 20
Side = Literal["corpus", "against"]
_Score = Annotated[int, Field(strict=True, ge=-WIDEST_SCORE, le=WIDEST_SCORE)]
"""A number, as `annotate` writes it, never a text that spells one."""


class Order(BaseModel):
    """What was said of a pair with its dialogues in one order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Side
    second: Side
    answers: dict[str, Winner] | None


class Line(BaseModel):
    """One line of `annotations.jsonl`: a dialogue, or a pair. Keys that no command reads are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str | None
    task: str = ""
    outcome: str
    limited: list[str | list[str] | None] | None = None
    unlimited: list[str | list[str] | None] | None = None
    rubric: str | None = None
    scores: dict[str, _Score] | None = None
    against_id: str | None = None
    paired_by: str | None = None
    orders: list[Order] | None = None
    verdicts: dict[str, Literal["corpus", "against", "tie"]] | None = None
    made_by: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationFolder:
    """A finished annotation run."""

    path: Path
    task: str
    rubric: str | None
    """Of a judge: the rubric's name."""
    lines: tuple[Line, ...]
    """Without those that hold no dialogue. `failed` ones are there, and hold no answer."""
    made_by: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its store was begun with; empty where only the results were handed on."""

    @property
    def failed(self) -> int:
        """Dialogues or pairs that the provider never answered for."""
        return sum(line.outcome == "failed" for line in self.lines)

    @property
    def judge(self) -> str:
        """Who answered, and by which prompt: answers of two that are alike here came about alike."""
        named = [str(self.made_by.get(key) or "unnamed") for key in ("model", "endpoint")]
        prompt = str(self.made_by.get("prompt_sha256") or "")[:8]
        return printable(f"{named[0]} at {named[1]}" + (f", prompt {prompt}" if prompt else ""))


def annotation_folder(path: Path) -> AnnotationFolder:
    """Read a folder. Raises UsageError: no such folder, a run that is not finished, a line that is no annotation."""
    file = path / ANNOTATIONS
    if not file.is_file():
        if (path / FILE).is_file():
            if (path / DIALOGUES).is_file():
                raise UsageError(f"{path}: holds a run of `expand`, and no annotations. `annotate {path}` makes some.")
            raise UsageError(
                f"{path}: this run has not written its annotations yet. Give its `annotate` command again."
            )
        raise UsageError(
            f"{path}: no annotations are here (there is no {ANNOTATIONS}). `annotate` makes such a folder."
        )
    lines = [line for line in _lines(file) if line.id is not None]
    if not lines:
        raise UsageError(f"{path}: its {ANNOTATIONS} holds no dialogue.")
    open_ones = sum(line.outcome == "unanswered" for line in lines)
    if open_ones:
        raise UsageError(
            f"{path}: this run is not finished: {open_ones:,} of {len(lines):,} are still to be asked about. "
            "Give its `annotate` command again."
        )
    if len({(line.task, line.rubric) for line in lines if line.outcome != "nothing to ask"}) > 1:
        raise UsageError(f"{file}: holds annotations of several tasks. Give the folder of one.")
    first = next((line for line in lines if line.outcome != "nothing to ask"), lines[0])
    return AnnotationFolder(
        path=path,
        task=first.task,
        rubric=first.rubric,
        lines=tuple(lines),
        made_by=first.made_by,
        settings=_settings(path),
    )


def _lines(file: Path) -> list[Line]:
    found = []
    try:
        with file.open("rb") as rows:
            for number, row in split_lines(iter(partial(rows.read, _CHUNK_BYTES), b"")):
                if row is None:
                    raise UsageError(f"{file}:{number}: is no annotation: longer than {ROW_LIMIT_BYTES} bytes.")
                try:
                    found.append(Line.model_validate(orjson.loads(row)))
                except (ValidationError, orjson.JSONDecodeError) as error:
                    raise UsageError(f"{file}:{number}: is no annotation: {_problem(error)}.") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}.") from error
    return found


def _problem(error: ValidationError | orjson.JSONDecodeError) -> str:
    """Keys and what is wrong with them, never their values."""
    if isinstance(error, orjson.JSONDecodeError):
        return "this line is no JSON"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return printable(f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}")


def _settings(path: Path) -> Mapping[str, Any]:
    if not (path / FILE).is_file():
        return {}
    with closing(read_only(path, Kind.ANNOTATION)) as store:
        found = store.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()
    settings = orjson.loads(found[0]) if found else {}
    return settings if isinstance(settings, dict) else {}


def label_names(task: Literal["strategy", "emotion"]) -> dict[str, str]:
    """Each way to write a label of the task, case folded, with the label's name."""
    labels = label_set(task).labels
    spelt = {way.casefold(): label.name for label in labels for way in label.also if way}
    return {**spelt, **{label.name.casefold(): label.name for label in labels}}
