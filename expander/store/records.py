"""What a run store holds, as values: rows, replies, how a row ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import orjson

from expander.post import Place, Post, Redaction


class Kind(StrEnum):
    """What a store's rows are."""

    EXPANSION = "expansion"
    """Posts, and the dialogues made from them."""
    ANNOTATION = "annotation"
    """Dialogues, or pairs of them, and what an annotator says of them. A row's post is the text that was sent (`answer`;
    of a pair, `description` and `answer`); its keywords are the ids that the dialogues have in their corpora."""


class Outcome(StrEnum):
    """How a row ended."""

    KEPT = "kept"
    REJECTED = "rejected"
    """It has replies, and none passes the rules."""
    FAILED = "failed"
    """It has no reply. The next run asks again."""


class StoredReply(NamedTuple):
    """One reply as it came: the HTTP body, before anything read it."""

    id: int
    row_id: str
    generation: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """A reply on its way into the store."""

    row_id: str
    generation: int
    seconds: float
    prompt_tokens: int | None
    completion_tokens: int | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRecord:
    """A row and how it ended."""

    id: str
    position: int
    post: Post
    """As sent: after cleaning."""
    changes: Mapping[str, int]
    """What cleaning changed."""
    redactions: tuple[Redaction, ...]
    sample: int
    topic: str | None
    outcome: Outcome
    rule: str | None
    reason: str | None
    replies: tuple[int, ...]
    """Ids of its replies, oldest first; the last one decided the outcome."""
    reading: bytes | None
    """What the rules read in a kept reply, as JSON. A cache: the reply is what counts."""


class StoredPost(NamedTuple):
    """A post as it was sent, and what was done to it before."""

    post: Post
    changes: Mapping[str, int]
    redactions: tuple[Redaction, ...]


def post_of(text: str) -> StoredPost:
    """The post of a stored row."""
    stored = orjson.loads(text)
    changes = stored.pop("changes")
    redactions = tuple(Redaction(*entry) for entry in stored.pop("redactions"))
    place = Place(*stored.pop("place"))
    keywords = tuple(stored.pop("keywords"))
    return StoredPost(Post(**stored, keywords=keywords, place=place), changes, redactions)


def post_text(row: RowRecord) -> str:
    """A row's post as the store has it: what `post_of` reads."""
    post = row.post
    return orjson.dumps(
        {
            "id": post.id,
            "title": post.title,
            "description": post.description,
            "answer": post.answer,
            "question_id": post.question_id,
            "keywords": post.keywords,
            "place": list(post.place),
            "changes": row.changes,
            "redactions": [list(redaction) for redaction in row.redactions],
        }
    ).decode()
