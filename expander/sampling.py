"""Which posts a run takes: SMILE's sample of distinct questions, and one shard of many by id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count
from random import Random

from expander.errors import UsageError
from expander.post import Post, Unreadable

FIRST_QAS = 5000
"""SMILE section 4.1 draws its 500 questions from the first 5,000 QAs of PsyQA."""


class SamplingError(UsageError):
    """The sample that was asked for cannot be drawn; the message says what to change."""


def sample_posts(
    rows: Iterator[Post | Unreadable], *, n: int, first: int = FIRST_QAS, seed: int
) -> list[Post | Unreadable]:
    """`n` distinct questions drawn without replacement from the first `first` posts, one random answer each.

    Order is that of a question's first appearance; rows that could not be read stand where they stood, and do not
    count. Reads no further than the post number `first`. The same rows and seed give the same sample on any machine.
    Raises SamplingError where there are fewer than `n` distinct questions, or a number below one.
    """
    if n < 1 or first < 1:
        raise SamplingError(f"A sample needs n and first of at least 1; they are {n} and {first}.")
    places = count()
    questions: dict[str, tuple[int, list[Post]]] = {}
    unread: list[tuple[int, Unreadable]] = []
    posts = 0
    for row in rows:
        if isinstance(row, Unreadable):
            unread.append((next(places), row))
            continue
        if row.question_id in questions:
            questions[row.question_id][1].append(row)
        else:
            questions[row.question_id] = (next(places), [row])
        posts += 1
        if posts == first:
            break
    if len(questions) < n:
        raise SamplingError(
            f"{n} distinct questions were asked for, but the first {posts} posts hold {len(questions)}. "
            f"Ask for at most {len(questions)}, or read more posts (first is {first})."
        )
    random = Random(seed)
    # The draw follows the order of appearance, never a set's or a hash's, so that a seed means the same everywhere.
    drawn = sorted(random.sample(range(len(questions)), n))
    by_appearance = list(questions.values())
    sampled: list[tuple[int, Post | Unreadable]] = [
        (by_appearance[index][0], random.choice(by_appearance[index][1])) for index in drawn
    ]
    return [row for _, row in sorted([*sampled, *unread], key=lambda placed: placed[0])]


def in_shard(post_id: str, shard: int, of: int) -> bool:
    """Whether the post belongs to shard number `shard` of `of`, counted from 1. Every id is in exactly one.

    Depends on the id alone, so machines need not agree on order or on how many rows there are.
    Raises ValueError for a shard outside 1 to `of`.
    """
    if not 1 <= shard <= of:
        raise ValueError(f"Shard {shard} of {of} does not exist: shards are counted from 1 to {max(of, 1)}.")
    digest = hashlib.sha256(post_id.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") % of == shard - 1
