"""Targets: what endpoints, batch services and servers send back, and what their failures mean."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping

import orjson

from expander.batch.replies import BrokenLine, FailureLine, ReplyLine, read_line
from expander.endpoint import read_reply
from expander.errors import Action, EndpointError
from expander.post import Place
from expander.retry import failure_of_status, retry_after, wait_seconds
from expander.vllm_server.log_lines import Novelty, death, plain, stage
from expander.vllm_server.metrics import read_metrics
from tests.campaigns.fuzz.contract import Target, held
from tests.campaigns.fuzz.nasties import BYTES, REPLY, line

_NOW = 1_700_000_000.0
_PLACE = Place("results.jsonl", 1)
_TOLD = re.compile(r"HTTP -?\d+(?: \([\w.-]{1,60}\))?", re.ASCII)
"""All that a failure may say: a status, and a short word."""


def body(data: bytes) -> None:
    """The body of an HTTP 200: what it says, or an error that is retried."""
    try:
        found = read_reply(data)
    except EndpointError as error:
        held(error.action is Action.RETRY and error.kind == "broken-reply", "a broken body is asked for again")
        held(len(data) < 20 or data.decode("utf-8", "replace") not in str(error), "an error never quotes a body")
        return
    held(found == read_reply(data), "reading is a function of the body")
    orjson.dumps([*found])
    for count in (found.prompt_tokens, found.completion_tokens):
        held(count is None or 0 <= count < 2**31, "a count of tokens fits the store")


def batch_line(data: bytes) -> None:
    """One line of a batch's results."""
    found = read_line(data, _PLACE)
    held(isinstance(found, ReplyLine | FailureLine | BrokenLine), "a line is a reply, a failure, or neither")
    if isinstance(found, ReplyLine):
        held(read_reply(found.body) == found.content, "a stored body is read as it was")
    elif isinstance(found, FailureLine):
        held(found.error.kind == "broken-reply" or len(str(found.error)) <= 120, "a failure tells a status and a word")
        orjson.dumps([found.error.kind, found.error.detail, found.row_id])
    else:
        orjson.dumps(found.reason)


class _Headers(dict[str, str]):
    """Header names without regard to case, as a client's are."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in given.items()})


def status(data: bytes) -> None:
    """The first two bytes are the status, then a line for Retry-After, a line for its milliseconds, and the body."""
    number = int.from_bytes(data[:2]) % 700
    after, milliseconds, told = ([*data[2:].split(b"\n", 2), b"", b""])[:3]
    headers = _Headers(
        {
            name: value.decode("latin-1")
            for name, value in (("Retry-After", after), ("Retry-After-Ms", milliseconds))
            if value
        }
    )
    wait = retry_after(headers, now=_NOW)
    held(wait is None or (math.isfinite(wait) and wait >= 0), "a wait is a time to come")
    error = failure_of_status(number, headers, told, now=_NOW)
    held(_TOLD.fullmatch(error.detail) is not None, "a failure tells a status and a word")
    for failures in (1, 30, 2000):
        seconds = wait_seconds(error, failures, random.Random(failures))
        held(math.isfinite(seconds) and seconds >= 0, "a wait is a time to come, however often it failed")


def log(data: bytes) -> None:
    """A server's log: never raises, and what is shown holds no control characters."""
    text = data.decode("utf-8", "replace")
    lines = [plain(raw) for raw in text.split("\n")]
    held(all(each.isprintable() for each in lines), "a line is shown without control characters")
    held([plain(each) for each in lines if not each] == [""] * lines.count(""), "an empty line stays one")
    novelty = Novelty()
    for each in lines:
        stage(each)
        novelty.is_new(each)
        held(not novelty.is_new(each), "a line counts once")
    for code in (None, 0, 1, -9, -11):
        held(bool(death(lines, code).reason), "a death has a reason")


def metrics(data: bytes) -> None:
    found = read_metrics(data.decode("utf-8", "replace"))
    if found is not None:
        held(found == read_metrics(data.decode("utf-8", "replace")), "reading is a function of the text")


_BODY = {
    "id": "x",
    "model": "m",
    "choices": [{"message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7},
}
_RESULT = {"id": "b", "custom_id": "a" * 20, "response": {"status_code": 200, "body": _BODY}, "error": None}
_LOG = b"""(APIServer pid=12) INFO 11-02 12:00:00 [loader.py:3] Starting to load model x
\x1b[32mLoading safetensors checkpoint shards:  50%\x1b[0m
(EngineCore_0 pid=3) ERROR 11-02 12:00:01 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
RuntimeError: Engine core initialization failed. See root cause above.
"""
_METRICS = b"""# HELP vllm:num_requests_running Number
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0"} 1e2
vllm:kv_cache_usage_perc{engine="0"} 0.5
vllm:prompt_tokens_total{engine="0"} 12345.0
"""

TARGETS = (
    Target(
        name="reply-body",
        promise="EndpointError to be retried, or what the body says, valid text all of it.",
        run=body,
        seeds=(
            line(_BODY),
            line({**_BODY, "choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]}),
            b'{"error":{"code":"x"}}',
            b"<html>",
        ),
        words=BYTES
        + tuple(
            f'"{key}"'.encode()
            for key in ("choices", "message", "content", "text", "usage", "prompt_tokens", "finish_reason")
        ),
    ),
    Target(
        name="batch-line",
        promise="Never raises: a reply, a failure without a provider's words, or why it is neither.",
        run=batch_line,
        seeds=(
            line(_RESULT),
            line({**_RESULT, "response": None, "error": {"code": "batch_expired", "message": "x"}}),
            line({**_RESULT, "response": {"status_code": 429, "body": {"error": {"code": "rate_limit_exceeded"}}}}),
            line({"custom_id": "a", "url": "/v1", "body": {}}),
        ),
        words=BYTES
        + tuple(
            f'"{key}"'.encode() for key in ("custom_id", "response", "status_code", "error", "body", "code", "type")
        ),
    ),
    Target(
        name="status",
        promise="An EndpointError of a status and a word; waits are finite and to come.",
        run=status,
        seeds=(
            b"\x01\xad30\n\n{}",
            b"\x01\xadWed, 21 Oct 2026 07:28:00 GMT\n1500\n{}",
            b'\x01\x90\n\n{"error":{"code":"insufficient_quota","type":"x"}}',
            b"\x01\xf7\n\n",
        ),
        words=(
            *BYTES,
            b"GMT",
            b"+0000",
            b"-9999",
            b"Sun, ",
            b"Jan",
            b"inf",
            b"nan",
            b"1e400",
            b"2**31",
            b'"code"',
            b'"type"',
        ),
    ),
    Target(
        name="server-log",
        promise="Never raises; what is shown is printable; a line counts once.",
        run=log,
        seeds=(
            _LOG,
            b"Downloading shards: 30%\nFetching 4 files:  25%",
            b"Maximum concurrency for 4,096 tokens per request: 12.5x",
        ),
        words=(
            *BYTES,
            b"Error: ",
            b"pid=1) ",
            b"INFO 01-01 00:00:00 [a] ",
            b"%",
            b"100%",
            b"CUDA out of memory",
            b"error: argument ",
        ),
    ),
    Target(
        name="server-metrics",
        promise="Never raises; None where it is no reading.",
        run=metrics,
        seeds=(_METRICS, b"vllm:num_requests_running 0\n"),
        words=(*BYTES, b"NaN", b"+Inf", b"1e400", b"--", b".", b"e", b"vllm:num_requests_running ", b"}"),
    ),
)
