"""`agree`: annotators held against each other, or one against the labels that its corpus had before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.agreement.by_label import LabelAgreement, by_label
from analysis.agreement.krippendorff import Agreement, Answer, Distance, agreement, in_words
from analysis.folding import digest, folded_text
from analysis.report.files import plain
from analysis.report.inputs import corpus_name, unique_names
from expander.annotation.writing import CORPUS
from expander.commands.agreeing_with_given import agree_with_given
from expander.commands.agreement_output import between, labelled, number, say
from expander.commands.annotation_folders import AnnotationFolder, annotation_folder
from expander.commands.options import AgreeOptions
from expander.commands.writing import keep_inputs, write_json
from expander.consoles import printable
from expander.errors import UsageError

_SHOWN = 20  # labels of a table; --json has all
_SAME_WORDS = ("codebook", "labels", "rubric")  # settings that say what there was to choose among
_ONE_MODEL = "They came from one model and one prompt, and such answers share their errors too: this is how steady it is, not how right."
_ROUGH = "Scores are taken as labels: 0 against 2 is no further apart than 0 against 1."


class _Dialogue(NamedTuple):
    """What makes a dialogue the same in two folders: its id, its words where they are known, and how often it came before."""

    id: str
    words: bytes
    time: int


@dataclass(frozen=True, slots=True)
class _Annotator:
    name: str
    folder: AnnotationFolder
    dialogues: Sequence[_Dialogue]
    """One a line of the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """Alpha of one reading of the labels, or of one criterion."""

    of: str
    found: Agreement
    labels: tuple[LabelAgreement, ...] = ()


def agree_on(folders: tuple[Path, ...], options: AgreeOptions, console: Console) -> int:
    """Measure, print, write what was asked for, and give the exit code."""
    keep_inputs([options.json], folders)
    if options.with_given:
        agree_with_given(folders, options, console)
        return 0
    if len(folders) < 2:  # noqa: PLR2004 - nobody to agree with
        raise UsageError(
            "Give two folders of `annotate` or more; one alone with --with-given, for a corpus that had labels."
        )
    annotators = _annotators(folders)
    task = _one_task(annotators)
    remarks = _shared(annotators)
    results = list(_results(task, annotators, _DISTANCES[options.distance]))
    _print(task, annotators, results, remarks, console)
    if options.json is not None:
        write_json(options.json, _document(task, annotators, results, remarks))
    return 0


_DISTANCES = {"masi": Distance.MASI, "jaccard": Distance.JACCARD, "nominal": Distance.NOMINAL}


def _annotators(paths: Sequence[Path]) -> list[_Annotator]:
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("A folder is named twice, and would agree with itself. Name each once.")
    names = unique_names([printable(corpus_name(path)) for path in paths])
    folders = [annotation_folder(path) for path in paths]
    # Words of one alone cannot be compared.
    worded = all((path / CORPUS).is_file() for path in paths)
    return [
        _Annotator(name, folder, _dialogues(folder, worded=worded)) for name, folder in zip(names, folders, strict=True)
    ]


def _dialogues(folder: AnnotationFolder, *, worded: bool) -> list[_Dialogue]:
    words = [b""] * len(folder.lines)
    if worded:
        dialogues = list(labelled(folder))
        if [entry.id for entry in dialogues] != [line.id for line in folder.lines]:
            raise UsageError(
                f"{folder.path}: its {CORPUS} and its annotations are not of the same dialogues. Give its `annotate` command again."
            )
        words = [digest(folded_text(entry.dialogue)) for entry in dialogues]
    seen: Counter[tuple[str, bytes]] = Counter()
    found = []
    for line, said in zip(folder.lines, words, strict=True):
        name = str(line.id) if line.against_id is None else f"{line.id}\x1f{line.against_id}"
        found.append(_Dialogue(name, said, seen[name, said]))
        seen[name, said] += 1
    return found


def _one_task(annotators: Sequence[_Annotator]) -> str:
    """The task that all share, and what there was to choose among. Raises UsageError where they do not."""
    first = annotators[0].folder
    for each in annotators[1:]:
        mine, other = _task(first), _task(each.folder)
        if mine != other:
            raise UsageError(
                f"{first.path} is about {mine} and {each.folder.path} about {other}. Give folders of one task."
            )
        for key in _SAME_WORDS:
            before, now = first.settings.get(key), each.folder.settings.get(key)
            if before is not None and now is not None and before != now:
                raise UsageError(
                    f"{first.path} and {each.folder.path} were made with another {key}: their answers cannot agree. "
                    "Give folders that were made with the same one."
                )
    return first.task


def _task(folder: AnnotationFolder) -> str:
    return f"{folder.task} ({folder.rubric})" if folder.rubric is not None else folder.task


def _shared(annotators: Sequence[_Annotator]) -> list[str]:
    """What a reader must know. Raises UsageError where no dialogue is in two folders."""
    times = Counter(dialogue for each in annotators for dialogue in set(each.dialogues))
    shared = {dialogue for dialogue, count in times.items() if count > 1}
    if not shared:
        raise UsageError(
            "No dialogue is in two of these folders: they are of different corpora, or the corpus has other ids now. "
            "Give folders that were made of the same dialogues."
        )
    by_id = Counter(name for each in annotators for name in {dialogue.id for dialogue in each.dialogues})
    changed = sum(count > 1 for count in by_id.values()) - len({dialogue.id for dialogue in shared})
    alone = len(times) - len(shared)
    remarks = []
    if changed:
        remarks.append(f"{changed:,} dialogues have one id and different words in two folders: they are left out.")
    elif alone:
        remarks.append(f"{alone:,} dialogues are in one folder only: they are left out.")
    for each in annotators:
        unread = sum(line.outcome in {"unparseable", "failed"} for line in each.folder.lines)
        remarks += [f"{each.name} has no answer, or no whole one, for {unread:,} of {len(each.folder.lines):,}."] * (
            unread > 0
        )
    if len({each.folder.judge for each in annotators}) == 1:
        remarks.append(_ONE_MODEL)
    if any(line.scores is not None for each in annotators for line in each.folder.lines):
        remarks.append(_ROUGH)
    return remarks


