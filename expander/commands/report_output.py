"""A report as files and as words: what `report` and `ablate` end with."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from analysis.report.files import TABLES, tables, to_json
from analysis.report.model import Report
from analysis.report.page import page
from expander.commands.writing import output_file, write_json
from expander.consoles import printable

_PLAIN_SPACES = {0x202F: " ", 0x00A0: " "}
"""The page keeps "51.7 %" on one line with signs that a terminal may not have."""


def report_files(path: Path) -> list[Path]:
    """The page and all that is written beside it, under the same name."""
    return [path, path.with_suffix(".json"), *(path.with_suffix(f".{name}.csv") for name in TABLES)]


def write_report(report: Report, path: Path) -> None:
    """The page, its JSON document, and a CSV file for each table. Raises StoreError."""
    with output_file(path) as file:
        file.write(page(report).encode("utf-8"))
    write_json(path.with_suffix(".json"), to_json(report))
    for name, table in tables(report).items():
        with output_file(path.with_suffix(f".{name}.csv")) as file:
            table.to_csv(file, index=False, encoding="utf-8")


def print_answers(report: Report, path: Path, console: Console) -> None:
    """The first screen's sentences, and where the page is."""
    for answer in report.answers:
        console.print(answer.question, style="bold", markup=False)
        for sentence in answer.sentences:
            shown = printable(sentence.translate(_PLAIN_SPACES))
            console.print(f"  {shown}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nThe page: {path}", markup=False, highlight=False, soft_wrap=True)
