"""A chat completion: choices written by the rewriter or the annotator, cut by `stop` and `max_tokens`, in OpenAI's shape."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from expander.offline import annotator, rewriter, tokens
from expander.offline.api import MODEL, ChatRequest
from expander.offline.faults import RULES
from expander.offline.reading import read_prompt
from expander.offline.spoiling import spoilt

FINGERPRINT = "offline-extractive-1"
"""Changes when the rewriter's wording does: equal fingerprint, prompt and seed mean equal text."""
HUGE = 5_000_000
"""Bytes, about, in the content of a `huge` reply."""

Finish = Literal["stop", "length", "content_filter"]


class Choice(NamedTuple):
    text: str | None
    finish: Finish


def choices(request: ChatRequest, fault: str | None = None) -> list[Choice]:
    """As many choices as asked; `fault` is a kind of `faults.RULES` or `faults.CONTENT`, or None.

    At temperature 0 the prompt alone decides and all choices are alike. Otherwise the seed decides, and without one chance.
    """
    if fault == "no-choices":
        return []
    if request.temperature == 0:
        seeds = [0] * request.choices
    else:
        first = random.getrandbits(63) if request.seed is None else request.seed
        seeds = list(range(first, first + request.choices))
    if (asked := annotator.recognised(request.prompt)) is not None:
        text = annotator.UNSURE if fault in RULES else annotator.answer(asked)
        return [_emptied(_cut(text, request), fault) for _ in seeds]
    reading = read_prompt(request.prompt)
    written = []
    for seed in seeds:
        draft = rewriter.draft(reading, rewriter.drawn(request.prompt, seed))
        text = spoilt(fault, draft, reading) if fault in RULES else draft.text()
        written.append(_cut(text, request))
    return [_emptied(choice, fault) for choice in written]


def _cut(text: str, request: ChatRequest) -> Choice:
    ends = [end for stop in request.stop if (end := text.find(stop)) >= 0]
    if ends:
        text = text[: min(ends)]
    if request.max_tokens is not None and len(shorter := tokens.prefix(text, request.max_tokens)) < len(text):
        return Choice(shorter, "length")
    return Choice(text, "stop")


def _emptied(choice: Choice, fault: str | None) -> Choice:
    text = choice.text or ""
    match fault:
        case "empty":
            return choice._replace(text="")
        case "null":
            return choice._replace(text=None)
        case "length":
            return Choice(text[: len(text) * 3 // 5], "length")
        case "content_filter":
            return Choice(text[: len(text) // 5], "content_filter")
        case "huge":
            line = text.rstrip() + "\n"
            return choice._replace(text=line * (HUGE // max(1, len(line.encode())) + 1))
        case _:
            return choice


def usage(request: ChatRequest, made: Sequence[Choice]) -> dict[str, int]:
    """Estimated tokens; see `tokens`."""
    asked = sum(map(tokens.count, request.texts))
    said = sum(tokens.count(choice.text or "") for choice in made)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def completion(request: ChatRequest, made: Sequence[Choice]) -> bytes:
    """The reply's body. `model` is the rewriter's own name, whatever alias was asked for."""
    return orjson.dumps(
        {
            **_head("chat.completion", request),
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": choice.text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(made)
            ],
            "usage": usage(request, made),
        }
    )


def events(request: ChatRequest, made: Sequence[Choice]) -> Iterator[bytes]:
    """The same as server-sent events: each choice line by line, its finish, the usage if asked for, and the end."""
    head = _head("chat.completion.chunk", request)

    def event(chunks: list[dict[str, Any]], **extra: object) -> bytes:
        return b"data: " + orjson.dumps({**head, "choices": chunks, **extra}) + b"\n\n"

    for index, choice in enumerate(made):
        yield event([{"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for line in (choice.text or "").splitlines(keepends=True):
            yield event([{"index": index, "delta": {"content": line}, "finish_reason": None}])
        yield event([{"index": index, "delta": {}, "finish_reason": choice.finish}])
    if request.include_usage:
        yield event([], usage=usage(request, made))
    yield b"data: [DONE]\n\n"


def _head(kind: str, request: ChatRequest) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{random.getrandbits(96):024x}",
        "object": kind,
        "created": int(time.time()),
        "model": MODEL,
        "system_fingerprint": annotator.FINGERPRINT if annotator.recognised(request.prompt) else FINGERPRINT,
    }
