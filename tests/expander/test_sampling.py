"""Samples and shards: the same seed, the same posts; every question once; every id in one shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pytest

from expander.errors import UsageError
from expander.post import Place, Post, Unreadable, content_id
from expander.sampling import SamplingError, in_shard, sample_posts

PINNED = [("问1", "答1"), ("问2", "答1"), ("问4", "答0"), ("问7", "答1")]


def post(question: int, answer: int, line: int = 1) -> Post:
    texts = f"问{question}", "", f"答{answer}"
    return Post(
        id=content_id(*texts),
        title=texts[0],
        description=texts[1],
        answer=texts[2],
        question_id=str(question),
        place=Place("a.json", line),
    )


def rows(questions: int = 40, answers: int = 3) -> list[Post | Unreadable]:
    return [post(question, answer) for question in range(questions) for answer in range(answers)]


def questions_of(sample: list[Post | Unreadable]) -> list[int]:
    return [int(row.question_id) for row in sample if isinstance(row, Post)]


def test_a_question_is_drawn_twice_or_out_of_order() -> None:
    drawn = questions_of(sample_posts(iter(rows()), n=15, seed=7))
    assert len(drawn) == 15
    assert drawn == sorted(set(drawn))


def test_a_seed_means_something_else_elsewhere() -> None:
    # Fixed once: a change here would change every published sample.
    drawn = sample_posts(iter(rows(10, 2)), n=4, seed=2024)
    assert drawn == sample_posts(iter(rows(10, 2)), n=4, seed=2024)
    assert [(row.title, row.answer) for row in drawn if isinstance(row, Post)] == PINNED
    assert drawn != sample_posts(iter(rows(10, 2)), n=4, seed=2025)


def test_some_questions_or_answers_are_drawn_more_often() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(2000):
        seen.update(
            (row.title, row.answer) for row in sample_posts(iter(rows(6, 2)), n=3, seed=seed) if isinstance(row, Post)
        )
    assert len(seen) == 12
    assert all(abs(count - 500) < 100 for count in seen.values()), seen


def test_more_is_read_than_the_first_posts() -> None:
    def endless() -> Iterator[Post | Unreadable]:
        yield from rows(4, 3)
        raise AssertionError("read too far")

    assert set(questions_of(sample_posts(endless(), n=4, first=12, seed=1))) == {0, 1, 2, 3}
    assert max(questions_of(sample_posts(iter(rows()), n=5, first=15, seed=1))) == 4


def test_unreadable_rows_are_swallowed_or_counted() -> None:
    bad = [Unreadable(Place("a.json", line), "bad") for line in (1, 2, 3)]
    given: list[Post | Unreadable] = [bad[0], post(1, 1), bad[1], post(2, 1), bad[2], post(3, 1)]
    sample = sample_posts(iter(given), n=2, first=2, seed=0)
    assert sample == given[:4]


@pytest.mark.parametrize(("n", "first"), [(5, 9), (0, 10), (1, 0)], ids=["too few questions", "n zero", "first zero"])
def test_an_impossible_sample_is_drawn(n: int, first: int) -> None:
    with pytest.raises(SamplingError) as caught:
        sample_posts(iter(rows()), n=n, first=first, seed=0)
    assert isinstance(caught.value, UsageError)
    if n == 5:
        assert "at most 3" in str(caught.value)


@pytest.mark.parametrize("of", [1, 2, 7])
def test_an_id_is_in_no_shard_or_in_two(of: int) -> None:
    ids = [content_id(str(number)) for number in range(2000)]
    shards = [[post_id for post_id in ids if in_shard(post_id, shard, of)] for shard in range(1, of + 1)]
    assert sorted(chain.from_iterable(shards)) == sorted(ids)
    assert all(abs(len(shard) - 2000 / of) < 200 for shard in shards)


@pytest.mark.parametrize(("shard", "of"), [(0, 4), (5, 4), (1, 0)])
def test_a_shard_that_does_not_exist_is_empty(shard: int, of: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        in_shard("a", shard, of)
