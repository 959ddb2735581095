"""`export`: a run or any corpus handed to the exporter, with the facts for its card."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from expander import export as exports
from expander.commands.card_facts import facts_of
from expander.commands.options import ExportOptions
from expander.commands.reading import Reader
from expander.errors import UsageError
from expander.export.report import LEFT_OUT_BECAUSE
from expander.export.system_prompt import PUBLISHED
from prompts.small_file import read_small


def export_corpus(corpus: Path, options: ExportOptions, console: Console, status: Console) -> int:
    """Write the export, print its report, and give the exit code."""
    facts = facts_of(corpus, options)
    asked = exports.ExportOptions(
        shares=_shares(options.split),
        seed=options.seed,
        system=_system_prompt(options.system_prompt),
        overwrite=options.overwrite,
    )
    reader = Reader(status)
    entries = reader.whole_entries(corpus, options.kind)
    report = exports.export(entries, to=options.to, out=options.out, options=asked, facts=facts)
    _print(report, console)
    return reader.exit_code


def _shares(text: str) -> exports.Shares:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--split {text!r}: give three shares, train, validation and test, such as 0.9,0.05,0.05."
        ) from error
    return exports.Shares(train=train, validation=validation, test=test)


def _system_prompt(name_or_file: str | None) -> exports.SystemPrompt | None:
    if name_or_file is None:
        return None
    if name_or_file in PUBLISHED:
        return exports.published_prompt(name_or_file)
    path = Path(name_or_file)
    try:
        text = read_small(path).strip()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--system-prompt {name_or_file}: is neither a published one ({', '.join(sorted(PUBLISHED))}) nor a UTF-8 text file."
        ) from error
    if not text:
        raise UsageError(f"--system-prompt {name_or_file}: the file is empty.")
    return exports.SystemPrompt(text, path.name)


def _print(report: exports.ExportReport, console: Console) -> None:
    table = Table("split", box=None, pad_edge=False)
    table.add_column("dialogues", justify="right")
    table.add_column("rows", justify="right")
    for split, size in report.sizes.items():
        table.add_row(str(split), f"{size.dialogues:,}", f"{size.rows:,}")
    table.add_row("all", f"{report.dialogues:,}", f"{report.rows:,}", style="bold")
    console.print(table)
    for why, count in report.left_out.items():
        console.print(f"{count:,} dialogues left out: {LEFT_OUT_BECAUSE[why]}.")
    if report.changed:
        console.print(
            f"{report.changed:,} dialogues changed so that trainers take them: {report.merged:,} utterances merged with the "
            f"same speaker's before, {report.trimmed_start:,} trimmed at the start, {report.trimmed_end:,} at the end, "
            f"{report.empty:,} empty ones left out."
        )
    if report.without_question:
        console.print(
            f"{report.without_question:,} dialogues name no question: they were split by their own id, so two of one "
            "question may stand on different sides."
        )
    console.print(f"{report.out}: {', '.join(report.files)}", markup=False, soft_wrap=True)
