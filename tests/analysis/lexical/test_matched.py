from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.lexical.difference import difference
from analysis.lexical.distinct import distinct
from analysis.lexical.matched import draw, matched_distinct
from analysis.lexical.tokenizing import tokens_of
from tests.analysis.lexical.making import Source, plain_distinct, read, tokens_from

TARGET = 3_600
"""About 60 dialogues of the simulated source."""
CORPORA = 250


def value_of(source: Source, n: int) -> float:
    value = distinct(source.of_size(TARGET), n).value
    assert value is not None
    return value


def test_a_whole_corpus_keeps_its_value() -> None:
    tokens = tokens_from([[1, 2, 1], [2, 3], [3, 3, 3, 4], [], [5, 1], [6, 7]])
    one, two = matched_distinct(tokens, 10_000, orders=(1, 2), seed=0)
    assert (one.value, one.target, one.share, one.draws, one.dialogues) == (7 / 13, 13, 1.0, 1, 5)
    assert two.value == distinct(tokens, 2).value
    assert one.interval is not None
    assert one.interval.method == "jackknife"


def test_the_jackknife_is_the_one_worked_by_hand() -> None:
    # Alone in their dialogue: 1 and 2 | 3 | none | 4 5 6 | 7. Of 12 tokens, 7 kinds; 7 are lost with their dialogue.
    tokens = tokens_from([[1, 2, 9], [3, 9], [9, 9], [4, 5, 6], [7, 9]])
    lost, lengths = np.array([2, 1, 0, 3, 1]), np.array([3, 2, 2, 3, 2])
    influence = lost - 7 / 12 * lengths
    (found,) = matched_distinct(tokens, 12, orders=(1,), seed=0)
    assert found.value == 8 / 12
    assert found.deviation == pytest.approx(np.sqrt(5 / 4 * np.sum(influence**2)) / 12)


def test_n_grams_too_long_to_sort_with_their_dialogues_are_told_apart_all_the_same() -> None:
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, 60, 80) for _ in range(40)]
    near = matched_distinct(tokens_from(rows, 60), 10**6, orders=(3,), seed=0)
    far = matched_distinct(tokens_from([row * 33_000 for row in rows], 2_000_000), 10**6, orders=(3,), seed=0)
    assert near[0].deviation == far[0].deviation


def test_draws_hold_the_target_and_no_dialogue_twice() -> None:
    tokens = Source(1).tokens(80)
    rng = np.random.default_rng(0)
    for target in (1, 500, tokens.total - 1, tokens.total):
        for _ in range(20):
            taken = draw(tokens, target, rng)
            assert len(taken.ids) == taken.bounds[-1] == target
            assert len(set(taken.numbers.tolist())) == len(taken.numbers) == len(taken.bounds) - 1
            rows = [taken.ids[a:b] for a, b in zip(taken.bounds[:-1], taken.bounds[1:], strict=True)]
            for number, row in zip(taken.numbers.tolist(), rows, strict=True):
                full = tokens.ids[tokens.dialogues[number] : tokens.dialogues[number + 1]]
                assert np.array_equal(row, full[: len(row)])


def test_the_mean_over_draws_is_that_of_plainly_cut_dialogues() -> None:
    tokens = Source(2).tokens(60)
    (found,) = matched_distinct(tokens, 400, orders=(2,), samples=400, seed=3)
    rng = np.random.default_rng(4)
    rows = [tokens.ids[a:b].tolist() for a, b in zip(tokens.dialogues[:-1], tokens.dialogues[1:], strict=True)]
    values = []
    for _ in range(400):
        cut: list[list[int]] = []
        for number in rng.permutation(60):
            cut.append(rows[number][: 400 - sum(map(len, cut))])
        unique, total = plain_distinct(cut, 2)
        values.append(unique / total)
    assert found.value == pytest.approx(np.mean(values), abs=5 * np.std(values) / np.sqrt(200))


@pytest.mark.parametrize("n", [1, 2])
def test_a_whole_corpuss_interval_holds_the_expected_value(n: int) -> None:
    source = Source(10 + n)
    truth = np.mean([value_of(source, n) for _ in range(1_500)])
    held = 0
    for number in range(CORPORA):
        (found,) = matched_distinct(source.of_size(TARGET), TARGET, orders=(n,), seed=number)
        assert found.interval is not None
        held += bool(found.interval.low <= truth <= found.interval.high)
    # 95 % within three standard errors, and up to 99.5 %: the jackknife may be somewhat too wide.
    assert 0.905 <= held / CORPORA <= 0.995


