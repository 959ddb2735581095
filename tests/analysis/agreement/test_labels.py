from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.confusion import NONE, confusion, top_confusions
from analysis.agreement.f1 import macro_f1
from analysis.agreement.labels import LabelCheck, LabelledUtterance, check_labels, label_metrics, per_label_metrics
from analysis.corpora import read_corpus
from analysis.corrections import corrected
from analysis.figures import Figure, Group, Ranked
from analysis.human.labels import strategies
from filters.dialogue import CorpusEntry

Pair = tuple[frozenset[str], frozenset[str]]


def said(dialogue: str, human: str, annotator: str | None) -> LabelledUtterance:
    """Labels are letters."""
    return LabelledUtterance(
        dialogue=dialogue, human=frozenset(human), annotator=None if annotator is None else frozenset(annotator)
    )


def pairs(*labels: str) -> list[Pair]:
    """ "ab-b": the human said a and b, the annotator b."""
    return [(frozenset(one), frozenset(other)) for one, other in (text.split("-") for text in labels)]


def check(utterances: list[LabelledUtterance], codebook: str | None = None) -> LabelCheck:
    return check_labels(
        utterances, task="strategy", corpus="one", group=Group.HUMAN, codebook=codebook and set(codebook), seed=1
    )


def values(figures: tuple[Figure, ...]) -> dict[str, float | None]:
    return {figure.metric.removeprefix("strategy_"): figure.value for figure in figures}


BY_HAND = [
    said("1", "q", "q"),
    said("1", "q", "r"),
    said("1", "qr", "q"),
    said("2", "r", "r"),
    said("2", "q", None),
    said("3", "i", ""),
    said("3", "q", "q"),
    said("3", "", "q"),
]


def test_shares_differ_from_a_count_by_hand() -> None:
    """Of 7 labelled utterances 5 have an answer, 3 are exactly right, 4 partly. q: 5 human, 3 said, 3 right, F1 6/8;
    r: 2 human, 2 said, 1 right, F1 2/4; i: never said, F1 0.
    """
    found = check(BY_HAND)
    assert values(found.figures) == pytest.approx(
        {"answered": 5 / 7, "exact": 3 / 7, "overlap": 4 / 7, "macro_f1": (6 / 8 + 1 / 2 + 0) / 3}
    )
    assert {figure.n for figure in found.figures} == {3}
    scores = {one.label: (one.human, one.annotator, one.precision.value, one.recall.value) for one in found.labels}
    assert scores == {"q": (5, 3, 1.0, 0.6), "r": (2, 2, 0.5, 0.5), "i": (1, 0, None, 0.0)}
    assert [one.f1.value for one in found.labels] == pytest.approx([0.75, 0.5, 0.0])
    assert found.remark.startswith("1 of 8 utterances left out")
    assert "2 utterances without an answer count as wrong" in found.remark


def test_the_baseline_reads_the_dialogue() -> None:
    """ "q" everywhere: 4 of 7 exactly right, 5 partly; its F1 is 2 * 5 / (5 + 7), the others' 0."""
    found = check(BY_HAND)
    assert found.majority == "q"
    assert values(found.baseline) == pytest.approx({"exact": 4 / 7, "overlap": 5 / 7, "macro_f1": 10 / 12 / 3})
    assert {figure.corpus for figure in found.baseline} == {"always q"}
    assert [one.difference for one in found.comparisons] == pytest.approx([-1 / 7, -1 / 7])


def test_equally_frequent_labels_make_the_baseline_chance() -> None:
    assert check([said("1", "b", "b"), said("2", "a", "a")]).majority == "a"


def test_a_label_outside_the_codebook_counts() -> None:
    found = check([said("1", "q", "qx"), said("1", "x", "q"), said("2", "qx", "q"), said("2", "q", "x")], "qr")
    assert values(found.figures)["exact"] == pytest.approx(2 / 3)
    assert values(found.figures)["answered"] == pytest.approx(2 / 3)
    assert {one.label for one in found.labels} == {"q"}
    assert "1 of 4 utterances left out" in found.remark


@pytest.mark.parametrize("utterances", [[], [said("1", "", "q")]], ids=["nothing", "no human label"])
def test_no_human_label_breaks_the_check(utterances: list[LabelledUtterance]) -> None:
    found = check(utterances)
    assert {figure.value for figure in (*found.figures, *found.baseline)} == {None}
    assert all(figure.remark for figure in found.figures)
    assert (found.labels, found.confusions.entries, found.majority) == ((), (), "")
    assert found.confusion.to_numpy().sum() == 0
    assert found.remark.endswith("No utterance has a human label that the annotator could give.")


def test_one_dialogue_has_an_interval() -> None:
    found = check([said("1", "q", "q"), said("1", "r", "q")])
    assert {figure.interval for figure in found.figures} == {None}
    assert all("One dialogue" in figure.remark for figure in found.figures)
    assert {(one.interval, one.p) for one in found.comparisons} == {(None, None)}


def test_figures_stand_in_another_order_than_metrics() -> None:
    found = check(BY_HAND)
    assert [figure.metric for figure in found.figures] == [metric.key for metric in found.metrics]
    assert found.metrics == label_metrics("strategy", Group.HUMAN)
    of_label = per_label_metrics("strategy", Group.HUMAN)
    assert [found.labels[0].precision.metric, found.labels[0].recall.metric, found.labels[0].f1.metric] == [
        metric.key for metric in of_label
    ]
    numbers = [(figure.value, figure.interval) for figure in (*found.figures, *found.baseline)]
    json.dumps(numbers, allow_nan=False)


