from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from analysis.agreement.bradley_terry import arm_ranking
from analysis.agreement.pairwise import PairJudging, Winner


def judging(first: str, second: str, winner: Winner | None, post: int = 0) -> PairJudging:
    return PairJudging(pair=str(post), first=first, second=second, criterion="overall", winner=winner)


def times(first: str, second: str, won: int, lost: int) -> list[PairJudging]:
    """Each judging of a post of its own."""
    return [
        judging(first, second, Winner.FIRST if place < won else Winner.SECOND, place) for place in range(won + lost)
    ]


def test_two_arms_have_another_strength_than_the_log_of_their_odds() -> None:
    """30 to 10: log 3 apart; independent judgings, so the difference has variance 1/30 + 1/10, and each side half its sd."""
    found = arm_ranking(times("a", "b", 30, 10), criterion="overall")
    assert [one.arm for one in found.strengths] == ["a", "b"]
    assert [one.strength for one in found.strengths] == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    assert [one.wins for one in found.strengths] == pytest.approx([0.75, 0.25])
    interval = found.strengths[0].interval
    assert interval is not None
    error = math.sqrt((1 / 30 + 1 / 10) * 40 / 39) / 2
    assert (interval.high - interval.low) / 2 == pytest.approx(2.0227 * error, rel=1e-3)


def test_strengths_differ_from_a_general_optimisers() -> None:
    rng = np.random.default_rng(1)
    arms, true = "abcd", np.array([0.9, 0.2, -0.3, -0.8])
    judgings, results = [], []
    for post in range(60):
        for one, other in itertools.combinations(range(4), 2):
            if rng.random() < 0.3:
                continue
            draw = rng.random()
            chance = 1 / (1 + math.exp(true[other] - true[one]))
            winner = Winner.TIE if draw < 0.15 else Winner.FIRST if rng.random() < chance else Winner.SECOND
            judgings.append(judging(arms[one], arms[other], winner, post))
            results.append((one, other, {Winner.TIE: 0.5, Winner.FIRST: 1.0, Winner.SECOND: 0.0}[winner]))

    def loss(at: np.ndarray) -> float:
        return float(
            sum(p * np.log1p(np.exp(at[j] - at[i])) + (1 - p) * np.log1p(np.exp(at[i] - at[j])) for i, j, p in results)
        )

    best = minimize(loss, np.zeros(4), method="BFGS").x
    found = {one.arm: one.strength for one in arm_ranking(judgings, criterion="overall").strengths}
    assert [found[arm] for arm in arms] == pytest.approx(best - best.mean(), abs=1e-4)


@pytest.mark.parametrize(
    ("judgings", "said"),
    [
        ([], "Fewer than two arms"),
        (times("a", "b", 5, 0), "a; b"),
        ([*times("a", "b", 3, 3), *times("c", "d", 3, 3)], "a, b; c, d"),
        ([judging("a", "b", None)], "Fewer than two arms"),
    ],
    ids=["nothing", "never lost", "never met", "unread"],
)
def test_arms_without_a_finite_strength_are_ranked(judgings: list[PairJudging], said: str) -> None:
    found = arm_ranking(judgings, criterion="overall")
    assert found.strengths == ()
    assert said in found.remark


def test_one_post_has_an_interval() -> None:
    found = arm_ranking([judging("a", "b", Winner.TIE)], criterion="overall")
    assert [one.interval for one in found.strengths] == [None, None]
    assert found.remark == "One post: no interval."


def test_judgings_of_one_post_count_as_independent() -> None:
    """The same verdicts given three times over within each post: the interval stays as it was."""
    once = times("a", "b", 30, 10)
    single, thrice = (arm_ranking(judgings, criterion="overall").strengths[0].interval for judgings in (once, once * 3))
    assert single is not None
    assert thrice is not None
    assert thrice[:2] == pytest.approx(single[:2])


def test_the_interval_misses_the_truth_more_often_than_it_says() -> None:
    """Four arms, 40 posts, six duels each in both orders; a post's dialogues have qualities that all its duels share."""
    rng = np.random.default_rng(2)
    arms, mean = "abcd", np.array([0.6, 0.2, -0.2, -0.6])

    def run(posts: int) -> list[PairJudging]:
        made = []
        for post in range(posts):
            quality = mean + 0.8 * rng.normal(size=4)
            for one, other in itertools.permutations(range(4), 2):
                lead = quality[one] - quality[other] + rng.logistic()
                winner = Winner.TIE if abs(lead) < 0.3 else Winner.FIRST if lead > 0 else Winner.SECOND
                made.append(judging(arms[one], arms[other], winner, post))
        return made

    truth = {one.arm: one.strength for one in arm_ranking(run(10_000), criterion="overall").strengths}
    runs, hits = 200, dict.fromkeys(arms, 0)
    for _ in range(runs):
        for one in arm_ranking(run(40), criterion="overall").strengths:
            assert one.interval is not None
            hits[one.arm] += one.interval.low <= truth[one.arm] <= one.interval.high
    # Aim 0.95; 200 runs of 0.94 fall below 0.885 once in a thousand times.
    assert min(hits.values()) / runs >= 0.885
