"""An annotator held against human labels, utterance by utterance.

Both sides give each utterance a set of labels. Utterances of one dialogue are labelled by one hand and resemble each
other, so every figure is a sum over dialogues divided by another one, and whole dialogues are resampled. Beside the
annotator stands one that reads nothing: it gives every utterance the label that the humans gave most often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.agreement.confusion import confusion, top_confusions
from analysis.agreement.f1 import macro_f1
from analysis.figures import Comparison, Figure, Group, Metric, Ranking
from analysis.ratios import DIALOGUES, Ratio
from analysis.resampling import bootstrap, compare

_OWN = "this project's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledUtterance:
    """One utterance, labelled by a human and by an annotator."""

    dialogue: str
    """Its dialogue's id."""
    human: frozenset[str]
    """Empty where the human said nothing: the utterance is left out."""
    annotator: frozenset[str] | None
    """None or empty where no label could be had of it: that counts as wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How one label fares. Figures are over the utterances of all dialogues, intervals over dialogues."""

    label: str
    human: int
    """Utterances that the human gave it."""
    annotator: int
    """Utterances that the annotator gave it."""
    precision: Figure
    recall: Figure
    f1: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCheck:
    """An annotator against human labels. All but the figures are empty where no utterance has a human label."""

    metrics: tuple[Metric, ...]
    figures: tuple[Figure, ...]
    """A figure a metric, in that order."""
    baseline: tuple[Figure, ...]
    """The same for the majority label, the share answered left out: `corpus` names it."""
    comparisons: tuple[Comparison, ...]
    """Annotator minus majority label, for the two shares right; not corrected yet."""
    labels: tuple[LabelScore, ...]
    """Most frequent human label first, then those that the annotator alone gave."""
    confusion: pd.DataFrame
    """`confusion.confusion`."""
    confusions: Ranking
    """`confusion.top_confusions`."""
    majority: str
    """The label that the baseline gives; "" without any."""
    remark: str = ""


def label_metrics(task: str, group: Group) -> tuple[Metric, ...]:
    """The metrics of `check_labels` for a task ("strategy", "emotion"), whose keys start with its name."""
    held = "utterances that have a human label"
    several = "An utterance with several human labels is hard to get exactly right and easy to get partly right."
    return (
        Metric(
            key=f"{task}_answered",
            name=f"Utterances labelled by the annotator, {task}",
            group=group,
            unit="share of labelled utterances",
            definition=f"Of the {held}, those that the annotator gave any label.",
            source=_OWN,
        ),
        Metric(
            key=f"{task}_exact",
            name=f"Exactly right, {task}",
            group=group,
            unit="share of labelled utterances",
            definition=f"Of the {held}, those where both give the same set of labels (subset accuracy). No answer is wrong.",
            source=_OWN,
            caveat=several,
        ),
        Metric(
            key=f"{task}_overlap",
            name=f"Partly right, {task}",
            group=group,
            unit="share of labelled utterances",
            definition=f"Of the {held}, those where both give any label in common. No answer is wrong.",
            source=_OWN,
            caveat=f"{several} An annotator that gives many labels scores high here; see precision.",
        ),
        Metric(
            key=f"{task}_macro_f1",
            name=f"Macro-F1, {task}",
            group=group,
            unit="F1, 0 to 1",
            definition="F1 of each label that a human gave, over all utterances, then their plain mean: a rare label counts as "
            "much as a frequent one.",
            source="Sokolova and Lapalme, A systematic analysis of performance measures for classification tasks (2009); the "
            "mean of F1, not F1 of the means",
            caveat="Rests on rare labels; the table of labels says how rare.",
        ),
    )


def check_labels(
    utterances: Sequence[LabelledUtterance],
    *,
    task: str,
    corpus: str,
    group: Group,
    codebook: Collection[str] | None = None,
    seed: int,
) -> LabelCheck:
    """Hold an annotator's labels against the human's.

    With a codebook, labels of either side that are not in it are dropped first, and an utterance whose human labels all
    go is left out: the annotator could not have said them. Labels are compared as they are spelt.
    """
    held = [_restricted(utterance, codebook) for utterance in utterances]
    kept = [utterance for utterance in held if utterance.human]
    metrics = label_metrics(task, group)
    counts = Counter(label for utterance in kept for label in utterance.human)
    # Ties by the alphabet, so that one corpus always gives one baseline.
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    majority = ordered[0] if ordered else ""
    mindless = [
        LabelledUtterance(dialogue=one.dialogue, human=one.human, annotator=frozenset({majority})) for one in kept
    ]
    frame, mindless_frame = _frame(kept), _frame(mindless)
    ratios = [
        Ratio(metric=metric, numerator=column, denominator="utterances")
        for metric, column in zip(metrics, ("answered", "exact", "overlap"), strict=False)
    ]
    shares = bootstrap(frame, ratios, corpus=corpus, seed=seed)
    baseline_name = f"always {majority}" if majority else "majority label"
    rows = np.arange(len(frame))
    return LabelCheck(
        metrics=metrics,
        figures=(*shares, macro_f1(_groups(kept), ordered, corpus=corpus, metric=metrics[3].key)),
        baseline=(
            *bootstrap(mindless_frame, ratios[1:], corpus=baseline_name, seed=seed),
            macro_f1(_groups(mindless), ordered, corpus=baseline_name, metric=metrics[3].key),
        ),
        comparisons=tuple(
            compare(
                frame, mindless_frame, ratios[1:], corpus=corpus, reference=baseline_name, seed=seed, pairs=(rows, rows)
            )
        ),
        labels=_label_scores(kept, ordered, task=task, corpus=corpus, group=group, seed=seed),
        confusion=confusion([(one.human, one.annotator or frozenset()) for one in kept]),
        confusions=top_confusions(
            [(one.human, one.annotator or frozenset()) for one in kept], corpus=corpus, task=task
        ),
        majority=majority,
        remark=_remark(utterances, kept),
    )


