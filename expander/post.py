"""A post: one question with one answer, the single-turn dialogue that is to be expanded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """Where a row stands: file name as given, and its line (for Parquet: its row), counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One question (title and description) with one answer; a PsyQA question with k answers is k posts."""

    id: str
    title: str
    description: str
    answer: str
    question_id: str
    """Shared by all answers to one question: the source's own id, or a hash of title and description."""
    keywords: tuple[str, ...] = ()
    place: Place


class Redaction(NamedTuple):
    """Personal data that was taken out of a post: which field, what kind, and where it stood in the text as read.

    Never the text itself.
    """

    field: str
    kind: str
    start: int
    end: int


MOST_NAMED = 20
"""Unreadable rows that a dry run names, one a line; past these it counts them. A file that is wrong throughout has millions."""


class Unreadable(NamedTuple):
    """A row that could not become a post; the rows around it go on."""

    place: Place
    reason: str


def content_id(*texts: str) -> str:
    """80 bits of SHA-256 over the texts, in hex. Two of a million posts collide with a chance below 1e-12."""
    return Content(*texts).id


class Content:
    """Texts of which ids are made: that of some, and that of the same and one more, without hashing the first ones twice."""

    __slots__ = ("_digest",)

    def __init__(self, *texts: str) -> None:
        self._digest = hashlib.sha256("\x1f".join(texts).encode("utf-8"))

    @property
    def id(self) -> str:
        return self._digest.hexdigest()[:20]

    def id_with(self, text: str) -> str:
        """`content_id` of the texts and this one."""
        digest = self._digest.copy()
        digest.update(f"\x1f{text}".encode())
        return digest.hexdigest()[:20]
