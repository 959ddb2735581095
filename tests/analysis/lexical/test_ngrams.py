from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.lexical.ngrams import codes_of, count_kinds, dense
from tests.analysis.lexical.making import tokens_from

ROWS = st.lists(st.lists(st.integers(0, 4), max_size=9), max_size=8)


@given(ROWS, st.integers(1, 5), st.sampled_from([5, 40_000, 2**31 - 1]))
def test_codes_stand_for_the_n_grams_of_each_dialogue(rows: list[list[int]], n: int, size: int) -> None:
    # Ids far apart, so that with large sizes the bits do not suffice and n-grams are numbered anew in between.
    spread = [[token * (size // 5) for token in row] for row in rows]
    tokens = tokens_from(spread, 5)
    codes, whole = codes_of(tokens.ids, tokens.dialogues, n, size)
    expected = [tuple(row[place : place + n]) for row in spread for place in range(len(row) - n + 1)]
    found = codes[whole].tolist()
    assert len(found) == len(expected)
    assert len(set(found)) == len(set(expected)) == len(set(zip(found, expected, strict=True)))


def test_no_row_is_too_short() -> None:
    codes, whole = codes_of(np.array([3], np.int32), np.array([0, 1]), 2, 5)
    assert (codes.shape, whole.shape) == ((0,), (0,))


@pytest.mark.parametrize(("codes", "kinds"), [([], 0), ([7], 1), ([5, 3, 5, -2], 3)])
def test_kinds_are_counted(codes: list[int], kinds: int) -> None:
    assert count_kinds(np.array(codes, np.int64)) == kinds


def test_dense_numbers_follow_the_codes_order() -> None:
    numbers, kinds = dense(np.array([50, 10, 50, 30]))
    assert (numbers.tolist(), kinds) == ([2, 0, 2, 1], 3)
