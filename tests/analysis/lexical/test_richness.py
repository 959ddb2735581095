from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.lexical.richness import RATIOS, expected_distinct, mtld_factors, richness_of, windowed_types
from tests.analysis.lexical.making import Source, tokens_from

IDS = st.lists(st.integers(0, 12), max_size=60)


def plain_mattr(row: list[int], window: int) -> tuple[float, int]:
    windows = [row[start : start + window] for start in range(len(row) - window + 1)]
    return sum(len(set(one)) / window for one in windows), len(windows)


def plain_factors(row: list[int]) -> float:
    factors, start = 0.0, 0
    for end in range(1, len(row) + 1):
        if len(set(row[start:end])) / (end - start) < 0.72:
            factors, start = factors + 1, end
    rest = row[start:]
    return factors + ((1 - len(set(rest)) / len(rest)) / 0.28 if rest else 0)


@given(IDS, st.integers(1, 12))
def test_windows_are_those_of_a_plain_walk(row: list[int], window: int) -> None:
    total, count = windowed_types(np.array(row, np.int32), window)
    expected, windows = plain_mattr(row, window)
    assert count == windows
    assert total == pytest.approx(expected)


@given(IDS)
def test_factors_are_those_of_a_plain_walk(row: list[int]) -> None:
    expected = (plain_factors(row) + plain_factors(row[::-1])) / 2
    assert mtld_factors(np.array(row, np.int32)) == pytest.approx(expected)


def test_values_worked_by_hand() -> None:
    # Windows of 3 over a b a b c: aba bab abc.
    total, count = windowed_types(np.array([0, 1, 0, 1, 2]), 3)
    assert total == pytest.approx((2 + 2 + 3) / 3)
    assert count == 3
    # Forwards a b a | b c: 2/3 < 0.72 ends a factor, b c is whole. Backwards c b a b (3/4 holds) a (3/5 ends it).
    assert mtld_factors(np.array([0, 1, 0, 1, 2])) == 1.0
    # a b c a, 3/4: nothing ends; both ways (1 - 0.75) / 0.28.
    assert mtld_factors(np.array([0, 1, 2, 0])) == pytest.approx(0.25 / 0.28)


def test_rows_follow_the_numbers_asked_for() -> None:
    tokens = Source(50).tokens(30, 200)
    numbers = np.array([7, 2, 29])
    frame = richness_of(tokens, numbers)
    for row, number in zip(frame.to_dict("records"), numbers.tolist(), strict=True):
        ids = tokens.ids[tokens.dialogues[number] : tokens.dialogues[number + 1]].tolist()
        total, windows = plain_mattr(ids, 50)
        assert row["mattr_sum"] == pytest.approx(total)
        assert (row["mattr_windows"], row["mattr_short"]) == (windows, float(len(ids) < 50))
        assert row["mtld_tokens"] == len(ids)
        assert row["mtld_factors"] == pytest.approx((plain_factors(ids) + plain_factors(ids[::-1])) / 2)
        assert row["dialogues"] == 1


def test_short_empty_and_unrepeating_dialogues_add_nothing_that_could_divide_by_zero() -> None:
    frame = richness_of(tokens_from([[], [1], [1, 2, 3], [4] * 100_000]), np.arange(4))
    assert frame["mattr_windows"].tolist() == [0, 0, 0, 99_951]
    assert frame["mattr_short"].tolist() == [1, 1, 1, 0]
    assert frame["mattr_sum"].tolist() == pytest.approx([0, 0, 0, 1999.02])
    assert frame["mtld_tokens"].tolist() == [0, 0, 0, 100_000]
    assert frame["mtld_factors"].tolist() == [0, 0, 0, 50_000]


def test_no_dialogue_gives_a_frame_with_its_columns() -> None:
    frame = richness_of(tokens_from([]), np.arange(0))
    assert len(frame) == 0
    for ratio in RATIOS:
        assert {ratio.numerator, ratio.denominator} <= set(frame.columns)


def test_expectation_adjusted_distinct() -> None:
    # Two draws from two kinds show 1.5 kinds on average.
    assert expected_distinct(2, 2, 2) == pytest.approx(2 / 1.5)
    assert expected_distinct(1, 5, 1) == 1.0
    assert expected_distinct(0, 0, 10) is None
    rng = np.random.default_rng(0)
    draws = [len(np.unique(rng.integers(0, 500, 700))) for _ in range(400)]
    assert np.mean([expected_distinct(unique, 700, 500) or 0 for unique in draws]) == pytest.approx(1, abs=0.005)
    with pytest.raises(ValueError, match="cannot show 3 kinds"):
        expected_distinct(3, 9, 2)