# --- confusion


def test_single_labels_have_another_table_than_counts() -> None:
    table = confusion(pairs("q-q", "q-q", "q-r", "r-r", "r-", "i-q"))
    expected = pd.DataFrame(
        [[2, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]],
        index=["q", "r", "i", NONE],
        columns=["q", "r", "i", NONE],
        dtype=np.float64,
    )
    pd.testing.assert_frame_equal(table, expected, check_names=False)
    assert (table.index.name, table.columns.name) == ("human", "annotator")


def test_a_row_does_not_sum_to_the_humans_utterances() -> None:
    """q and r against r, s, t: r is right, q is spread over s and t; an s beside no missed label falls to no row."""
    table = confusion(pairs("qr-rst", "q-q", "qr-r", "r-rs"))
    assert table.loc["q"].to_dict() == {"r": 0.0, "q": 1.0, "s": 0.5, "t": 0.5, NONE: 1.0}
    assert table.loc["r"].to_dict() == {"r": 3.0, "q": 0.0, "s": 0.0, "t": 0.0, NONE: 0.0}
    assert table.loc[NONE].to_dict() == {"r": 0.0, "q": 0.0, "s": 1.0, "t": 0.0, NONE: 0.0}
    assert table.loc[["q", "r"]].sum(axis=1).to_dict() == {"q": 3.0, "r": 3.0}


def test_the_most_frequent_confusions_are_others() -> None:
    ranking = top_confusions(pairs("q-r", "q-r", "q-", "r-q", "q-q"), corpus="one", task="strategy", k=2)
    assert ranking.entries == (Ranked("q → r", 2, 0.4), Ranked(f"q → {NONE}", 1, 0.2))
    assert (ranking.name, ranking.n, ranking.unit) == ("strategy_confusions", 5, "labelled utterances")


# --- intervals


def test_macro_f1_differs_from_the_mean_of_plain_f1() -> None:
    dialogues = [pairs("a-a", "b-a"), pairs("b-b", "a-a"), pairs("c-c", "c-a")]
    found = macro_f1(dialogues, ["a", "b", "c"], corpus="one", metric="m")
    # a: 2 of 2 + 4; b: 1 of 2 + 1; c: 1 of 2 + 1.
    assert found.value == pytest.approx((4 / 6 + 2 / 3 + 2 / 3) / 3)
    assert "1 of 3 labels stand in one dialogue alone" in found.remark


def test_macro_f1_of_full_agreement_claims_a_spread() -> None:
    found = macro_f1([pairs("a-a"), pairs("b-b", "a-a"), pairs("b-b")], ["a", "b"], corpus="one", metric="m")
    assert (found.value, found.interval) == (1.0, None)
    assert found.remark.startswith("The same in every dialogue.")


LABELS = "abcde"
SHARES = 1 / np.arange(1, 6) / (1 / np.arange(1, 6)).sum()


def annotated(rng: np.random.Generator, dialogues: int, skill: float) -> list[LabelledUtterance]:
    """Dialogues that lean to labels of their own, and that the annotator reads well or badly as wholes."""
    made = []
    for name in range(dialogues):
        right, leaning = rng.beta(4 * skill, 4 * (1 - skill)), rng.dirichlet(8 * SHARES)
        for _ in range(1 + rng.poisson(5)):
            human = rng.choice(5, p=leaning)
            answer = human if rng.random() < right else rng.choice(5, p=SHARES)
            made.append(said(str(name), LABELS[human], LABELS[answer]))
    return made


def test_the_intervals_miss_the_truth_more_often_than_they_say() -> None:
    rng = np.random.default_rng(8)
    truth = check(annotated(rng, 4_000, 0.6))
    wanted = {figure.metric: figure.value for figure in truth.figures[1:]}
    hits = dict.fromkeys(wanted, 0)
    runs = 50
    for _ in range(runs):
        for figure in check(annotated(rng, 50, 0.6)).figures[1:]:
            expected = wanted[figure.metric]
            assert figure.interval is not None
            assert expected is not None
            hits[figure.metric] += figure.interval.low <= expected <= figure.interval.high
    # Aim 0.95; 50 runs of 0.93 fall below 0.8 once in a thousand times.
    assert min(hits.values()) / runs >= 0.8


def test_an_annotator_that_reads_is_called_no_better_than_one_that_does_not() -> None:
    found = check(annotated(np.random.default_rng(9), 60, 0.8))
    exact = corrected(found.comparisons)[0]
    assert exact.difference is not None
    assert exact.difference > 0.2
    assert exact.p_corrected is not None
    assert exact.p_corrected < 0.01


def test_real_labels_break_the_check(data: Path) -> None:
    """The human's own labels against themselves, and against those of the utterance before."""
    right, shifted = [], []
    for entry in itertools.islice(read_corpus(data / "psy_insight_cn.json"), 120):
        assert isinstance(entry, CorpusEntry)
        before: frozenset[str] = frozenset()
        for labels in strategies(entry):
            if not labels:
                continue
            human = frozenset(labels)
            right.append(LabelledUtterance(dialogue=entry.id, human=human, annotator=human))
            shifted.append(LabelledUtterance(dialogue=entry.id, human=human, annotator=before or None))
            before = human
    same, other = check(right), check(shifted)
    assert values(same.figures)["exact"] == 1.0
    exact = values(other.figures)["exact"]
    assert exact is not None
    assert 0.0 < exact < 1.0
    assert other.confusion.loc[other.majority].sum() == next(
        one.human for one in other.labels if one.label == other.majority
    )
