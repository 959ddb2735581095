"""Pairwise cosines against all pairs written out, and intervals against known truths."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise as neighbouring

import numpy as np
import pytest

from analysis.semantic.cosine import PairwiseResult, mean_cosines, pairwise
from analysis.semantic.cosine_difference import compare_means
from analysis.semantic.embedder import Vectors
from tests.analysis.semantic.vectors import ARC_MEAN, ARC_MEDIAN, on_arc, scattered

HALF_BIN = 0.5 / 2**16 + 1e-6


def all_pairs(vectors: Vectors) -> np.ndarray:
    exact = vectors.astype(np.float64)
    return np.array([exact[i] @ exact[j] for i in range(len(exact)) for j in range(i)])


def values(result: PairwiseResult) -> list[float | None]:
    return [figure.value for figure in result.figures]


@pytest.mark.parametrize("count", [2, 3, 7, 150])
@pytest.mark.parametrize("dimensions", [1, 2, 30, 200])
def test_a_figure_differs_from_that_of_all_pairs_written_out(count: int, dimensions: int) -> None:
    vectors = scattered(count, dimensions, seed=count * dimensions)
    pairs = all_pairs(vectors)
    result = pairwise(vectors, corpus="a")
    spread = result.distribution
    assert spread is not None
    assert values(result)[0] == pytest.approx(pairs.mean(), abs=1e-6)
    assert spread.box == pytest.approx(np.quantile(pairs, (0.05, 0.25, 0.5, 0.75, 0.95)), abs=HALF_BIN)
    assert spread.sd == pytest.approx(pairs.std(), abs=2 * HALF_BIN)
    assert (spread.n, sum(spread.counts), spread.exact) == (len(pairs), len(pairs), True)


def test_blocks_lose_or_repeat_pairs() -> None:
    """Three blocks a side, the last of one row."""
    vectors = scattered(4097, 8, seed=3)
    exact = vectors.astype(np.float64)
    pairs = (exact @ exact.T)[np.triu_indices(len(exact), 1)]
    spread = pairwise(vectors, corpus="a").distribution
    assert spread is not None
    assert spread.n == sum(spread.counts) == len(pairs)
    assert spread.box == pytest.approx(np.quantile(pairs, (0.05, 0.25, 0.5, 0.75, 0.95)), abs=HALF_BIN)
    # A value within rounding of an edge may fall on its other side.
    assert np.abs(np.histogram(pairs, spread.edges)[0] - spread.counts).max() < 20


def test_the_shown_histogram_leaves_its_range_or_has_uneven_bins() -> None:
    spread = pairwise(scattered(300, 5, seed=1), corpus="a").distribution
    assert spread is not None
    widths = [after - before for before, after in neighbouring(spread.edges)]
    assert len(spread.edges) == len(spread.counts) + 1
    assert len(spread.counts) <= 60
    assert max(widths[1:-1]) == pytest.approx(min(widths[1:-1]))
    assert -1 <= spread.edges[0] < spread.edges[-1] <= 1
    assert min(spread.counts[0], spread.counts[-1]) > 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_extreme_cosines_fall_out_of_the_bins(sign: float) -> None:
    vectors = np.array([[1.0, 0.0], [sign, 0.0]], dtype=np.float32)
    result = pairwise(vectors, corpus="a")
    assert values(result) == [sign, sign, 1.0 if sign > 0 else 0.0]
    assert result.distribution is not None
    assert sum(result.distribution.counts) == 1
    assert result.distribution.edges[0] <= sign <= result.distribution.edges[-1]


def test_identical_dialogues_are_not_counted_as_such() -> None:
    vectors = scattered(100, 300, seed=1)
    vectors[1:5] = vectors[0]  # five alike make ten pairs
    result = pairwise(vectors, corpus="a")
    assert result.figures[2].value == 10 / 4950
    everyone = pairwise(np.repeat(vectors[:1], 50, axis=0), corpus="a")
    assert values(everyone) == [pytest.approx(1.0, abs=1e-6), pytest.approx(1.0, abs=1e-6), 1.0]
    assert everyone.distribution is not None
    assert everyone.distribution.sd < 1e-6
    assert everyone.figures[1].interval is not None
    assert everyone.figures[1].interval[:2] == (1.0, 1.0)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_pair_makes_a_figure_or_a_traceback(rows: int) -> None:
    vectors = np.zeros((rows + 2, 4), dtype=np.float32)
    vectors[:rows, 0] = 1.0
    result = pairwise(vectors, corpus="a")
    assert values(result) == [None, None, None]
    assert result.distribution is None
    assert f"{rows} embedded dialogues make no pair" in result.figures[0].remark
    assert "2 dialogues have no embedding" in result.figures[0].remark
    assert len(mean_cosines(vectors)) == 0


def test_rows_of_zeros_are_counted_as_dialogues() -> None:
    vectors = scattered(40, 6, seed=2)
    with_zeros = np.insert(vectors, [0, 5, 5, 40], 0.0, axis=0)
    one, two = pairwise(vectors, corpus="a"), pairwise(with_zeros, corpus="a")
    assert values(one) == values(two)
    assert (two.embedded, two.left_out, two.figures[0].n) == (40, 4, 40)
    assert "4 dialogues have no embedding" in two.figures[0].remark


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0, 0.5])
def test_a_vector_of_another_length_is_believed(value: float) -> None:
    vectors = scattered(4, 3, seed=0)
    vectors[2] = value
    with pytest.raises(ValueError, match="1 vectors"):
        pairwise(vectors, corpus="a")


def test_a_sample_of_pairs_is_called_exact_or_strays() -> None:
    vectors = scattered(3000, 20, seed=5, towards=3.0)
    whole, drawn = (pairwise(vectors, corpus="a", exact_up_to=most, seed=1) for most in (3000, 600))
    assert whole.distribution is not None
    assert drawn.distribution is not None
    assert (whole.distribution.exact, drawn.distribution.exact) == (True, False)
    assert drawn.distribution.n == 600 * 599 // 2
    assert "600 of 3,000 dialogues" in drawn.distribution.remark
    assert drawn.figures[0].value == whole.figures[0].value  # from all dialogues
    inside = drawn.figures[1].interval
    assert inside is not None
    assert inside.low < (whole.figures[1].value or 0) < inside.high
    again = pairwise(vectors, corpus="a", exact_up_to=600, seed=1)
    assert again == drawn


def test_the_jackknife_differs_from_leaving_out_one_dialogue_at_a_time() -> None:
    vectors = scattered(25, 4, seed=9)
    figure = pairwise(vectors, corpus="a").figures[0]
    without = np.array([all_pairs(np.delete(vectors, place, axis=0)).mean() for place in range(25)])
    error = np.sqrt(24 / 25 * ((without - without.mean()) ** 2).sum())
    assert figure.interval is not None
    assert figure.interval.high - figure.interval.low == pytest.approx(2 * 2.0639 * error, rel=1e-4)  # t of 24


@pytest.mark.parametrize("count", [10, 60])
def test_intervals_miss_the_truth_too_often(count: int) -> None:
    rounds = 250
    held = np.zeros(2)
    for seed in range(rounds):
        mean, median, _ = pairwise(on_arc(count, seed), corpus="a").figures
        assert mean.interval is not None
        assert median.interval is not None
        held += (
            mean.interval.low <= ARC_MEAN <= mean.interval.high,
            median.interval.low <= ARC_MEDIAN <= median.interval.high,
        )
    # Three standard errors of a share of 0.95 in so many rounds, and small corpora a little less.
    assert (held / rounds > (0.89 if count < 40 else 0.908)).all()
    assert held[0] / rounds < 0.99


def test_the_difference_misses_the_truth_or_the_test_its_level() -> None:
    """Unequal sizes and other directions, with equal means."""
    rounds = 150
    rejected = held = 0
    for seed in range(rounds):
        one, two = on_arc(30, seed), on_arc(150, seed + rounds)
        found = compare_means(
            np.hstack([one, np.zeros_like(one)]),
            np.hstack([np.zeros_like(two), two]),
            corpus="a",
            reference="b",
            permutations=99,
            seed=seed,
        )
        assert found.p is not None
        assert found.interval is not None
        rejected += found.p <= 0.05
        held += found.interval.low <= 0 <= found.interval.high
    assert held / rounds > 0.90
    assert rejected / rounds < 0.10


def test_a_real_difference_is_not_found() -> None:
    one, two = scattered(80, 10, seed=1, towards=4.0), scattered(60, 10, seed=2, towards=1.0)
    found = compare_means(one, two, corpus="a", reference="b")
    assert found.difference == pytest.approx(all_pairs(one).mean() - all_pairs(two).mean(), abs=1e-6)
    assert found.p is not None
    assert found.p < 0.001
    assert (found.n, found.n_reference) == (80, 60)
    pooled = np.sqrt((79 * mean_cosines(one).var(ddof=1) + 59 * mean_cosines(two).var(ddof=1)) / 138)
    assert found.effect == pytest.approx((found.difference or 0) / pooled, rel=1e-6)
    turned = compare_means(two, one, corpus="b", reference="a")
    assert turned.difference is not None
    assert turned.difference == pytest.approx(-(found.difference or 0))


def test_a_comparison_of_nothing_makes_a_traceback() -> None:
    few = scattered(2, 3, seed=1)
    found = compare_means(few, scattered(50, 3, seed=2), corpus="a", reference="b")
    assert (found.difference, found.interval, found.effect, found.p) == (None, None, None, None)
    assert "both corpora need 3" in found.remark
    assert compare_means(np.zeros((0, 1), np.float32), few, corpus="a", reference="b").difference is None
    with pytest.raises(ValueError, match="3 and of 4 dimensions"):
        compare_means(scattered(9, 3, seed=1), scattered(9, 4, seed=1), corpus="a", reference="b")
    alike = np.repeat(few[:1], 30, axis=0)
    same = compare_means(alike, alike, corpus="a", reference="b", permutations=19)
    assert same.difference == pytest.approx(0.0, abs=1e-9)
    assert (same.effect, same.p) == (None, 1.0)


def test_a_test_of_drawn_dialogues_does_not_say_so() -> None:
    found = compare_means(
        scattered(300, 5, seed=1), scattered(40, 5, seed=2), corpus="a", reference="b", permutations=49, most=100
    )
    assert "the test looks at 100 and 40 dialogues" in found.remark


def test_pairs_take_more_memory_than_promised() -> None:
    vectors = scattered(6_000, 256, seed=1)
    tracemalloc.start()
    pairwise(vectors, corpus="a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20
