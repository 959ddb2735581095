"""Cosines with posts, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.semantic.transformation import (
    NO_POST,
    boundary,
    distribution,
    share_above,
    with_own_post,
    with_random_post,
)
from tests.analysis.semantic.vectors import scattered

POSTS = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=np.float32)
DIALOGUES = np.array([[0.6, 0.8], [0.6, 0.8], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], dtype=np.float32)
OWN = np.array([0, 1, NO_POST, 0, 2])


def test_a_dialogue_is_held_against_another_post_than_its_own() -> None:
    found = with_own_post(DIALOGUES, POSTS, OWN)
    assert found.values == pytest.approx([0.6, 0.8])
    assert (found.dialogues.tolist(), found.posts.tolist(), found.left_out) == ([0, 1], [0, 1], 2)


def test_a_random_post_is_its_own_or_has_no_embedding() -> None:
    posts = scattered(6, 4, seed=1)
    posts[5] = 0.0
    posts[1] = posts[0]  # the same question, answered twice
    dialogues = scattered(4000, 4, seed=2)
    own = np.arange(4000) % 5
    found = with_random_post(dialogues, posts, own, seed=7)
    assert len(found.values) == 4000
    assert set(found.posts.tolist()) == {0, 1, 2, 3, 4}
    drawn = np.where(found.posts == 1, 0, found.posts)
    assert (drawn != np.where(own == 1, 0, own)).all()
    assert found.values == pytest.approx(np.einsum("ij,ij->i", dialogues, posts[found.posts]), abs=1e-6)
    # Evenly: of dialogue 4's kind, the four other posts get a quarter each, within four standard errors.
    shares = np.bincount(found.posts[own == 4], minlength=4)[:4] / 800
    assert shares == pytest.approx([0.25] * 4, abs=4 * np.sqrt(0.25 * 0.75 / 800))
    assert (with_random_post(dialogues, posts, own, seed=7).posts == found.posts).all()


def test_no_other_post_makes_a_traceback() -> None:
    assert len(with_random_post(DIALOGUES, POSTS[:1], np.zeros(5, dtype=np.int64)).values) == 0
    assert len(with_random_post(DIALOGUES, POSTS[2:]).values) == 0
    assert len(with_random_post(DIALOGUES[:0], POSTS).values) == 0
    assert len(with_own_post(DIALOGUES, POSTS, np.full(5, NO_POST)).values) == 0
    assert distribution(with_random_post(DIALOGUES, POSTS[2:]), corpus="a") is None


def test_the_line_is_not_three_sample_sds_below_the_mean() -> None:
    values = np.array([0.5, 0.7, 0.9])
    assert boundary(values) == pytest.approx(0.7 - 3 * 0.2)
    assert boundary(values[:1]) is None
    assert share_above(values, 0.5) == pytest.approx(2 / 3)
    assert share_above(values, None) is None
    assert share_above(values[:0], 0.5) is None


def test_the_distribution_loses_dialogues_or_hides_the_line() -> None:
    dialogues, posts = scattered(200, 5, seed=1), scattered(200, 5, seed=2)
    dialogues[3] = 0.0
    found = distribution(with_own_post(dialogues, posts, np.arange(200)), corpus="a")
    assert found is not None
    assert found.n == sum(found.counts) == 199
    assert len(found.edges) == len(found.counts) + 1
    assert "mean - 3 sd = " in found.remark
    assert "1 dialogues are left out" in found.remark
    assert found.box.low < found.box.median < found.box.high


def test_equal_cosines_make_no_bar() -> None:
    ones = np.repeat(POSTS[:1], 4, axis=0)
    found = distribution(with_own_post(ones, ones, np.arange(4)), corpus="a")
    assert found is not None
    assert (found.counts, found.mean, found.sd) == ((4,), 1.0, 0.0)
    assert found.edges == pytest.approx((0.999, 1.0))