_Key = tuple[_Dialogue, int]
"""A unit: a dialogue, and the utterance's place in it, 0 where the whole is meant."""


def _results(task: str, annotators: Sequence[_Annotator], distance: Distance) -> Iterator[_Result]:
    if task == "judge":
        keys = dict.fromkeys(
            key for each in annotators for line in each.folder.lines for key in (line.scores or line.verdicts or ())
        )
        for key in keys:
            found, _ = _measured([_verdicts(each, key) for each in annotators], Distance.NOMINAL)
            yield _Result(of=key, found=found)
        if not keys:
            raise UsageError("None of the answers in these folders could be read.")
        return
    # What was said first: the limited reading is a part of it, so one table of labels serves both.
    for reading in ("unlimited", "limited"):
        found, units = _measured([_labels(each, reading) for each in annotators], distance)
        yield _Result(of=reading, found=found, labels=by_label(units) if reading == "unlimited" else ())


def _labels(annotator: _Annotator, reading: str) -> dict[_Key, Answer]:
    found: dict[_Key, Answer] = {}
    for dialogue, line in zip(annotator.dialogues, annotator.folder.lines, strict=True):
        said = line.limited if reading == "limited" else line.unlimited
        if annotator.folder.task == "topics":
            found[dialogue, 0] = None if said is None else [label for label in said if isinstance(label, str)]
        else:
            for place, labels in enumerate(said or ()):
                if isinstance(labels, list):
                    found[dialogue, place] = labels
    return found


def _verdicts(annotator: _Annotator, key: str) -> dict[_Key, Answer]:
    found: dict[_Key, Answer] = {}
    for dialogue, line in zip(annotator.dialogues, annotator.folder.lines, strict=True):
        said: Mapping[str, object] = line.scores or line.verdicts or {}
        found[dialogue, 0] = [str(said[key])] if key in said else None
    return found


def _measured(
    answers: Sequence[Mapping[_Key, Answer]], distance: Distance
) -> tuple[Agreement, list[tuple[Answer, ...]]]:
    """Alpha over all units, dialogues left out whole by its jackknife; the units, an answer an annotator."""
    keys = list(dict.fromkeys(key for each in answers for key in each))
    units = [tuple(each.get(key) for each in answers) for key in keys]
    several = any(place for _, place in keys)
    clusters = [dialogue for dialogue, _ in keys] if several else None
    return agreement(units, distance, clusters=clusters), units


def _print(
    task: str, annotators: Sequence[_Annotator], results: Sequence[_Result], remarks: Sequence[str], console: Console
) -> None:
    for each in annotators:
        say(console, f"{each.name}: {_task(each.folder)}, {len(each.folder.lines):,} entries, {each.folder.judge}")
    distance = results[0].found.distance
    # A score or a verdict is one label, for which all distances are the same.
    how = "" if task == "judge" else f", distance {distance}"
    unit = {"topics": "dialogues", "judge": "dialogues or pairs"}.get(task, "utterances")
    table = Table(f"Krippendorff's alpha{how}", box=None, pad_edge=False)
    for head in ("alpha", "95 % interval", unit):
        table.add_column(head, justify="right")
    table.add_column("")
    for result in results:
        table.add_row(
            Text(printable(result.of)),
            number(result.found.alpha),
            between(result.found.interval),
            f"{result.found.units:,}",
            "" if result.found.alpha is None else in_words(result.found.alpha),
        )
    console.print(table)
    for remark in dict.fromkeys([*(result.found.remark for result in results if result.found.remark), *remarks]):
        say(console, remark)
    for result in results:
        if result.labels:
            console.print(_label_table(result.labels, annotators))
            if len(result.labels) > _SHOWN:
                say(console, f"{len(result.labels) - _SHOWN:,} rarer labels are not shown; --json has all.")


def _label_table(labels: Sequence[LabelAgreement], annotators: Sequence[_Annotator]) -> Table:
    table = Table("label", box=None, pad_edge=False)
    for annotator in annotators:
        table.add_column(Text(annotator.name), justify="right")
    table.add_column("alpha, yes or no", justify="right")
    for each in labels[:_SHOWN]:
        table.add_row(Text(printable(each.label)), *(f"{times:,}" for times in each.given), number(each.alpha))
    return table


def _document(
    task: str, annotators: Sequence[_Annotator], results: Sequence[_Result], remarks: Sequence[str]
) -> dict[str, object]:
    return {
        "task": task,
        "annotators": [
            {
                "name": each.name,
                "rubric": each.folder.rubric,
                "entries": len(each.folder.lines),
                "made_by": each.folder.judge,
            }
            for each in annotators
        ],
        "agreement": [
            {"of": printable(each.of), **_plain(each.found), "labels": [_plain(label) for label in each.labels]}
            for each in results
        ],
        "remarks": list(remarks),
    }


def _plain(value: object) -> dict[str, Any]:
    found = plain(value)
    assert isinstance(found, dict)
    return found
