"""Figures of topics."""

from __future__ import annotations

import json
import math

import pytest

from analysis.figures import Group, Ranked
from analysis.topics.entropy import Reading, topic_spread
from analysis.topics.labels import Labels
from analysis.topics.measures import labelled_figure, labelled_metric, topic_figures, topic_metrics, topic_ranking

CODEBOOK = {"a", "b", "c", "d"}
DIALOGUES = [("a", "b"), ("a",), ("b", "x"), ("c",), ()]


def test_a_metric_has_no_figure_or_a_figure_no_metric() -> None:
    keys = set()
    for reading, codebook in ((Reading.LIMITED, CODEBOOK), (Reading.UNLIMITED, None)):
        metrics = topic_metrics(reading)
        figures = topic_figures(topic_spread(DIALOGUES, codebook), corpus="one")
        assert [figure.metric for figure in figures] == [metric.key for metric in metrics]
        assert {metric.group for metric in metrics} == {Group.TOPICS}
        keys |= {metric.key for metric in metrics}
    assert len(keys) == 7 + 8
    assert labelled_metric().key not in keys


def test_a_figure_says_another_number_than_the_spread() -> None:
    spread = topic_spread(DIALOGUES, CODEBOOK)
    figures = {figure.metric: figure for figure in topic_figures(spread, corpus="one", remark="Given topics.")}
    assert figures["topics_distinct_limited"].value == 3
    # Shares a 2/5, b 2/5, c 1/5.
    entropy = 0.8 * math.log2(2.5) + 0.2 * math.log2(5)
    assert figures["topic_entropy_limited"].value == pytest.approx(entropy)
    assert figures["topic_entropy_limited"].remark == "At most 2.00 bits. Given topics."
    assert figures["topic_entropy_normalised_limited"].value == pytest.approx(entropy / 2)
    assert figures["topic_scale_limited"].value == pytest.approx(1.0 + 0.25 * 2)
    assert figures["topics_off_list"].value == pytest.approx(1 / 6)
    corrected = figures["topic_entropy_corrected_limited"]
    assert corrected.value is not None
    assert corrected.interval is not None
    assert corrected.interval.low <= corrected.value <= corrected.interval.high
    assert {figure.n for figure in figures.values()} == {4}
    assert labelled_figure(spread, corpus="one").value == pytest.approx(0.8)


@pytest.mark.parametrize("dialogues", [[], [()], [("x",)], [("a",)], [("a",)] * 5, [("a", "b")] * 3, DIALOGUES])
@pytest.mark.parametrize("codebook", [None, CODEBOOK, {"a"}, set[str]()])
def test_a_figure_is_no_plain_number_and_has_no_remark(
    dialogues: list[tuple[str, ...]], codebook: set[str] | None
) -> None:
    spread = topic_spread(dialogues, codebook)
    for figure in [*topic_figures(spread, corpus="one"), labelled_figure(spread, corpus="one")]:
        assert figure.remark or figure.value is not None
        # Plain numbers: a report's writers know no others.
        assert type(figure.value) in {float, int, type(None)}
        assert not figure.interval or {type(end) for end in figure.interval[:2]} == {float}
        json.dumps([figure.value, figure.interval], allow_nan=False)


def test_the_shares_of_a_ranking_are_of_all_dialogues() -> None:
    ranking = topic_ranking(Labels(dialogues=(("a", "b"), ("a",), ()), source="topics", remark="Given."), corpus="one")
    assert (ranking.name, ranking.unit, ranking.n) == ("topics", "labelled dialogues", 2)
    assert ranking.entries == (Ranked("a", 2, 1.0), Ranked("b", 1, 0.5))
    assert ranking.remark.endswith("may add up to more than 1. Given.")


def test_a_corpus_without_labels_breaks_the_ranking() -> None:
    ranking = topic_ranking(
        Labels(dialogues=((), ()), source="", remark="The corpus has no topic labels."), corpus="one"
    )
    assert (ranking.entries, ranking.n) == ((), 0)
    assert ranking.remark == "The corpus has no topic labels."
