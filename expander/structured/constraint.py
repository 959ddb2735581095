"""One run's constraint: what is sent with every request, and what is said of it afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from expander.errors import UsageError
from expander.settings import StructuredSettings
from expander.structured.bounds import Bounds, bounded, bounds_of, fitted, is_roomy
from expander.structured.form import form_of
from expander.structured.grammar import dialogue_grammar
from expander.structured.regex import dialogue_regex
from expander.structured.schema import dialogue_schema
from filters.dialogue import DialogueFormat

Kind = Literal["regex", "grammar", "json"]

SET_HERE = frozenset({"structured_outputs", "response_format"})
"""Fields of a request's body that a constraint may set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A rule for decoding, in one of three notations."""

    kind: Kind
    text: str
    """The regular expression, the grammar, or the JSON Schema as JSON."""
    bounds: Bounds
    tokens: int | None
    """Of the longest reply that it allows, estimated; None where no bound is set."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(f"{self.kind}\x1f{self.text}".encode()).hexdigest()

    def body(self) -> dict[str, Any]:
        """The fields that a request carries: vLLM's `structured_outputs` with exactly one key, or `response_format`."""
        return body_of(self.kind, orjson.loads(self.text) if self.kind == "json" else self.text)

    def provenance(self) -> dict[str, object]:
        """What a dialogue says of it, and what makes two replies comparable: part of a row's identity."""
        return {"kind": self.kind, "sha256": self.sha256}

    def described(self) -> dict[str, object]:
        """The same with the bounds, so that a run refused for another constraint can show what differs."""
        return {**self.provenance(), **asdict(self.bounds)}


def body_of(kind: Kind, rule: object) -> dict[str, Any]:
    """The request fields for a rule: text of a regular expression or a grammar, or a schema."""
    if kind == "json":
        return {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "dialogue", "strict": True, "schema": rule},
            }
        }
    return {"structured_outputs": {kind: rule}}


def constrain(kind: Kind, fmt: DialogueFormat, bounds: Bounds) -> Constraint:
    """The constraint of that kind for a format."""
    form = form_of(fmt, bounds)
    if kind == "regex":
        text = dialogue_regex(form)
    elif kind == "grammar":
        text = dialogue_grammar(form)
    else:
        text = orjson.dumps(dialogue_schema(form)).decode()
    return Constraint(kind=kind, text=text, bounds=bounds, tokens=bounds.tokens(fmt))


def constraint_of(
    settings: StructuredSettings, fmt: DialogueFormat, *, tokens: int | None, extra_body: Mapping[str, Any]
) -> Constraint | None:
    """The run's constraint; None with `--structured off`.

    `fmt` has the turns that the run's rules ask for. `tokens` is what a reply may have, None if that is unknown: where it is
    little, an utterance gets a longest, and bounds that were not given are fitted. Raises UsageError for bounds that contradict the template or each other, and for a body that sets a constraint too.
    """
    if settings.structured == "off":
        return None
    if clash := SET_HERE & extra_body.keys():
        raise UsageError(
            f"--extra-body sets {', '.join(sorted(clash))}, and --structured sets that itself: leave one out."
        )
    try:
        bounds = bounds_of(
            fmt,
            shortest=settings.structured_shortest,
            longest=settings.structured_longest or None,
            most_turns=settings.structured_most_turns,
            analysis=settings.structured_analysis,
        )
    except ValueError as error:
        raise UsageError(f"--structured: {error}. Check --structured-longest, -shortest and -most-turns.") from error
    if tokens is not None:
        if settings.structured_longest is None and not is_roomy(bounds, fmt, tokens):
            bounds = bounded(bounds, fmt)
        bounds = fitted(
            bounds,
            fmt,
            tokens,
            fixed_longest=settings.structured_longest is not None,
            fixed_turns=settings.structured_most_turns is not None,
        )
    return constrain(settings.structured, fmt, bounds)
