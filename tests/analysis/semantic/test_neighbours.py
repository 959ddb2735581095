"""Nearest dialogues against a search through all."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.semantic.neighbours import NO_NEIGHBOUR, nearest, share_with_close_neighbour
from tests.analysis.semantic.vectors import scattered


@pytest.mark.parametrize(("asked", "among"), [(5, 7), (2100, 4200), (1, 2049)])
def test_the_nearest_is_not_the_best_of_all(asked: int, among: int) -> None:
    one, two = scattered(asked, 6, seed=1), scattered(among, 6, seed=2)
    two[among // 2] = 0.0
    cosines = one @ two.T
    cosines[:, among // 2] = -2
    found = nearest(one, two)
    assert found.cosines == pytest.approx(cosines.max(axis=1), abs=1e-6)
    assert cosines[np.arange(asked), found.places] == pytest.approx(cosines.max(axis=1), abs=1e-6)


def test_rows_of_zeros_have_or_are_neighbours() -> None:
    one, nothing = scattered(3, 4, seed=1), np.zeros((2, 4), dtype=np.float32)
    assert nearest(nothing, one).places.tolist() == [NO_NEIGHBOUR] * 2
    assert nearest(one, nothing).cosines.tolist() == [0.0] * 3
    assert nearest(one, one[:0]).places.tolist() == [NO_NEIGHBOUR] * 3
    assert len(nearest(one[:0], one).places) == 0


def test_a_dialogue_is_its_own_neighbour_or_a_copy_is_missed() -> None:
    vectors = scattered(3000, 400, seed=1)
    vectors[2900] = vectors[10]  # in another block
    vectors[20] = vectors[21] = vectors[22]
    figure = share_with_close_neighbour(vectors, corpus="a", size=3000)
    assert figure.value == 5 / 3000
    drawn = share_with_close_neighbour(vectors, corpus="a", size=500, seed=4)
    assert drawn.n == 500
    assert drawn == share_with_close_neighbour(vectors, corpus="a", size=500, seed=4)


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_a_corpus_below_the_size_gets_a_value(rows: int) -> None:
    figure = share_with_close_neighbour(scattered(rows, 3, seed=1), corpus="a", size=10)
    assert figure.value is None
    assert f"{rows} embedded dialogues; 10 are needed" in figure.remark