def _restricted(utterance: LabelledUtterance, codebook: Collection[str] | None) -> LabelledUtterance:
    if codebook is None:
        return utterance
    known = frozenset(codebook)
    return LabelledUtterance(
        dialogue=utterance.dialogue,
        human=utterance.human & known,
        annotator=None if utterance.annotator is None else utterance.annotator & known,
    )


def _groups(utterances: Sequence[LabelledUtterance]) -> list[list[tuple[frozenset[str], frozenset[str]]]]:
    """Human and annotator labels, a list for each dialogue."""
    groups: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for one in utterances:
        groups.setdefault(one.dialogue, []).append((one.human, one.annotator or frozenset()))
    return list(groups.values())


def _frame(utterances: Sequence[LabelledUtterance]) -> pd.DataFrame:
    """A row a dialogue, in the order of their first utterances."""
    rows = [
        (
            1,
            len(group),
            sum(bool(said) for _, said in group),
            sum(human == said for human, said in group),
            sum(bool(human & said) for human, said in group),
        )
        for group in _groups(utterances)
    ]
    return pd.DataFrame(rows, columns=[DIALOGUES, "utterances", "answered", "exact", "overlap"])


def _label_scores(
    utterances: Sequence[LabelledUtterance], ordered: Sequence[str], *, task: str, corpus: str, group: Group, seed: int
) -> tuple[LabelScore, ...]:
    others = {label for one in utterances for label in one.annotator or ()} - set(ordered)
    labels = [*ordered, *sorted(others)]
    groups = _groups(utterances)
    columns: dict[str, list[int]] = {}
    ratios: list[Ratio] = []
    for place, label in enumerate(labels):
        human = [sum(label in given for given, _ in one) for one in groups]
        said = [sum(label in given for _, given in one) for one in groups]
        right = [sum(label in given and label in answer for given, answer in one) for one in groups]
        columns |= {
            f"{place} human": human,
            f"{place} said": said,
            f"{place} right": right,
            f"{place} right twice": [2 * times for times in right],
            f"{place} both": [one + other for one, other in zip(human, said, strict=True)],
        }
        ratios += [
            Ratio(metric=metric, numerator=f"{place} {top}", denominator=f"{place} {bottom}")
            for metric, top, bottom in zip(
                per_label_metrics(task, group),
                ("right", "right", "right twice"),
                ("said", "human", "both"),
                strict=True,
            )
        ]
    figures = bootstrap(pd.DataFrame(columns), ratios, corpus=corpus, seed=seed)
    return tuple(
        LabelScore(
            label=label,
            human=sum(columns[f"{place} human"]),
            annotator=sum(columns[f"{place} said"]),
            precision=figures[3 * place],
            recall=figures[3 * place + 1],
            f1=figures[3 * place + 2],
        )
        for place, label in enumerate(labels)
    )


def per_label_metrics(task: str, group: Group) -> tuple[Metric, Metric, Metric]:
    """Precision, recall and F1 of one label: the metrics of `LabelScore`."""
    return (
        Metric(
            key=f"{task}_precision",
            name=f"Precision of a label, {task}",
            group=group,
            unit="share of the annotator's utterances",
            definition="Of the utterances that the annotator gave the label, those that the human gave it too.",
            source=_OWN,
        ),
        Metric(
            key=f"{task}_recall",
            name=f"Recall of a label, {task}",
            group=group,
            unit="share of the human's utterances",
            definition="Of the utterances that the human gave the label, those that the annotator gave it too.",
            source=_OWN,
        ),
        Metric(
            key=f"{task}_f1",
            name=f"F1 of a label, {task}",
            group=group,
            unit="share of both sides' utterances",
            definition="Utterances that both gave the label, counted on both sides, of those that either gave it, counted on "
            "its side: the harmonic mean of precision and recall.",
            source="van Rijsbergen, Information retrieval (1979), chapter 7",
        ),
    )


def _remark(utterances: Sequence[LabelledUtterance], kept: Sequence[LabelledUtterance]) -> str:
    if not kept:
        return "No utterance has a human label that the annotator could give."
    left_out = len(utterances) - len(kept)
    unanswered = sum(not one.annotator for one in kept)
    said = []
    if left_out:
        said.append(
            f"{left_out} of {len(utterances)} utterances left out: no human label that the annotator could give."
        )
    if unanswered:
        said.append(f"{unanswered} utterances without an answer count as wrong.")
    return " ".join(said)
