"""Openings and closings: Simpson's index by hand, intervals that hold what they promise, near-duplicates."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from analysis.figures import Figure
from analysis.human.openings import (
    METRICS,
    coincidence,
    near_duplicate_openings,
    opening_figures,
    opening_rankings,
)
from filters.dialogue import Dialogue, Role
from tests.analysis.making import dialogue, sound

ODD = {
    "no dialogue": [],
    "one dialogue": [sound()],
    "no utterances": [Dialogue(())] * 5,
    "empty utterances": [dialogue("", " ", "。")] * 5,
    "client alone": [dialogue("今天天气真好。")] * 5,
    "identical dialogues": [sound()] * 5,
    "lone surrogates": [dialogue("\ud800", "\ud800" * 6)] * 5,
    "long utterances": [dialogue("在吗", "啊" * 100_000), dialogue("在吗", "啊" * 99_999 + "哦")] * 3,
    "mixed languages": [dialogue("你好", "hello there my friend，我们慢慢来吧")] * 5,
}


def test_coincidence_is_the_share_of_equal_pairs() -> None:
    texts = list("aaabbc")
    pairs = list(combinations(texts, 2))
    figure = coincidence("x", "opening_coincidence", texts)
    assert figure.value == pytest.approx(sum(one == other for one, other in pairs) / len(pairs))
    assert figure.n == 6


def test_the_interval_is_that_of_a_plain_jackknife() -> None:
    texts = list("aaaabbbccddefghij")
    n = len(texts)

    def value(listed: list[str]) -> float:
        return float(np.mean([one == other for one, other in combinations(listed, 2)]))

    left_out = np.array([value(texts[:place] + texts[place + 1 :]) for place in range(n)])
    error = math.sqrt((n - 1) / n * float(np.sum((left_out - left_out.mean()) ** 2)))
    figure = coincidence("x", "opening_coincidence", texts)
    assert figure.interval is not None
    assert figure.interval.high == pytest.approx(value(texts) * math.exp(1.96 * error / value(texts)), rel=1e-4)
    assert figure.interval.low == pytest.approx(value(texts) * math.exp(-1.96 * error / value(texts)), rel=1e-4)


@pytest.mark.parametrize(
    ("shares", "n"),
    [
        (np.ones(2000) / 2000, 400),
        (np.array([0.1, 0.05, 0.02] + [0.83 / 5000] * 5000), 400),
        (1 / np.arange(1, 3001) / np.sum(1 / np.arange(1, 3001)), 400),
        (np.array([0.6, 0.3, 0.1]), 60),
    ],
    ids=["all rare", "three stock openings", "zipf", "three openings, few dialogues"],
)
def test_intervals_cover_the_truth_about_as_often_as_promised(shares: np.ndarray, n: int) -> None:
    truth = float(np.sum(shares**2))
    generator = np.random.default_rng(7)
    covered, values, times = 0, [], 600
    for _ in range(times):
        drawn = generator.choice(len(shares), n, p=shares)
        figure = coincidence("x", "opening_coincidence", [str(one) for one in drawn])
        assert figure.interval is not None
        assert figure.value is not None
        covered += figure.interval.low <= truth <= figure.interval.high
        values.append(figure.value)
    assert covered / times >= 0.91
    # Unbiased whatever the size: within four standard errors of the truth.
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / math.sqrt(times)


def test_no_equal_pair_leaves_room_above_zero_and_only_equal_ones_leave_room_below_one() -> None:
    none = coincidence("x", "opening_coincidence", [str(number) for number in range(100)])
    assert none.value == 0.0
    assert none.interval is not None
    # Were the probability p, 100 dialogues would show no equal pair once in exp(4950 p) times: 1 in 40 at the upper end.
    assert none.interval[:2] == pytest.approx((0.0, math.log(40) / 4950))
    every = coincidence("x", "opening_coincidence", ["a"] * 100)
    assert every.value == 1.0
    assert every.interval is not None
    # Said by a share q, 100 dialogues all say it q ** 100 of the time: 1 in 40 where q ** 2 is the lower end.
    assert every.interval[:2] == pytest.approx(((1 / 40) ** (2 / 100), 1.0))


@pytest.mark.parametrize("listed", ODD.values(), ids=ODD)
def test_odd_corpora_have_figures_or_remarks(listed: list[Dialogue]) -> None:
    figures = opening_figures("x", listed)
    assert [figure.metric for figure in figures] == [metric.key for metric in METRICS]
    for figure in figures:
        assert_sound(figure)
    for ranking in opening_rankings("x", listed):
        assert ranking.entries or ranking.remark


def assert_sound(figure: Figure) -> None:
    if figure.value is None:
        assert figure.remark
        assert figure.interval is None
        return
    assert figure.interval is not None
    assert 0 <= figure.interval.low <= figure.value <= figure.interval.high <= 1


def test_greetings_before_the_first_phrase_are_passed_over() -> None:
    listed = [dialogue("你好", "你好，我们从哪里说起？"), dialogue("在", "嗯。", "在吗", "小李，我们从哪里说起？")]
    openings, _, closings = opening_rankings("x", listed)
    assert [(ranked.text, ranked.count) for ranked in openings.entries] == [("我们从哪里说起", 2)]
    assert [ranked.text for ranked in closings.entries] == ["我们从哪里说起"]


def test_the_last_clause_is_of_the_last_utterance_that_says_anything() -> None:
    listed = [dialogue("说完了。", "那就这样，保重。", " "), dialogue("说完了。", "保重！", "。。")]
    closings = opening_rankings("x", listed[:1] * 2)[2]
    assert [ranked.text for ranked in closings.entries] == ["保重"]
    # A last utterance of punctuation alone says nothing that could be ranked.
    assert opening_rankings("x", listed[1:])[2].n == 0


def test_a_reworded_opening_is_a_near_duplicate_and_another_is_not() -> None:
    listed = [
        dialogue("", "看到你写下的这些话，我能体会到你的疲惫和无力。"),
        dialogue("", "看到你写下的这些话，我能体会到你的疲惫和孤单。"),
        dialogue("", "这件事是从哪一天开始的？"),
        dialogue("", "先喝口水吧，我们慢慢聊。"),
    ]
    figure = near_duplicate_openings("x", listed)
    assert figure.value == 0.5
    assert figure.n == 4
    assert figure.remark.startswith("Of 4 openings, not 400")


def test_near_duplicates_are_those_of_a_plain_jaccard() -> None:
    generator = np.random.default_rng(3)
    texts = ["".join(generator.choice(list("甲乙丙丁"), generator.integers(4, 12))) for _ in range(60)]
    grams = [{text[place : place + 3] for place in range(len(text) - 2)} for text in texts]
    near = [
        any(len(these & those) / len(these | those) >= 0.5 for other, those in enumerate(grams) if other != one)
        for one, these in enumerate(grams)
    ]
    figure = near_duplicate_openings("x", [dialogue(text, first=Role.COUNSELOR) for text in texts])
    assert 0 < sum(near) < 60
    assert figure.value == pytest.approx(sum(near) / 60)


def test_a_sample_of_one_seed_is_one_sample() -> None:
    listed = [dialogue("", f"第{number}次来的时候你说过什么") for number in range(50)] + [sound()] * 3
    one, same, other = (near_duplicate_openings("x", listed, sample=10, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.n == other.n == 10
    assert one.remark == ""
