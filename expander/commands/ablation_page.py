"""The page of an ablation: the report over its arms, with what they kept and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from analysis.ablation.compose import with_ablation
from analysis.ablation.inputs import ArmInput, RowAccount
from analysis.lexical.tokenizers import TokenizerError, cutter
from analysis.report.compose import ReportSettings, compose
from analysis.report.inputs import CorpusInput, corpus_name, unique_names
from analysis.report.model import Report
from analysis.semantic.local_model import LocalModel, LocalModelError
from expander.ablation.accounts import accounts
from expander.ablation.arms import Arm
from expander.ablation.identity import settings_of
from expander.commands.ablation_options import AblationPage
from expander.commands.ablation_plan import prompt_text
from expander.commands.reading import Reader, kind_of
from expander.commands.report_inputs import codebook_names, corpus_input, posts_of_run
from expander.commands.report_output import print_answers, report_files, write_report
from expander.commands.writing import keep_inputs
from expander.consoles import printable
from expander.errors import UsageError
from expander.results import DIALOGUES
from expander.store import Outcome

PAGE = "report.html"
_SEEDS = 2**32  # numpy's


def check_page(folder: Path, page: AblationPage) -> None:
    """Raises UsageError for what would only be found once the arms have run: human sessions, a model or a tokenizer that
    cannot be read.
    """
    keep_inputs(report_files(folder / PAGE), page.human)
    for path in page.human:
        kind_of(path)
    _embedder(page)
    if page.tokenizer is not None:
        try:
            cutter(page.tokenizer)
        except TokenizerError as error:
            raise UsageError(printable(str(error))) from error


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
        corpus_input(path, printable(name), kind_of(path), reader, human=True)
        for path, name in zip(page.human, names, strict=True)
    ]
    settings = ReportSettings(
        title=page.title,
        baseline=baseline,
        tokenizer=page.tokenizer,
        codebook=codebook_names(None),
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
    write_report(found, folder / PAGE)
    print_answers(found, folder / PAGE, console)
    return found


def _corpus(arm: Arm, reader: Reader) -> CorpusInput:
    rewrites = arm.job.loaded_template().needs == "qa"  # others share the slots, and were not given the post
    folder = arm.job.folder
    if (folder / DIALOGUES).stat().st_size:
        found = corpus_input(folder, arm.name, "run", reader, human=False)
    else:  # to have nothing kept is a result of an arm, where a corpus without a dialogue is a mistake
        found = CorpusInput(name=arm.name, file=folder.name, kind="run", human=False, entries=[])
    return replace(found, posts=posts_of_run(folder), from_posts=rewrites)


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
