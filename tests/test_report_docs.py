"""docs/report.md names every key of report.json."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from analysis.figures import Box, Comparison, Distribution, Figure, Interval, Metric, Ranked, Ranking
from analysis.report.model import SCHEMA, Answer, Corpus, Report
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "report.md").read_text("utf-8")
SECTION = TEXT.split("## report.json")[1]

ROWS: dict[str, type[Any]] = {
    "answers": Answer,
    "corpora": Corpus,
    "metrics": Metric,
    "figures": Figure,
    "comparisons": Comparison,
    "distributions": Distribution,
    "rankings": Ranking,
}
"""A row of the documented table, and whose fields it lists."""


def words(row: str) -> set[str]:
    """The keys that a row of the table names: what stands in backticks, the singular of a list's own name included."""
    (line,) = [line for line in SECTION.splitlines() if line.startswith("|") and f"`{row}`" in line.split("|")[1]]
    return set(re.findall(r"`(\w+)`", line))


@pytest.mark.parametrize("row", ROWS)
def test_a_key_of_an_entry_is_not_documented(row: str) -> None:
    named = words(row)
    assert [field.name for field in fields(ROWS[row]) if field.name not in named] == []


@pytest.mark.parametrize("field", [field.name for field in fields(Report)])
def test_a_key_of_the_document_is_not_documented(field: str) -> None:
    assert words(field)


@pytest.mark.parametrize(
    ("row", "inner"), [("distributions", Box._fields), ("rankings", [f.name for f in fields(Ranked)])]
)
def test_a_key_inside_an_entry_is_not_documented(row: str, inner: Any) -> None:
    assert set(inner) <= words(row)


def test_a_key_of_an_interval_is_not_documented() -> None:
    line = next(line for line in SECTION.splitlines() if line.startswith("An `interval`"))
    assert set(Interval._fields) <= set(re.findall(r"`(\w+)`", line))


def test_the_documented_schema_is_another() -> None:
    assert f"`schema` is {SCHEMA}" in SECTION
