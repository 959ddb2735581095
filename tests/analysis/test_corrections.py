from __future__ import annotations

import numpy as np
import pytest

from analysis.corrections import corrected
from analysis.figures import Comparison


def comparison(p: float | None, metric: str = "m") -> Comparison:
    return Comparison(
        metric=metric,
        corpus="a",
        reference="b",
        difference=None,
        interval=None,
        effect=None,
        effect_name="",
        p=p,
        p_corrected=None,
        test="",
        n=0,
        n_reference=0,
    )


def held(*p: float | None) -> list[float | None]:
    return [after.p_corrected for after in corrected([comparison(value) for value in p])]


def test_holm_multiplies_the_smallest_by_all_and_the_next_by_one_less() -> None:
    assert held(0.01, 0.04, 0.03, 0.005) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_corrected_values_pass_one() -> None:
    assert held(0.4, 0.5, 0.9) == [1.0, 1.0, 1.0]


def test_a_comparison_without_a_test_counts_in_the_family() -> None:
    assert held(0.02, None, 0.01) == pytest.approx([0.02, None, 0.02])


def test_the_order_or_the_rest_of_a_comparison_changes() -> None:
    after = corrected([comparison(0.5, "x"), comparison(0.001, "y")])
    assert [(one.metric, one.p) for one in after] == [("x", 0.5), ("y", 0.001)]
    assert corrected([]) == ()


def test_true_nulls_are_rejected_in_more_than_a_twentieth_of_reports() -> None:
    """Of 1,500 reports of 30 correlated comparisons in which nothing differs; standard error 0.006."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(1500):
        p = rng.uniform(size=30)
        p[25:] = p[:5]  # some metrics say the same as others
        found += any(value is not None and value <= 0.05 for value in held(*p))
    assert found / 1500 < 0.065
