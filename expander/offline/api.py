"""What the API takes and what it says when it will not: requests checked by hand, errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MODEL = "offline-extractive"
MOST_CHOICES = 128
MOST_STOPS = 4
MOST_INPUTS = 2048
MOST_DIMENSIONS = 8192

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An error response: status, message, OpenAI's `code` and `param`, and headers."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")  # noqa: PLR2004
        if self.code == "insufficient_quota":
            kind = "insufficient_quota"
        return orjson.dumps({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """The part of a chat request that has an effect here; other keys are taken and left alone."""

    model: str
    prompt: str
    """System messages and the last user message: the one that asks."""
    texts: tuple[str, ...]
    """Every message's text, for the usage."""
    choices: int
    stop: tuple[str, ...]
    max_tokens: int | None
    seed: int | None
    temperature: float
    stream: bool
    include_usage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    model: str
    texts: tuple[str, ...]
    dimensions: int
    base64: bool


def read_json(raw: bytes) -> dict[str, Any]:
    """The request's object. Raises ApiError 400: not JSON, not UTF-8, not an object."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return body


def read_chat(body: Mapping[str, Any], aliases: tuple[str, ...] = ()) -> ChatRequest:
    """Raises ApiError: 404 for a model that is not served, 400 for anything missing or of the wrong kind."""
    model = _model(body, aliases)
    spoken = _messages(body.get("messages"))
    asked = next((text for role, text in reversed(spoken) if role == "user"), None)
    rules = [text for role, text in spoken if role in {"system", "developer"}]
    prompt = "\n\n".join([*rules, asked] if asked is not None else [text for _, text in spoken])
    options = body.get("stream_options")
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    return ChatRequest(
        model=model,
        prompt=prompt,
        texts=tuple(text for _, text in spoken),
        choices=_integer(body, "n", 1, MOST_CHOICES) or 1,
        stop=_stops(body.get("stop")),
        max_tokens=_integer(body, limit, 1, None),
        seed=_integer(body, "seed", None, None),
        temperature=_number(body, "temperature", 0.0, 2.0, default=1.0),
        stream=_flag(body, "stream"),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def read_embedding(body: Mapping[str, Any], dimensions: int, aliases: tuple[str, ...] = ()) -> EmbeddingRequest:
    """Raises ApiError as `read_chat` does; token ids as input are refused, for there is no tokenizer."""
    model = _model(body, aliases)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ApiError(400, "`input` must be a string or a list of strings, none of them empty.", param="input")
    if len(texts) > MOST_INPUTS:
        raise ApiError(400, f"`input` holds {len(texts)} strings; the most is {MOST_INPUTS}.", param="input")
    encoding = body.get("encoding_format") or "float"
    if encoding not in {"float", "base64"}:
        raise ApiError(400, "`encoding_format` must be float or base64.", param="encoding_format")
    wanted = _integer(body, "dimensions", 1, MOST_DIMENSIONS) or dimensions
    return EmbeddingRequest(model=model, texts=tuple(texts), dimensions=wanted, base64=encoding == "base64")


def _model(body: Mapping[str, Any], aliases: tuple[str, ...]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "`model` is missing.", param="model")
    if model != MODEL and model not in aliases:
        raise ApiError(404, f"The model {model!r} does not exist here; use {MODEL}.", "model_not_found", "model")
    return model


def _messages(given: object) -> list[tuple[str, str]]:
    if not isinstance(given, list) or not given:
        raise ApiError(400, "`messages` must be a list with at least one message.", param="messages")
    spoken = []
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ApiError(400, f"`{where}` must be an object with a `role`.", param=where)
        spoken.append((message["role"], _content(message.get("content"), message["role"], where)))
    return spoken


def _content(content: object, role: str, where: str) -> str:
    if isinstance(content, str):
        return content
    if content is None and role == "assistant":
        return ""
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str) for part in content
    ):
        return "".join(part["text"] for part in content)
    raise ApiError(400, f"`{where}.content` must be a string or a list of text parts.", param=f"{where}.content")


def _stops(given: object) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(stops, list) or len(stops) > MOST_STOPS or not all(isinstance(stop, str) for stop in stops):
        raise ApiError(400, f"`stop` must be a string or a list of at most {MOST_STOPS} strings.", param="stop")
    return tuple(stop for stop in stops if stop)


def _integer(body: Mapping[str, Any], name: str, least: int | None, most: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or (least is not None and value < least)
        or (most is not None and value > most)
    ):
        bounds = (
            f" from {least} to {most}" if most is not None else f" of at least {least}" if least is not None else ""
        )
        raise ApiError(400, f"`{name}` must be a whole number{bounds}.", param=name)
    return value


def _number(body: Mapping[str, Any], name: str, least: float, most: float, *, default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ApiError(400, f"`{name}` must be a number from {least:g} to {most:g}.", param=name)
    return float(value)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"`{name}` must be true or false.", param=name)
    return bool(value)
