"""The page of an ablation: the report over its arms, with what they kept and cost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from analysis.ablation.compose import with_ablation
from analysis.ablation.inputs import ArmInput, RowAccount
from analysis.corpora import BrokenEntry
from analysis.lexical.tokenizers import TokenizerError
from analysis.report.compose import ReportSettings, compose
from analysis.report.files import tables, to_json
from analysis.report.inputs import CorpusInput, corpus_name, unique_names
from analysis.report.model import Report
from analysis.report.page import page as html
from analysis.semantic.local_model import LocalModel, LocalModelError
from expander.ablation.accounts import accounts
from expander.ablation.arms import Arm
from expander.ablation.identity import settings_of
from expander.commands.ablation_options import AblationPage
from expander.commands.ablation_plan import prompt_text
from expander.commands.reading import Reader, kind_of
from expander.commands.writing import keep_inputs, output_file, write_json
from expander.errors import UsageError
from expander.job import printable
from expander.store import Outcome, post_of, read_only
from filters.dialogue import CorpusEntry
from prompts import topics

PAGE = "report.html"
_THIN_SPACE = "\u202f"
_SEEDS = 2**32  # numpy's


def check_page(folder: Path, page: AblationPage) -> None:
    """Raises UsageError for what would only be found once the arms have run: human sessions that cannot be read."""
    keep_inputs([folder / PAGE], page.human)
    for path in page.human:
        kind_of(path)
    _embedder(page)


def write_page(
    arms: Sequence[Arm],
    baseline: str,
    folder: Path,
    page: AblationPage,
    *,
    seed: int,
    console: Console,
    status: Console,
) -> Report:
    """Measure every arm and write the page, its JSON and its tables. Figures are a function of the stores and the seed."""

    def tell(step: str) -> None:
        status.print(printable(f"{step} ..."), markup=False, highlight=False, soft_wrap=True)

    reader = Reader(status)
    inputs = [_corpus(arm, reader) for arm in arms]
    names = unique_names([*(arm.name for arm in arms), *(corpus_name(path) for path in page.human)])[len(arms) :]
    inputs += [
        _read(path, printable(name), kind_of(path), reader, human=True)
        for path, name in zip(page.human, names, strict=True)
    ]
    settings = ReportSettings(
        title=page.title,
        baseline=baseline,
        tokenizer=page.tokenizer,
        codebook={spelling: topic.name for topic in topics() for spelling in (topic.name, topic.name_en)},
        examples=page.examples,
        seed=seed % _SEEDS,
    )
    try:
        report = compose(inputs, settings, embedder=_embedder(page), tell=tell)
    except (TokenizerError, LocalModelError) as error:
        raise UsageError(printable(str(error))) from error
    tell("what arms kept and cost")
    found = with_ablation(
        report,
        [_arm(arm) for arm in arms],
        baseline=baseline,
        currency=arms[0].job.work.currency,
        seed=settings.seed,
    )
    path = folder / PAGE
    with output_file(path) as file:
        file.write(html(found).encode("utf-8"))
    write_json(path.with_suffix(".json"), to_json(found))
    for name, table in tables(found).items():
        with output_file(path.with_suffix(f".{name}.csv")) as file:
            table.to_csv(file, index=False, encoding="utf-8")
    _print(found, path, console)
    return found


def _corpus(arm: Arm, reader: Reader) -> CorpusInput:
    rewrites = arm.job.loaded_template().needs == "qa"  # others share the slots, and were not given the post
    return replace(_read(arm.job.folder, arm.name, "run", reader, human=False), posts=_posts(arm), from_posts=rewrites)


def _read(path: Path, name: str, kind: str, reader: Reader, *, human: bool) -> CorpusInput:
    whole: list[CorpusEntry] = []
    broken = 0
    for entry in reader.entries(path, kind):
        if isinstance(entry, BrokenEntry):
            broken += 1
        else:
            whole.append(entry)
    return CorpusInput(name=name, file=path.name, kind=kind, human=human, entries=whole, broken=broken)


def _posts(arm: Arm) -> dict[str, str]:
    """The posts as they were sent, by id, in the order of the input."""
    with closing(read_only(arm.job.folder)) as connection:
        stored = [
            post_of(text).post for (text,) in connection.execute("SELECT post FROM row ORDER BY position, sample")
        ]
    return {post.id: "\n".join(part for part in (post.title, post.description, post.answer) if part) for post in stored}


def _arm(arm: Arm) -> ArmInput:
    work = arm.job.work
    return ArmInput(
        name=arm.name,
        settings={name: str(value) for name, value in settings_of(arm).items()},
        prompt=prompt_text(arm),
        rows=[
            RowAccount(
                post=each.post,
                sample=each.sample,
                kept=each.outcome is Outcome.KEPT,
                failed=each.outcome is Outcome.FAILED,
                replies=each.replies,
                prompt_tokens=each.prompt_tokens,
                completion_tokens=each.completion_tokens,
                refused=each.refused,
            )
            for each in accounts(arm.job.folder)
        ],
        price_in=work.price_in,
        price_out=work.price_out,
    )


def _embedder(page: AblationPage) -> LocalModel | None:
    if page.embeddings == "tfidf":
        return None
    try:
        return LocalModel(Path(page.embeddings))
    except LocalModelError as error:
        raise UsageError(printable(str(error))) from error


def _print(found: Report, path: Path, console: Console) -> None:
    for answer in found.answers:
        console.print(answer.question, style="bold", markup=False)
        for sentence in answer.sentences:
            shown = printable(sentence.replace(_THIN_SPACE, " "))
            console.print(f"  {shown}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nThe page: {path}", markup=False, highlight=False, soft_wrap=True)