@pytest.mark.parametrize("n", [1, 2])
def test_a_draws_interval_holds_a_new_corpuss_value(n: int) -> None:
    source = Source(20 + n)
    held, corpora, fresh = 0, 25, 20
    for number in range(corpora):
        (found,) = matched_distinct(source.tokens(640), TARGET, orders=(n,), samples=100, seed=number)
        assert found.share < 0.12
        interval = found.interval
        assert interval is not None
        held += sum(interval.low <= value_of(source, n) <= interval.high for _ in range(fresh))
    # The large corpus's own mean is off by a third of a deviation, so somewhat less than 95 %.
    assert 0.89 <= held / (corpora * fresh) <= 0.99


def test_a_bootstrap_with_replacement_misses_the_value_itself() -> None:
    """Why dialogues are not drawn with replacement: repeated dialogues bring no new types."""
    tokens = Source(30).tokens(100)
    value = distinct(tokens, 2).value
    assert value is not None
    rng = np.random.default_rng(0)
    rows = [tokens.ids[a:b] for a, b in zip(tokens.dialogues[:-1], tokens.dialogues[1:], strict=True)]
    resampled = [
        distinct(tokens_from([rows[place] for place in rng.integers(0, 100, 100)]), 2).value for _ in range(200)
    ]
    assert np.quantile([one for one in resampled if one is not None], 0.975) < value


@pytest.mark.parametrize(
    ("rows", "target", "remark"),
    [
        ([], 5, "No 2 tokens stand in a row in 0 tokens drawn by dialogues."),
        ([[], []], 5, "No 2 tokens stand in a row in 0 tokens drawn by dialogues."),
        ([[1]] * 9, 5, "No 2 tokens stand in a row in 5 tokens drawn by dialogues."),
        ([[1, 2, 3]] * 9, 1, "No 2 tokens stand in a row in 1 tokens drawn by dialogues."),
        ([[1, 2, 3]], 1_000, "No interval: dialogues with tokens are too few (1, below 5)."),
        ([[1, 2, 3]] * 9, 5, "No spread between dialogues: they hold the same n-grams."),
        ([[1, 2, 3]] * 9, 1_000, "No spread between dialogues: they hold the same n-grams."),
        ([[1, 2, 3]] * 9, 20, "No spread between dialogues: they hold the same n-grams."),
    ],
    ids=[
        "no dialogue",
        "empty",
        "one token each",
        "one token drawn",
        "one dialogue",
        "alike",
        "alike whole",
        "alike most",
    ],
)
def test_degenerate_corpora_give_a_remark(rows: list[list[int]], target: int, remark: str) -> None:
    (found,) = matched_distinct(tokens_from(rows), target, orders=(2,), seed=0)
    assert found.remark == remark
    assert (found.interval is None) == (found.deviation is None)
    assert found.deviation in {None, 0.0}


@pytest.mark.parametrize("target", [1, 2, 3, 5, 9, 20])
def test_draws_of_which_some_hold_no_n_gram_give_no_warning(target: int) -> None:
    rows = [[1], [2], [3, 4, 5], [6], [7], [8], [9, 1], [2], [3], [4]]
    for found in matched_distinct(tokens_from(rows), target, samples=3, seed=0):
        assert found.value is None or 0 < found.value <= 1
        assert (found.value is not None and found.interval is not None) or found.remark


def test_a_target_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="target of 0"):
        matched_distinct(tokens_from([[1]]), 0, seed=0)


def test_a_seed_repeats_a_figure() -> None:
    tokens = Source(3).tokens(100)
    first, again, other = (matched_distinct(tokens, 900, samples=20, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.slow
def test_synthetic_and_human_dialogues_at_the_human_size(data: Path) -> None:
    synthetic = tokens_of(read(data / "smilechat.jsonl.xz", 60_000), "jieba")
    human = tokens_of(read(data / "psy_insight_cn.json", 1_000), "jieba")
    _, two, _ = difference(synthetic, human, seed=0)
    assert two.target == 161_197
    assert two.first.value == pytest.approx(0.342, abs=0.002)
    assert two.first.interval is not None
    assert two.first.interval[:2] == pytest.approx((0.335, 0.350), abs=0.003)
    assert two.second.value == pytest.approx(0.394, abs=0.0005)
    assert two.interval is not None
    assert two.interval.high < -0.03
    assert two.p is not None
    assert two.p < 0.002
