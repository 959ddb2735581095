from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from analysis.lexical.difference import difference
from analysis.lexical.tokens import Tokens
from tests.analysis.lexical.making import Source, tokens_from


def test_relabelling_finds_no_difference_where_there_is_none() -> None:
    source = Source(40)
    trials = 200
    chances = []
    for number in range(trials):
        (found,) = difference(
            source.tokens(30, 40), source.tokens(45, 40), orders=(2,), samples=2, permutations=99, seed=number
        )
        assert found.p is not None
        chances.append(found.p)
    # 5 % of 200 with three standard errors.
    assert 0.0 < np.mean(np.array(chances) <= 0.05) <= 0.097
    assert np.mean(chances) == pytest.approx(0.5, abs=0.07)


def test_relabelling_finds_a_difference_of_sources() -> None:
    rich, poor = Source(41), Source(41, kinds=300)
    for found in difference(rich.tokens(150), poor.tokens(150), permutations=199, seed=0):
        assert found.p is not None
        assert found.p < 1e-5
        assert found.interval is not None
        assert found.value is not None
        assert found.interval.low > 0
        assert found.interval.low < found.value < found.interval.high


def test_the_intervals_variance_is_weighed_by_the_shares() -> None:
    large, small = Source(42).tokens(900), Source(43).tokens(80)
    found = difference(large, small, orders=(1,), permutations=9, seed=0)[0]
    assert found.target == small.total
    assert found.first.share == small.total / large.total
    assert found.first.deviation is not None
    assert found.second.deviation is not None
    assert found.interval is not None
    spread = sqrt(found.first.share * found.first.deviation**2 + found.second.deviation**2)
    # Welch's t quantile for some 85 degrees of freedom.
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(1.99 * spread, rel=0.01)


def test_words_are_matched_by_text_not_by_number() -> None:
    rows = [[0, 1, 2], [1, 2, 3], [3, 0, 0], [2, 1, 4], [4, 4, 1]]
    first = tokens_from(rows, 5)
    turned = Tokens(
        ids=(4 - first.ids).astype(np.int32),
        dialogues=first.dialogues,
        utterances=first.utterances,
        vocabulary=first.vocabulary[::-1],
        tokenizer=first.tokenizer,
    )
    assert difference(first, turned, seed=3) == difference(first, first, seed=3)


@pytest.mark.parametrize(
    "rows",
    [[], [[]], [[1]], [[1, 2, 3]], [[1, 2], [1, 2]], [[1, 2]] * 9],
    ids=["none", "empty", "one token", "one dialogue", "two alike", "all alike"],
)
def test_degenerate_corpora_give_no_traceback(rows: list[list[int]]) -> None:
    sound = Source(44).tokens(20)
    for found in (*difference(tokens_from(rows), sound, seed=0), *difference(sound, tokens_from(rows), seed=0)):
        assert found.value is None or abs(found.value) <= 1
        assert (found.p is None) <= bool(found.remark)
        assert found.interval is None or np.isfinite(found.interval[:2]).all()


def test_equal_corpora_do_not_differ() -> None:
    alike = tokens_from([[1, 2, 3, 4]] * 12)
    for found in difference(alike, alike, seed=0):
        assert (found.value, found.p) == (0.0, 1.0)


def test_other_tokenizers_are_not_compared() -> None:
    tokens = tokens_from([[1]])
    other = Tokens(
        ids=tokens.ids, dialogues=tokens.dialogues, utterances=tokens.utterances, vocabulary=("x",), tokenizer="jieba"
    )
    with pytest.raises(ValueError, match="words and of jieba"):
        difference(tokens, other, seed=0)
