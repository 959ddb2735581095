"""How far apart two corpora's topics are."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from analysis.topics.distance import topic_distance

Dialogues = list[tuple[str, ...]]


def plain_distance(mine: Dialogues, theirs: Dialogues) -> float:
    first, second = (Counter(label for labels in part for label in labels) for part in (mine, theirs))
    divergence = 0.0
    for label in first | second:
        p, q = first[label] / first.total(), second[label] / second.total()
        divergence += sum(share * math.log2(share / ((p + q) / 2)) / 2 for share in (p, q) if share)
    return math.sqrt(divergence)


def test_the_distance_differs_from_its_definition() -> None:
    mine: Dialogues = [("a", "b"), ("a",), ("c",), ("a", "c")]
    theirs: Dialogues = [("b",), ("b", "c"), ("b",)]
    found = topic_distance(mine, theirs, corpus="m", reference_name="t", codebook={"a", "b", "c"})
    assert found.effect == pytest.approx(plain_distance(mine, theirs))
    assert (found.n, found.n_reference, found.metric) == (4, 3, "topic_distance")
    assert (found.difference, found.interval, found.p_corrected) == (None, None, None)


def test_the_permutation_p_differs_from_all_ways_to_deal() -> None:
    mine: Dialogues = [("a", "b"), ("a",), ("a", "c"), ("a",)]
    theirs: Dialogues = [("b",), ("b", "c"), ("b",), ("c",), ("a", "b")]
    every = mine + theirs
    ways = list(combinations(range(9), 4))
    observed = plain_distance(mine, theirs)
    reached = sum(
        plain_distance([every[place] for place in way], [every[place] for place in range(9) if place not in way])
        >= observed - 1e-12
        for way in ways
    )
    found = topic_distance(mine, theirs, corpus="m", reference_name="t", codebook={"a", "b", "c"}, permutations=20_000)
    assert found.p == pytest.approx(reached / len(ways), abs=0.01)


def test_p_is_small_where_nothing_differs() -> None:
    random = np.random.default_rng(2)
    small = 0
    for seed in range(100):
        mine, theirs = (
            [(one, another) for one, another in random.choice(list("abcdefgh"), (40, 2)).tolist()] for _ in range(2)
        )
        found = topic_distance(mine, theirs, corpus="m", reference_name="t", seed=seed, permutations=199)
        assert found.p is not None
        small += found.p <= 0.05
    # 5 of 100 are expected, and 13 or more come once in 700 times.
    assert small <= 12


def test_two_unlike_corpora_have_a_large_p() -> None:
    found = topic_distance(
        [("a",), ("a", "b")] * 40, [("b",), ("a", "b")] * 40, corpus="m", reference_name="t", codebook={"a", "b"}
    )
    assert found.p == 1 / 2_000
    assert "apart on average" in found.remark


def test_the_same_seed_gives_another_p() -> None:
    mine: Dialogues = [("a",), ("b",), ("a", "c")] * 5
    theirs: Dialogues = [("a",), ("c",), ("b", "c")] * 5
    first = topic_distance(mine, theirs, corpus="m", reference_name="t", seed=4)
    assert first == topic_distance(mine, theirs, corpus="m", reference_name="t", seed=4)


def test_a_label_that_is_not_common_counts() -> None:
    mine: Dialogues = [("a",), ("b",), ("x", "y")]
    theirs: Dialogues = [("a",), ("b",), ("z",)]
    found = topic_distance(mine, theirs, corpus="m", reference_name="t")
    assert found.effect == pytest.approx(0.0, abs=1e-6)
    assert found.p == 1.0
    assert (found.n, found.n_reference) == (2, 2)
    assert found.remark.endswith("50% of the corpus's labels, 33% of the reference's.")


@pytest.mark.parametrize(
    ("mine", "theirs", "codebook", "remark"),
    [
        ([], [], None, "One of the two has no label"),
        ([("a",)], [], {"a", "b"}, "One of the two has no label"),
        ([("a",)], [("b",)], None, "One of the two has no label"),
        ([("a",)] * 3, [("a",)] * 4, None, "At most one topic"),
        ([("a",)], [("a",)], {"a"}, "At most one topic"),
        ([(), ("x",)], [("a",)], {"a", "b"}, "One of the two has no label"),
    ],
)
def test_what_cannot_be_compared_has_a_distance(
    mine: Dialogues, theirs: Dialogues, codebook: set[str] | None, remark: str
) -> None:
    found = topic_distance(mine, theirs, corpus="m", reference_name="t", codebook=codebook)
    assert (found.effect, found.p) == (None, None)
    assert found.remark.startswith(remark)


def test_one_dialogue_on_each_side_breaks() -> None:
    found = topic_distance([("a",)], [("b",)], corpus="m", reference_name="t", codebook={"a", "b"})
    assert (found.effect, found.p) == (1.0, 1.0)
