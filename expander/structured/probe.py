"""Whether an endpoint decodes under constraints: asked before a run begins, for unknown fields are ignored in silence."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from enum import StrEnum
from typing import Any, NamedTuple

from expander.endpoint import ReplyContent, Request
from expander.errors import Action, EndpointError
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.settings import EndpointSettings, SamplingSettings
from expander.structured.constraint import Constraint, Kind, body_of

# What is asked for breaks the rule, and what the rule forces nobody would say.
_QUESTION = "Reply with the word hello and nothing else."
_FORCED = "7171717"
_KEY = "reply"
_TOKENS = 64  # room for a JSON object and the white space that a model may put into it
_TOKENS_OF_THE_RULE = 8  # enough to see that the rule itself is taken
_TRIES = 3
_PAUSE = 1.0  # seconds between tries


class Obedience(StrEnum):
    """What the probe found."""

    OBEYS = "obeys"
    IGNORES = "ignores"
    REFUSES = "refuses"
    UNCLEAR = "unclear"
    """No answer, or one that shows nothing: the run finds out, since every reply is checked in any case."""


class Finding(NamedTuple):
    """What the probe found, and a sentence that says so; it holds nothing that was sent or received."""

    obedience: Obedience
    text: str


async def probe(
    constraint: Constraint,
    *,
    base_url: str,
    model: str,
    endpoint: EndpointSettings,
    sampling: SamplingSettings,
    system: str | None,
) -> Finding:
    """Two small requests: a rule that forbids what is asked for, then the run's own, to see that it is taken.

    Raises UsageError as `compose` does; failures of the endpoint are findings.
    """

    async def asked(body: dict[str, Any], tokens: int) -> ReplyContent:
        composed = compose(
            base_url=base_url,
            model=model,
            endpoint=endpoint,
            sampling=replace(sampling, max_tokens=tokens, stop=()),
            system=system,
            constrained=body,
        )
        async with OpenAIEndpoint(composed, connections=1, attempt_timeout=endpoint.attempt_timeout) as connected:
            return await _patiently(connected)

    name = named(constraint.kind)
    try:
        content = await asked(body_of(constraint.kind, _forcing(constraint.kind)), _TOKENS)
        found = _judged(content, constraint.kind)
        if found is Obedience.OBEYS:
            await asked(constraint.body(), _TOKENS_OF_THE_RULE)
    except EndpointError as error:
        if error.action is Action.FAIL_ROW:
            return Finding(Obedience.REFUSES, f"The endpoint refuses {name} (HTTP {error.status}).")
        return Finding(Obedience.UNCLEAR, f"Whether the endpoint obeys {name} could not be seen ({error.kind}).")
    if found is Obedience.IGNORES:
        return Finding(found, f"The endpoint takes {name} and does not obey: the field is ignored.")
    if found is Obedience.UNCLEAR:
        return Finding(found, f"Whether the endpoint obeys {name} could not be seen: its answer was cut or empty.")
    return Finding(found, f"The endpoint obeys {name}.")


def named(kind: Kind) -> str:
    """The field that a constraint of this kind is sent in."""
    return "response_format with a JSON Schema" if kind == "json" else f"structured_outputs.{kind}"


async def _patiently(endpoint: OpenAIEndpoint) -> ReplyContent:
    """The answer, asked for again after a short pause where the endpoint says that it may be. Raises EndpointError."""
    for left in reversed(range(_TRIES)):
        try:
            reply = await endpoint.complete(Request(_QUESTION, None))
        except EndpointError as error:
            if error.action is not Action.RETRY or not left:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return reply.content
    raise AssertionError("the last try answers or raises")


def _forcing(kind: Kind) -> object:
    if kind == "regex":
        return _FORCED
    if kind == "grammar":
        return f'root ::= "{_FORCED}"\n'
    return {
        "type": "object",
        "properties": {_KEY: {"type": "string", "enum": [_FORCED]}},
        "required": [_KEY],
        "additionalProperties": False,
    }


def _judged(content: ReplyContent, kind: Kind) -> Obedience:
    """Cut by length, what stands there must be the beginning of what the rule forces; white space aside."""
    said = "".join((content.text or "").split())
    forced = json.dumps({_KEY: _FORCED}, separators=(",", ":")) if kind == "json" else _FORCED
    if said == forced or (said and content.finish_reason == "length" and forced.startswith(said)):
        return Obedience.OBEYS
    return Obedience.IGNORES if said else Obedience.UNCLEAR
