"""What the two readings of topic entropy do, and do not do, as annotators hand out more labels or other ones."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from analysis.topics.entropy import PEAK, TopicSpread, topic_spread

TOPICS = [f"topic {number}" for number in range(60)]


def dealt(labels: int) -> list[tuple[str, ...]]:
    """60 dialogues with so many labels each; every topic has one share of the labels, 1/60."""
    return [tuple(TOPICS[(start + step) % 60] for step in range(labels)) for start in range(60)]


def plug_ins(spread: TopicSpread) -> tuple[float, float]:
    assert spread.entropy is not None
    assert spread.published is not None
    return spread.entropy.plug_in, spread.published.plug_in


def test_the_published_scale_stays_where_dialogues_get_more_labels() -> None:
    """Shares of labels fixed at 1/60: entropy is log2 60 throughout, and the scale passes it to peak near p = 1/e."""
    found = [plug_ins(topic_spread(dealt(labels), TOPICS)) for labels in (1, 2, 4, 8, 22)]
    assert {round(entropy, 9) for entropy, _ in found} == {round(math.log2(60), 9)}
    assert all(before < after for (_, before), (_, after) in pairwise(found))
    assert found[0][1] == pytest.approx(math.log2(60))
    assert found[1][1] == pytest.approx(60 * -(2 / 60) * math.log2(2 / 60))
    assert 31.8 < found[-1][1] < 60 * PEAK < 31.85


def test_the_published_scale_passes_its_maximum() -> None:
    for labels in (20, 22, 24, 40, 60):
        assert plug_ins(topic_spread(dealt(labels), TOPICS))[1] <= 60 * PEAK
    assert plug_ins(topic_spread(dealt(60), TOPICS))[1] == pytest.approx(0.0)


LABELLED = [(TOPICS[0], TOPICS[1]), (TOPICS[0],), (TOPICS[2],), (TOPICS[0], TOPICS[2]), (TOPICS[1],)]


def test_entropies_of_a_hand_made_labelling_differ_from_a_count_by_hand() -> None:
    """Labels: 3, 2, 2 of 7; of five dialogues 3/5, 2/5, 2/5 carry them."""
    entropy, scale = plug_ins(topic_spread(LABELLED, TOPICS))
    assert entropy == pytest.approx(3 / 7 * math.log2(7 / 3) + 4 / 7 * math.log2(7 / 2))
    assert scale == pytest.approx(3 / 5 * math.log2(5 / 3) + 4 / 5 * math.log2(5 / 2))


def test_empty_answers_change_the_limited_reading() -> None:
    alone, beside = topic_spread(LABELLED, TOPICS), topic_spread([(), *LABELLED, (), ()], TOPICS)
    assert (beside.entropy, beside.published, beside.per_dialogue) == (
        alone.entropy,
        alone.published,
        alone.per_dialogue,
    )
    assert (beside.labelled, beside.off_list) == (alone.labelled, alone.off_list)


def test_labels_outside_the_codebook_change_the_limited_reading() -> None:
    """Off-list labels beside listed ones change nothing but the off-list share: five of twelve labels."""
    noisy = [(*labels, f"made up {place}") for place, labels in enumerate(LABELLED)]
    alone, beside = topic_spread(LABELLED, TOPICS), topic_spread(noisy, TOPICS)
    assert (beside.entropy, beside.published, beside.per_dialogue) == (
        alone.entropy,
        alone.published,
        alone.per_dialogue,
    )
    assert beside.off_list == pytest.approx(5 / 12)
    assert plug_ins(topic_spread(noisy))[0] > plug_ins(alone)[0]


def test_a_dialogue_with_nothing_from_the_codebook_changes_the_limited_reading() -> None:
    alone, beside = topic_spread(LABELLED, TOPICS), topic_spread([*LABELLED, ("made up",)], TOPICS)
    assert (beside.entropy, beside.published, beside.per_dialogue) == (
        alone.entropy,
        alone.published,
        alone.per_dialogue,
    )
    assert beside.off_list == pytest.approx(1 / 8)
