"""Lines of a batch's results: a reply, a failure, or a line that is neither. Pure, apart from reading the file.

The Batch API sorts its results into an output and an error file, `vllm run-batch` writes one file with everything; both
hold the same kind of line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from expander.endpoint import ReplyContent, read_reply
from expander.errors import Action, EndpointError, UsageError
from expander.post import Place
from expander.retry import failure_of_status
from expander.sources.lines import ROW_LIMIT_BYTES, split_lines

_LONGEST_ID = 200  # characters; ours have 20, and a line of other people's making must not fill the screen
_IDENTIFIER = re.compile(r"[A-Za-z]+([_.-][A-Za-z]+){0,8}", re.ASCII)  # an error's code, and never a sentence
_CODE_LENGTH = 60
_CHUNK_BYTES = 1 << 20
# OpenAI's codes for requests that a batch never got to.
_UNREACHED = {"batch_expired": "batch-expired", "batch_cancelled": "batch-cancelled"}


class ReplyLine(NamedTuple):
    """A reply to a row: the chat completion's body, and what it says."""

    place: Place
    row_id: str
    body: bytes
    content: ReplyContent


class FailureLine(NamedTuple):
    """A row that got no reply."""

    place: Place
    row_id: str
    error: EndpointError


class BrokenLine(NamedTuple):
    """A line that is no result."""

    place: Place
    reason: str


ResultLine = ReplyLine | FailureLine | BrokenLine


def result_lines(path: Path) -> Iterator[ResultLine]:
    """The file's lines, blank ones left out; a line without end is a broken one, and is not held in memory.

    Raises UsageError where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for line in split_lines(iter(partial(file.read, _CHUNK_BYTES), b"")):
                place = Place(str(path), line.number)
                if line.data is None:
                    yield BrokenLine(place, f"the line is longer than {ROW_LIMIT_BYTES} bytes")
                elif line.data.strip():
                    yield read_line(line.data, place)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}. Name a file of batch results.") from error


def read_line(line: bytes, place: Place) -> ResultLine:
    """What one line says. Messages of errors are never taken over: providers quote prompts and keys in them."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return BrokenLine(place, "no JSON, or cut off")
    if not isinstance(found, dict):
        return BrokenLine(place, "no JSON object")
    row_id = found.get("custom_id")
    if not isinstance(row_id, str) or not row_id or len(row_id) > _LONGEST_ID:
        return BrokenLine(place, "no custom_id that is a row's")
    response, error = found.get("response"), found.get("error")
    if isinstance(response, dict):
        return _answered(response, error, place, row_id)
    if error is not None:
        return FailureLine(place, row_id, _never_reached(error))
    if "body" in found and "url" in found:
        return BrokenLine(place, "a request; name the file of results instead")
    return BrokenLine(place, "neither a response nor an error")


def _answered(response: dict[str, Any], error: object, place: Place, row_id: str) -> ResultLine:
    status = response.get("status_code", HTTPStatus.OK)
    if not isinstance(status, int) or isinstance(status, bool):
        return BrokenLine(place, "a status_code that is no number")
    body = response.get("body")
    if status == HTTPStatus.OK and error is not None and body is None:
        return FailureLine(place, row_id, _never_reached(error))
    raw = orjson.dumps(body)
    if status != HTTPStatus.OK:
        # OpenAI's error stands in the body; vLLM's beside it, under a key `error` of its own.
        told = raw if isinstance(body, dict) else orjson.dumps(error)
        return FailureLine(place, row_id, failure_of_status(status, {}, told, now=time.time()))
    try:
        return ReplyLine(place, row_id, raw, read_reply(raw))
    except EndpointError as broken:
        return FailureLine(place, row_id, broken)


def _never_reached(error: object) -> EndpointError:
    code = identifier(error.get("code") if isinstance(error, dict) else None)
    return EndpointError(_UNREACHED.get(code, "batch-failed"), Action.RETRY, code or "the batch gave it no response")


def identifier(value: object) -> str:
    """An error's code if it is one, else nothing: what may be shown and stored."""
    if isinstance(value, str) and len(value) <= _CODE_LENGTH and _IDENTIFIER.fullmatch(value):
        return value
    return ""
