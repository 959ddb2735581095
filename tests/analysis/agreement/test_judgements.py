from __future__ import annotations

import numpy as np
import pytest

from analysis.agreement.judgements import Criterion, score_frame, score_ratios
from analysis.figures import Group
from analysis.resampling import bootstrap, compare

EMPATHY = Criterion(key="empathy", name="Empathy", low=0, high=2, definition="How well the client's feelings are met.")
SAFETY = Criterion(key="safety", name="Safety", low=0, high=1, definition="Whether nothing in it could harm.")
CRITERIA = (EMPATHY, SAFETY)
RATIOS = score_ratios(CRITERIA, rubric="cehs", source="SoulChat, Table 2", group=Group.HUMAN)

DIALOGUES = [
    [{"empathy": 2.0, "safety": 1.0}],
    [{"empathy": 1.0, "safety": 1.0}, {"empathy": 0.0, "safety": 1.0}],
    [{"empathy": 1.0}],
    [],
]


def test_means_differ_from_a_count_by_hand() -> None:
    """Empathy 2, 1, 0, 1 over 4 judgings; safety 1, 1, 1 over 3; totals 3, 2, 1; three of four dialogues judged."""
    found = {
        figure.metric: figure for figure in bootstrap(score_frame(DIALOGUES, CRITERIA), RATIOS, corpus="one", seed=1)
    }
    assert {key: figure.value for key, figure in found.items()} == pytest.approx(
        {"cehs_judged": 0.75, "cehs_empathy": 1.0, "cehs_safety": 1.0, "cehs_total": 2.0}
    )
    assert {key: figure.n for key, figure in found.items()} == {
        "cehs_judged": 4,
        "cehs_empathy": 3,
        "cehs_safety": 2,
        "cehs_total": 2,
    }
    assert RATIOS[1].metric.unit == "points, 0 to 2"
    assert RATIOS[-1].metric.unit == "points, 0 to 3"


@pytest.mark.parametrize("score", [-0.5, 2.5, float("nan")])
def test_a_score_out_of_its_bounds_counts(score: float) -> None:
    with pytest.raises(ValueError, match="Dialogue 2: a score of 'empathy' lies outside 0 to 2"):
        score_frame([[{"empathy": 1.0}], [{"empathy": score}]], CRITERIA)


def test_a_criterion_takes_the_totals_name() -> None:
    with pytest.raises(ValueError, match="total"):
        Criterion(key="total", name="", low=0, high=1, definition="")
    with pytest.raises(ValueError, match="low must be below high"):
        Criterion(key="empathy", name="", low=1, high=1, definition="")


def test_no_dialogue_breaks_the_frame() -> None:
    figures = bootstrap(score_frame([], CRITERIA), RATIOS, corpus="one", seed=1)
    assert {figure.value for figure in figures} == {None}


def test_an_arm_with_higher_scores_is_not_found() -> None:
    """The same 80 posts, a quarter of them scored a point higher: paired, the difference is clear."""
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 2, 80)
    better = scores + (np.arange(80) % 4 == 0)
    one, other = (
        score_frame([[{"empathy": float(score), "safety": 1.0}] for score in side], CRITERIA)
        for side in (better, scores)
    )
    rows = np.arange(80)
    found = compare(one, other, RATIOS, corpus="one", reference="other", seed=1, pairs=(rows, rows))
    empathy = found[1]
    assert empathy.difference == pytest.approx(0.25)
    assert empathy.p is not None
    assert empathy.p < 0.001
    assert found[2].difference == 0.0
