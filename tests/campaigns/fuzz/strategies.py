"""Structured inputs for the short form: documents that are nearly what a reader expects, rather than bytes that are nearly text."""

from __future__ import annotations

import json
import random

from hypothesis import strategies as st

from tests.campaigns.fuzz.contract import Target
from tests.campaigns.fuzz.mutate import mutated

_KEYS = (
    *(
        "question",
        "description",
        "answer",
        "answers",
        "answer_text",
        "keywords",
        "questionID",
        "messages",
        "role",
        "content",
    ),
    *(
        "dialog",
        "speaker",
        "conversations",
        "from",
        "value",
        "id",
        "custom_id",
        "response",
        "status_code",
        "body",
        "error",
        "code",
    ),
    *(
        "choices",
        "message",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "topics",
        "labels",
        "name",
        "score",
        "winner",
        "outcome",
    ),
)
_WORDS = (
    "client",
    "counselor",
    "user",
    "assistant",
    "Seeker",
    "Supporter",
    "human",
    "gpt",
    "system",
    "text",
    "stop",
    "read",
    "求助者：你好",
)
_texts = st.one_of(st.sampled_from(_WORDS), st.text(max_size=12))
_scalars = st.one_of(st.none(), st.booleans(), st.integers(-3, 2**70), st.floats(allow_nan=False), _texts)
_documents = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(_KEYS), _texts), inner, max_size=5)
    ),
    max_leaves=14,
)


def _written(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Documents in JSON and lines of them, the target's own words in any order, and its seeds mutated."""
    pieces = st.sampled_from((*target.words, *target.seeds))
    lines = st.lists(_documents.map(_written), min_size=1, max_size=3).map(b"\n".join)
    prefixed = st.tuples(st.binary(min_size=1, max_size=1), lines).map(b"".join)
    words = st.lists(st.one_of(pieces, st.text(max_size=6).map(lambda text: text.encode("utf-8"))), max_size=14).map(
        b"".join
    )
    steps = st.integers(0, 2**32).map(lambda seed: mutated(target, target.seeds, random.Random(seed)))
    return st.one_of(steps, words, lines, prefixed, st.binary(max_size=60))
