"""The one seam between the job and whatever writes the dialogues."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Protocol

import orjson

from expander.errors import Action, EndpointError

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_LONGEST_NUMBER = 18  # digits; nothing that is read here has as many
_MOST_TOKENS = 2**31  # no reply has as many; the store takes 64 bits with a sign


class Request(NamedTuple):
    """One attempt's question: what differs between rows. Model and sampling belong to the endpoint."""

    prompt: str
    seed: int | None


class ReplyContent(NamedTuple):
    """What a chat completion's body says, of its first choice."""

    text: str | None
    """None where the endpoint sent null, or nothing that is text."""
    finish_reason: str | None
    model: str | None
    prompt_tokens: int | None
    """As the endpoint counted them; None where it did not."""
    completion_tokens: int | None


class Reply(NamedTuple):
    """What the endpoint returned."""

    body: bytes
    """The whole HTTP body: this is what gets stored, before anything below is used."""
    seconds: float
    content: ReplyContent


class Endpoint(Protocol):
    """Anything that answers a request."""

    async def complete(self, request: Request) -> Reply:
        """A reply, or EndpointError, which says whether to ask again, after how long, and what to do."""
        ...


def read_reply(body: bytes) -> ReplyContent:
    """What the body of an HTTP 200 says.

    Raises EndpointError (to be retried) where it is no chat completion: cut off, HTML, wrong encoding, no choices.
    A choice with nothing in it is a reply: it was paid for, is stored, and the rules reject it.
    """
    document = _parsed(body)
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _broken("no choices in it")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    if isinstance(text, list):  # content in parts, as some gateways send it
        parts = [part.get("text") for part in text if isinstance(part, dict)]
        text = "".join(part for part in parts if isinstance(part, str))
    usage = document.get("usage")
    if not isinstance(usage, dict):
        usage = {}
    return ReplyContent(
        text=_word(text),
        finish_reason=_word(choice.get("finish_reason")),
        model=_word(document.get("model")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Also what is nearly JSON: NaN, half a surrogate pair, a byte-order mark. It was paid for like any other."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=_whole_number, object_hook=_writable)
    except (ValueError, RecursionError) as error:
        raise _broken("no JSON, or cut off") from error


def _writable(document: dict[str, Any]) -> dict[str, Any]:
    """Half a surrogate pair, which nothing can write, becomes U+FFFD, which the rules look for."""
    return {
        name: _HALF_PAIR.sub("\ufffd", value) if isinstance(value, str) else value for name, value in document.items()
    }


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


def _broken(what: str) -> EndpointError:
    return EndpointError("broken-reply", Action.RETRY, f"HTTP 200 with a body that is no chat completion: {what}")


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS:
        return value
    return None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None
