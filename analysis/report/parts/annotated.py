"""Corpora that carry an annotator's labels beside their own: how far the annotator says what people said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.agreement.labels import LabelCheck, LabelledUtterance, check_labels
from analysis.figures import Group
from analysis.report.parts.means import Resampling
from analysis.report.sections import Prepared, Section, joined
from filters.dialogue import CorpusEntry, Role

GIVEN = "given "
"""Before the key of a corpus's own label, once an annotator's stands under that key."""
ANNOTATED_BY = "annotated_by"
"""Where an annotated dialogue says who labelled it."""

Names = Mapping[str, str]
"""The labels of a task: each way to write one, case folded, with the name it stands for. What is in no list is no label."""


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A label an utterance of one speaker: the task's name, and the key beside the utterance."""

    name: Literal["strategy", "emotion"]
    key: str
    role: Role


TASKS = (
    LabelTask("strategy", "strategy", Role.COUNSELOR),
    LabelTask("emotion", "emotional label", Role.CLIENT),
)
"""Keys as in Psy-Insight."""


def annotated(corpora: Sequence[Prepared], names: Mapping[str, Names], resampling: Resampling) -> Section:
    """Accuracy and confusions of each corpus that carries both; nothing where none does. `names` by task."""
    found = []
    for task in TASKS:
        for corpus in corpora:
            entries = corpus.input.entries
            if not carries_both(entries, task):
                continue
            checked = check(entries, task, names.get(task.name, {}), corpus=corpus.name, seed=resampling.seed)
            found.append(_section(checked, corpus, task))
    return joined(found)


def carries_both(entries: Sequence[CorpusEntry], task: LabelTask) -> bool:
    """Whether any utterance has a label of the corpus's own that an annotator was asked about too."""
    return any(GIVEN + task.key in said for entry in entries for said in _beside(entry))


def check(entries: Sequence[CorpusEntry], task: LabelTask, names: Names, *, corpus: str, seed: int) -> LabelCheck:
    """The annotator's labels held against the corpus's own, over the labels of `names`; all as spelt where it is empty."""
    return check_labels(
        list(labelled_utterances(entries, task, names)),
        task=task.name,
        corpus=corpus,
        group=Group.HUMAN,
        codebook=frozenset(names.values()) or None,
        seed=seed,
    )


def labelled_utterances(entries: Sequence[CorpusEntry], task: LabelTask, names: Names) -> Iterator[LabelledUtterance]:
    """The speaker's utterances in order. A dialogue is told by its place: ids may come twice."""
    for entry in entries:
        for (role, _), said in zip(entry.dialogue.utterances, _beside(entry), strict=False):
            if role is task.role:
                yield LabelledUtterance(
                    dialogue=entry.place,
                    human=_labels(said.get(GIVEN + task.key), names),
                    annotator=_labels(said.get(task.key), names),
                )


def _beside(entry: CorpusEntry) -> list[Mapping[str, object]]:
    listed = entry.extra.get("utterances")
    if not isinstance(listed, list | tuple) or len(listed) != len(entry.dialogue.utterances):
        return []
    return [said if isinstance(said, Mapping) else {} for said in listed]


def _labels(value: object, names: Names) -> frozenset[str]:
    listed = value if isinstance(value, list | tuple) else [value]
    texts = [text.strip() for text in listed if isinstance(text, str) and text.strip()]
    return frozenset(names.get(text.casefold(), text) for text in texts)


def _section(checked: LabelCheck, corpus: Prepared, task: LabelTask) -> Section:
    who = next((by for entry in corpus.input.entries if (by := _annotator(entry))), "")
    remark = (
        f"{corpus.name} carries two sets of {task.name} labels, its own and an annotator's{who}: every other figure of "
        f"{task.name} here counts the annotator's."
    )
    remarks = [remark]
    if checked.remark:
        remarks.append(f"{corpus.name}, {task.name} labels: {checked.remark}")
    if not checked.majority:
        return Section(remarks=remarks)
    return Section(
        metrics=checked.metrics,
        figures=checked.figures,
        comparisons=checked.comparisons,
        rankings=[checked.confusions] if checked.confusions.entries else [],
        remarks=remarks,
    )


def _annotator(entry: CorpusEntry) -> str:
    """ " (MODEL)", or nothing where the dialogue does not say."""
    made_by = entry.extra.get(ANNOTATED_BY)
    model = made_by.get("model") if isinstance(made_by, Mapping) else None
    return f" ({model})" if isinstance(model, str) and model else ""
