"""`agree --with-given`: an annotator held against the labels that its corpus had before."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.agreement.labels import LabelCheck
from analysis.report.files import plain
from analysis.report.inputs import corpus_name
from analysis.report.parts.annotated import TASKS, carries_both, check
from expander.annotation.writing import CORPUS
from expander.commands.agreement_output import between, labelled, number, say
from expander.commands.annotation_folders import AnnotationFolder, annotation_folder, label_names
from expander.commands.options import AgreeOptions
from expander.commands.writing import write_json
from expander.consoles import printable
from expander.errors import UsageError

_SHOWN = 20  # labels of a table; --json has all


def agree_with_given(folders: tuple[Path, ...], options: AgreeOptions, console: Console) -> None:
    """Measure, print, and write what was asked for."""
    if len(folders) != 1:
        raise UsageError("--with-given holds one folder against the labels of its own corpus: give one.")
    folder = annotation_folder(folders[0])
    task = next((task for task in TASKS if task.name == folder.task), None)
    if task is None:
        raise UsageError(
            f"{folder.path}: --with-given is for the tasks {' and '.join(one.name for one in TASKS)}, not {folder.task}."
        )
    if not (folder.path / CORPUS).is_file():
        raise UsageError(f"{folder.path}: its {CORPUS} is not there. Give its `annotate` command again.")
    entries = list(labelled(folder))
    if not carries_both(entries, task):
        raise UsageError(
            f"{folder.path}: the corpus had no {task.name} labels of its own (`{task.key}` beside its utterances), so there is "
            "nothing to hold these against."
        )
    name = printable(corpus_name(folder.path))
    found = check(entries, task, label_names(task.name), corpus=name, seed=options.seed)
    _print_check(found, folder, console)
    if options.json is not None:
        write_json(options.json, _check_document(found, folder))


def _print_check(found: LabelCheck, folder: AnnotationFolder, console: Console) -> None:
    say(console, f"{folder.path}: {folder.task}, {folder.judge}, held against the corpus's own labels")
    mindless = {figure.metric: figure for figure in found.baseline}
    table = Table("", box=None, pad_edge=False)
    for head in (
        "value",
        "95 % interval",
        "dialogues",
        f"always {found.majority}" if found.majority else "majority label",
    ):
        table.add_column(Text(printable(head)), justify="right")
    for metric, figure in zip(found.metrics, found.figures, strict=True):
        base = mindless.get(metric.key)
        table.add_row(
            Text(metric.name),
            number(figure.value),
            between(figure.interval),
            f"{figure.n:,}",
            number(base.value if base else None),
        )
    console.print(table)
    if found.remark:
        say(console, found.remark)
    labels = Table("label", box=None, pad_edge=False)
    for head in ("by people", "by annotator", "precision", "recall", "F1"):
        labels.add_column(head, justify="right")
    for each in found.labels[:_SHOWN]:
        scores = (number(figure.value) for figure in (each.precision, each.recall, each.f1))
        labels.add_row(Text(printable(each.label)), f"{each.human:,}", f"{each.annotator:,}", *scores)
    console.print(labels)
    confusions = Table("people → annotator", box=None, pad_edge=False)
    confusions.add_column("utterances", justify="right")
    for entry in found.confusions.entries:
        confusions.add_row(Text(printable(entry.text)), f"{entry.count:,}")
    if found.confusions.entries:
        console.print(confusions)


def _check_document(found: LabelCheck, folder: AnnotationFolder) -> dict[str, object]:
    return {
        "task": folder.task,
        "made_by": folder.judge,
        "majority": found.majority,
        **{
            key: [plain(each) for each in getattr(found, key)]
            for key in ("metrics", "figures", "baseline", "comparisons", "labels")
        },
        "confusion": {
            "human": [str(name) for name in found.confusion.index],
            "annotator": [str(name) for name in found.confusion.columns],
            "counts": found.confusion.to_numpy().tolist(),
        },
        "remark": found.remark,
    }
