from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from analysis.agreement.pairwise import Duel, PairJudging, Winner, duel, duel_metrics
from analysis.corrections import corrected
from analysis.figures import Group

LETTERS = {"1": Winner.FIRST, "2": Winner.SECOND, "=": Winner.TIE, "?": None}


def judged(*pairs: str, criterion: str = "helpfulness") -> list[PairJudging]:
    """A text a pair: the verdict with "new" first, then that with "old" first; a blank was not asked."""
    return [
        PairJudging(pair=str(place), first=first, second=second, criterion=criterion, winner=LETTERS[letter])
        for place, letters in enumerate(pairs)
        for letter, (first, second) in zip(letters, (("new", "old"), ("old", "new")), strict=True)
        if letter != " "
    ]


def held(judgings: Sequence[PairJudging], criterion: str = "helpfulness") -> Duel:
    return duel(judgings, arm="new", reference="old", criterion=criterion, group=Group.HUMAN, seed=1)


def test_rates_differ_from_a_count_by_hand() -> None:
    """New's points by pair: both orders won 1; lost 0; first place both times 1/2; tie then win 3/4; a tie asked once 1/2."""
    found = held(judged("12", "21", "11", "=2", "= "))
    assert (found.pairs, found.both_orders, found.unread) == (5, 4, 0)
    assert found.wins.value == pytest.approx((1 + 0 + 0.5 + 0.75 + 0.5) / 5)
    assert found.ties.value == pytest.approx((0 + 0 + 0 + 0.5 + 1) / 5)
    # The first place took 1/2, 1/2, 1 and, of a tie and a loss, 1/4.
    assert found.first_place.value == pytest.approx((0.5 + 0.5 + 1 + 0.25) / 4)
    assert found.consistency.value == pytest.approx(2 / 4)
    assert found.comparison.difference == pytest.approx(2 * 0.55 - 1)
    assert found.position.difference == pytest.approx(2 * 0.5625 - 1)
    assert (found.wins.n, found.consistency.n, found.comparison.n, found.position.n) == (5, 4, 5, 4)


def test_the_sides_do_not_mirror_each_other() -> None:
    judgings = judged("12", "21", "11", "=2", "= ", "?2")
    found = held(judgings)
    other = duel(judgings, arm="old", reference="new", criterion="helpfulness", group=Group.HUMAN, seed=1)
    assert found.wins.value is not None
    assert other.wins.value == pytest.approx(1 - found.wins.value)
    assert other.first_place.value == found.first_place.value
    assert other.consistency.value == found.consistency.value


def test_an_unreadable_answer_counts_as_a_tie() -> None:
    found = held(judged("1?", "??", "12"))
    assert (found.wins.value, found.pairs, found.unread) == (1.0, 2, 3)


def test_other_arms_and_criteria_count() -> None:
    extra = [replace(one, criterion="comforting") for one in judged("21", "21")]
    extra += [replace(one, first="third") for one in judged("22")]
    assert held([*judged("12", "=="), *extra]) == held(judged("12", "=="))


def test_an_order_that_was_asked_more_often_weighs_more() -> None:
    twice = [*judged("1 "), *judged("1 "), *judged(" 1")]
    assert held(twice).wins.value == 0.5


def test_no_judging_breaks_the_duel() -> None:
    for judgings in ([], judged("??")):
        found = held(judgings)
        assert {figure.value for figure in (found.wins, found.ties, found.first_place, found.consistency)} == {None}
        assert found.wins.remark == "No pair was judged as this needs."
        assert (found.comparison.difference, found.comparison.p, found.position.p) == (None, None, None)


def test_one_pair_has_a_test() -> None:
    found = held(judged("12"))
    assert (found.wins.value, found.wins.interval, found.comparison.p) == (1.0, None, None)


def test_ties_alone_are_a_difference() -> None:
    found = held(judged(*["=="] * 30))
    assert (found.wins.value, found.ties.value, found.comparison.p) == (0.5, 1.0, 1.0)
    assert found.comparison.remark == "No pair has a winner."


def test_a_judge_of_places_decides_the_duel() -> None:
    """The first place wins every time: no arm is better, the favour is plain, and no verdict holds in both orders."""
    found = held(judged(*["11"] * 40))
    assert (found.wins.value, found.first_place.value, found.consistency.value) == (0.5, 1.0, 0.0)
    position, comparison = found.position, found.comparison
    assert position.p is not None
    assert position.p < 0.001
    assert comparison.p == 1.0


def test_position_is_confused_with_an_arm_that_always_stood_first() -> None:
    found = held(judged(*["1 "] * 20))
    assert (found.wins.value, found.first_place.value, found.position.difference) == (1.0, None, None)


def test_the_p_value_strays_from_the_sign_test() -> None:
    """16 wins and 4 losses: the binomial's two-sided p is 0.0118."""
    found = held(judged(*["12"] * 16, *["21"] * 4, *["=="] * 5))
    assert found.comparison.p == pytest.approx(0.0118, abs=0.0025)


def test_numbers_are_not_plain_or_keys_differ() -> None:
    found = held(judged("12", "21", "11", "=2", "= "))
    figures = (found.wins, found.ties, found.first_place, found.consistency)
    assert [figure.metric for figure in figures] == [metric.key for metric in duel_metrics("helpfulness", Group.HUMAN)]
    comparisons = corrected([found.comparison, found.position])
    json.dumps([[one.difference, one.interval, one.p, one.p_corrected] for one in comparisons], allow_nan=False)
    assert all("dialogues" not in figure.remark for figure in figures)


def drawn(rng: np.random.Generator, pairs: int, better: float, favour: float) -> list[PairJudging]:
    """Verdicts by a latent quality of each pair, and a push to the first place; a narrow gap is a tie."""
    quality = better + rng.normal(size=pairs)
    texts = []
    for lead in quality:
        seen = (lead + favour + 0.5 * rng.normal(), -lead + favour + 0.5 * rng.normal())
        texts.append("".join("=" if abs(one) < 0.3 else "1" if one > 0 else "2" for one in seen))
    return judged(*texts)


def test_the_intervals_miss_the_truth_more_often_than_they_say() -> None:
    better, favour = 0.6, 0.4
    rng = np.random.default_rng(3)
    truth = held(drawn(rng, 40_000, better, favour))
    runs, hits = 120, {"wins": 0, "ties": 0, "first_place": 0, "consistency": 0}
    for _ in range(runs):
        found = held(drawn(rng, 40, better, favour))
        for name in hits:
            figure, expected = getattr(found, name), getattr(truth, name).value
            hits[name] += figure.interval.low <= expected <= figure.interval.high
    # Aim 0.95; 120 runs of 0.94 fall below 0.865 once in a thousand times.
    assert min(hits.values()) / runs >= 0.865


def test_equal_arms_are_told_apart_more_often_than_the_level() -> None:
    rng = np.random.default_rng(4)
    below = positions = 0
    for _ in range(200):
        found = held(drawn(rng, 50, 0.0, 0.0))
        assert found.comparison.p is not None
        assert found.position.p is not None
        below += found.comparison.p < 0.05
        positions += found.position.p < 0.05
    # 10 expected; P(more than 20) is 0.001.
    assert max(below, positions) <= 20
