"""`report --judgements`: which corpora a judge's folder is about, told by the dialogues' ids, and what it says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from analysis.agreement.judgements import Criterion
from analysis.agreement.pairwise import PairJudging
from analysis.report.inputs import CorpusInput
from analysis.report.parts.judgement import CHANCE, Compared, Scored, criteria_of
from expander.annotation.judge import Comparison, Scores
from expander.annotation.writing import ANNOTATIONS
from expander.commands.annotation_folders import AnnotationFolder, annotation_folder
from expander.consoles import printable
from expander.errors import UsageError
from prompts.annotation import RUBRICS, Rubric, rubric


class Held(NamedTuple):
    """A corpus of the report: its name, where it was read from, the ids of its dialogues."""

    name: str
    path: Path
    ids: Collection[str]


def judgements(
    given: Sequence[str], rubrics: Sequence[Path], corpora: Sequence[CorpusInput], paths: Sequence[Path]
) -> list[Scored | Compared]:
    """What each folder says, in terms of the report's corpora (`paths`: where each was read from).

    Raises UsageError: a folder that holds no judge's answers, is about no corpus or about several that cannot be told
    apart, a rubric that is not known, one corpus scored twice by one rubric.
    """
    held = [
        Held(corpus.name, path, frozenset(entry.id for entry in corpus.entries))
        for corpus, path in zip(corpora, paths, strict=True)
    ]
    own = {str(path.stem): rubric(str(path)) for path in rubrics}
    found: list[Scored | Compared] = []
    scored: dict[tuple[str, str], Path] = {}
    for text in given:
        name, path = _named(text, [corpus.name for corpus in held])
        folder = annotation_folder(path)
        if folder.task != "judge":
            raise UsageError(
                f"{path}: its task is {folder.task or 'not named'}, and --judgements takes those of `annotate --task judge`. "
                "Give a folder of labels as a corpus."
            )
        if any(line.against_id is not None for line in folder.lines):
            found.append(_compared(folder, held, name))
            continue
        one = _scored(folder, own, held, name)
        before = scored.setdefault((one.rubric, one.corpus), path)
        if before is not path:
            raise UsageError(
                f"{path}: {one.corpus} is judged by {one.rubric} in {before} too. Give one of the two; `agree` says how far they agree."
            )
        found.append(one)
    return found


def _named(text: str, names: Collection[str]) -> tuple[str | None, Path]:
    """The corpus that the user named, if any, and the folder."""
    name, sign, path = text.partition("=")
    if not sign or Path(text).is_dir():
        return None, Path(text)
    if name not in names:
        raise UsageError(
            f"--judgements {printable(text)}: no corpus of this report is named {printable(name)}; there are {', '.join(names)}."
        )
    return name, Path(path)


def _scored(folder: AnnotationFolder, own: Mapping[str, Rubric], held: Sequence[Held], name: str | None) -> Scored:
    corpus = _about(folder, [str(line.id) for line in folder.lines], held, name)
    by = _rubric(folder, own)
    return Scored(
        corpus=corpus.name,
        rubric=by.name,
        source=by.source,
        criteria=tuple(
            Criterion(key=one.key, name=one.name_en, low=one.low, high=one.high, definition=one.description_en)
            for one in by.criteria
        ),
        judge=folder.judge,
        scores=[(str(line.id), line.scores) for line in folder.lines if line.outcome in {"read", "unparseable"}],
    )


def _rubric(folder: AnnotationFolder, own: Mapping[str, Rubric]) -> Rubric:
    """The rubric by which the folder was made: one of the user's files, or one that this project brings."""
    name = folder.rubric or ""
    known = own.get(name) or (rubric(name) if name in RUBRICS else None)
    if known is None or not _fits(folder, known):
        raise UsageError(
            f"{folder.path}: was judged by a rubric of its own, {printable(name) or 'without a name'}: give its file with "
            f"--rubric {printable(name) or 'NAME'}.yaml, as it was then."
        )
    return known


def _fits(folder: AnnotationFolder, known: Rubric) -> bool:
    """Whether the answers can be this rubric's: by the hash that the store keeps, and by what the answers hold."""
    task = Scores(known) if known.kind == "scores" else Comparison(known)
    if folder.settings and folder.settings.get("rubric") != task.fingerprint()["rubric"]:
        return False
    bounds = {one.key: (one.low, one.high) for one in known.criteria}
    return all(
        line.scores.keys() == bounds.keys()
        and all(bounds[key][0] <= score <= bounds[key][1] for key, score in line.scores.items())
        for line in folder.lines
        if line.scores is not None
    )


def _compared(folder: AnnotationFolder, held: Sequence[Held], name: str | None) -> Compared:
    lines = [line for line in folder.lines if line.against_id is not None]
    corpus = _about(folder, [str(line.id) for line in lines], held, name, side="corpus")
    others = [one for one in held if one is not corpus]
    against = _about(folder, [str(line.against_id) for line in lines], others, None, side="against")
    whole = [line for line in lines if line.id in corpus.ids and line.against_id in against.ids]
    names = {"corpus": corpus.name, "against": against.name}
    answers = [order.answers for line in whole for order in line.orders or ()]
    criteria = criteria_of(answers)
    if not criteria:
        raise UsageError(f"{folder.path}: none of its answers about dialogues of this report could be read.")
    judgings = [
        PairJudging(
            pair=f"{line.id}\x1f{line.against_id}",
            first=names[order.first],
            second=names[order.second],
            criterion=criterion,
            winner=order.answers.get(criterion) if order.answers is not None else None,
        )
        for line in whole
        for order in line.orders or ()
        if order.answers is not None or line.outcome != "failed"
        for criterion in criteria
    ]
    left = len(lines) - len(whole)
    return Compared(
        corpus=corpus.name,
        against=against.name,
        rubric=folder.rubric or "pairwise",
        criteria=criteria,
        paired_by=next((line.paired_by for line in whole if line.paired_by), CHANCE),
        judgings=judgings,
        remark=f"{left:,} of {len(lines):,} judged pairs of {corpus.name} and {against.name} hold a dialogue that is in neither."
        if left
        else "",
    )


def _about(
    folder: AnnotationFolder, ids: Sequence[str], held: Sequence[Held], name: str | None, *, side: str = ""
) -> Held:
    """The corpus that holds most of the dialogues; of several, the one that the folder names, or the user does."""
    if name is not None:
        held = [one for one in held if one.name == name]
    counts = [sum(each in one.ids for each in ids) for one in held]
    most = max(counts, default=0)
    what = "other dialogues" if side == "against" else "dialogues"
    if not most:
        among = printable(name) if name is not None else "no corpus of this report"
        verb = "holds none" if name is not None else "holds any"
        raise UsageError(
            f"{folder.path}: {among} {verb} of the {len(ids):,} {what} that its {ANNOTATIONS} is about. "
            "Name the corpus that was judged."
        )
    best = [one for one, count in zip(held, counts, strict=True) if count == most]
    if len(best) > 1 and isinstance(stated := folder.made_by.get(side), str):
        best = [one for one in best if one.path.resolve() == Path(stated).resolve()] or best
    if len(best) > 1:
        raise UsageError(
            f"{folder.path}: {' and '.join(one.name for one in best)} have the ids of the {what} it is about. Say which is meant: "
            f"--judgements {best[0].name}={folder.path}"
        )
    return best[0]
