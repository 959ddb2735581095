"""The project's own posts: what a user tries first must be readable, varied, and free of anybody's data."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import expander.examples
from expander.cleaning import clean
from expander.post import Post
from expander.sources import read_posts

FILE = Path(expander.examples.__file__).with_name("posts.json")
POSTS = [row for row in read_posts(FILE) if isinstance(row, Post)]


def test_a_row_is_unreadable_or_missing() -> None:
    assert len(list(read_posts(FILE))) == len(POSTS)
    assert len({post.question_id for post in POSTS}) >= 24
    assert len({post.id for post in POSTS}) == len(POSTS)


def test_ids_do_not_count_from_one() -> None:
    ids = [question["questionID"] for question in json.loads(FILE.read_text(encoding="utf-8"))]
    assert ids == list(range(1, len(ids) + 1))


@pytest.mark.parametrize("post", POSTS, ids=lambda post: f"{post.question_id}-{post.id[:4]}")
def test_an_answer_is_no_realistic_answer(post: Post) -> None:
    assert 250 <= len(post.answer) <= 700
    assert len(re.findall("[。！？]", post.answer)) >= 6
    assert post.description
    assert 2 <= len(post.keywords) <= 5
    cleaned = clean(post)
    assert cleaned.empty is None
    assert "cut characters" not in dict(cleaned.changes)


def test_answers_open_or_close_alike() -> None:
    assert max(Counter(post.answer[:4] for post in POSTS).values()) <= 2
    assert max(Counter(post.answer[-6:] for post in POSTS).values()) == 1


def test_cleaning_has_no_work() -> None:
    changed = {name for post in POSTS for name, _ in clean(post).changes}
    assert changed >= {"楼主", "题主", "楼主你", "题主你", "答主", "嗨，", "抱抱 clause"}


def test_personal_data_stands_in_an_example() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert not re.search(r"\d{5,}|@|https?:|微信|QQ", text)
