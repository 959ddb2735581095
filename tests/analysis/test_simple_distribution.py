from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures import Distribution
from analysis.simple_distribution import distribution, shared_edges


def drawn(values: Sequence[float], edges: Sequence[float] | None = None, bins: int = 40) -> Distribution:
    found = distribution(values, corpus="c", metric="m", unit="dialogues", bins=bins, edges=edges)
    assert found is not None
    return found


def test_a_count_has_another_bin_than_its_own() -> None:
    found = drawn([2, 3, 3, 5])
    assert found.edges == (1.5, 2.5, 3.5, 4.5, 5.5)
    assert found.counts == (1, 2, 0, 1)
    assert (found.n, found.mean, found.remark) == (4, 3.25, "")
    assert found.sd == pytest.approx(math.sqrt((1.5625 + 0.0625 + 0.0625 + 3.0625) / 3))


def test_turns_of_a_half_fall_on_an_edge() -> None:
    found = drawn([1, 1.5, 1.5, 2.5])
    assert found.edges == (0.75, 1.25, 1.75, 2.25, 2.75)
    assert found.counts == (1, 2, 0, 1)


def test_bins_of_many_counts_hold_unequally_many_of_them() -> None:
    found = drawn(list(range(1, 101)), bins=40)
    assert set(found.counts[:-1]) == {3}
    assert sum(found.counts) == 100
    assert len(found.counts) <= 40


def test_the_box_differs_from_quantiles_by_hand() -> None:
    box = drawn([float(value) for value in range(21)]).box
    assert tuple(box) == pytest.approx((1.0, 5.0, 10.0, 15.0, 19.0))


@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, -2.75, 1e12 + 0.3])
def test_a_constant_has_no_histogram(value: float) -> None:
    found = drawn([value] * 7)
    assert found.counts == (7,)
    assert found.edges[0] < value < found.edges[1]
    assert found.sd == pytest.approx(0.0, abs=1e-3)


def test_one_value_has_a_spread() -> None:
    found = drawn([0.25])
    assert (found.n, found.sd, tuple(found.box)) == (1, 0.0, (0.25,) * 5)


def test_nothing_to_draw_is_drawn() -> None:
    for values in ([], [float("nan"), float("inf")]):
        assert distribution(values, corpus="c", metric="m", unit="dialogues") is None
    assert shared_edges([]) == (0.0, 1.0)
    assert shared_edges([[], [float("nan")]]) == (0.0, 1.0)


def test_a_value_that_is_not_finite_is_left_out_in_silence() -> None:
    found = drawn([1, 2, float("nan"), float("-inf")])
    assert found.n == 2
    assert "2 values left out" in found.remark


def test_a_long_tail_stretches_the_axis_or_is_lost() -> None:
    values = [*np.linspace(0, 1, 999).tolist(), 500.0]
    found = drawn(values)
    assert found.edges[-1] < 2
    assert sum(found.counts) == 1000
    assert "up to 500" in found.remark
    assert found.mean == pytest.approx(np.mean(values))


def test_a_short_tail_is_cut() -> None:
    found = drawn(np.random.default_rng(1).uniform(0, 1, 1000).tolist())
    assert found.remark == ""


def test_corpora_do_not_share_their_edges() -> None:
    few, many = [1, 2, 3], [10, 12]
    edges = shared_edges([few, many])
    one, other = drawn(few, edges), drawn(many, edges)
    assert one.edges == other.edges
    assert edges[0] == 0.5
    assert edges[-1] == 12.5
    assert sum(one.counts) == 3
    assert sum(other.counts) == 2


def test_values_outside_given_edges_are_lost_in_silence() -> None:
    found = drawn([-3, 0.5, 9], [0, 1, 2])
    assert found.counts == (2, 1)
    assert "above 2" in found.remark
    assert "below 0" in found.remark


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [2.0, 1.0]])
def test_edges_that_do_not_rise_are_taken(edges: list[float]) -> None:
    with pytest.raises(ValueError, match="Edges"):
        distribution([1.0], corpus="c", metric="m", unit="u", edges=edges)


def test_no_bins_are_taken() -> None:
    with pytest.raises(ValueError, match="bins"):
        shared_edges([[1.0]], bins=0)


@given(st.lists(st.floats(-1e9, 1e9) | st.integers(-1000, 1000).map(float), min_size=1), st.integers(1, 60))
def test_some_values_break_a_histogram(values: list[float], bins: int) -> None:
    found = drawn(values, bins=bins)
    assert sum(found.counts) == len(values)
    assert len(found.edges) == len(found.counts) + 1
    assert len(found.counts) <= bins
    assert all(after > before for before, after in zip(found.edges, found.edges[1:], strict=False))
    assert all(map(math.isfinite, (found.mean, found.sd, *found.box, *found.edges)))
