"""A report for machines: one JSON document with everything but the dialogues, and tidy tables, one observation a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import pandas as pd

from analysis.report.model import SCHEMA, Report

TABLES = ("figures", "comparisons", "distributions", "rankings")
"""The names of the tables of `tables`, in this order."""


def to_json(report: Report) -> dict[str, object]:
    """Plain values with `schema`; keys are the fields' names. Of examples only corpora and ids: texts stay in the corpora."""
    document: dict[str, object] = {"schema": SCHEMA}
    for field in fields(report):
        if field.name != "examples":
            document[field.name] = plain(getattr(report, field.name))
    document["examples"] = [
        [{"corpus": shown.corpus, "id": shown.id, "similarity": shown.similarity} for shown in example.dialogues]
        for example in report.examples
    ]
    return document


def plain(value: object) -> object:
    """The value in what JSON has: objects for dataclasses and named tuples, lists for sequences."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(part) for name, part in zip(value._fields, value, strict=True)}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def tables(report: Report) -> dict[str, pd.DataFrame]:
    """The frames of `TABLES`: a row a figure, a comparison, a bin of a distribution, an entry of a ranking.

    Texts that a spreadsheet would take for a formula have an apostrophe before them (OWASP, CSV injection).
    """
    metrics = {metric.key: metric for metric in report.metrics}
    human = {corpus.name for corpus in report.corpora if corpus.human}
    figures = [
        {
            "corpus": figure.corpus,
            "human": figure.corpus in human,
            "group": metrics[figure.metric].group.value,
            "metric": figure.metric,
            "unit": metrics[figure.metric].unit,
            "value": figure.value,
            "low": figure.interval.low if figure.interval else None,
            "high": figure.interval.high if figure.interval else None,
            "interval_method": figure.interval.method if figure.interval else None,
            "n": figure.n,
            "remark": figure.remark,
        }
        for figure in report.figures
    ]
    comparisons = [
        {
            "metric": found.metric,
            "corpus": found.corpus,
            "reference": found.reference,
            "difference": found.difference,
            "low": found.interval.low if found.interval else None,
            "high": found.interval.high if found.interval else None,
            "interval_method": found.interval.method if found.interval else None,
            "effect": found.effect,
            "effect_name": found.effect_name,
            "p": found.p,
            "p_corrected": found.p_corrected,
            "test": found.test,
            "n": found.n,
            "n_reference": found.n_reference,
            "remark": found.remark,
        }
        for found in report.comparisons
    ]
    distributions = [
        {
            "corpus": found.corpus,
            "metric": found.metric,
            "unit": found.unit,
            "bin_low": low,
            "bin_high": high,
            "count": count,
            "share": count / found.n if found.n else None,
            "exact": found.exact,
        }
        for found in report.distributions
        for low, high, count in zip(found.edges[:-1], found.edges[1:], found.counts, strict=True)
    ]
    rankings = [
        {
            "corpus": ranking.corpus,
            "ranking": ranking.name,
            "rank": rank,
            "text": entry.text,
            "count": entry.count,
            "share": entry.share,
            "unit": ranking.unit,
        }
        for ranking in report.rankings
        for rank, entry in enumerate(ranking.entries, 1)
    ]
    rows: tuple[Rows, ...] = (figures, comparisons, distributions, rankings)
    return {
        # Guarded first: pandas takes no text with half a surrogate pair.
        name: pd.DataFrame([_harmless(row) for row in found], columns=list(_COLUMNS[name]))
        for name, found in zip(TABLES, rows, strict=True)
    }


Rows = list[dict[str, Any]]
_BETWEEN = ("low", "high", "interval_method")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "figures": ("corpus", "human", "group", "metric", "unit", "value", *_BETWEEN, "n", "remark"),
    "comparisons": (
        *("metric", "corpus", "reference", "difference", *_BETWEEN, "effect", "effect_name"),
        *("p", "p_corrected", "test", "n", "n_reference", "remark"),
    ),
    "distributions": ("corpus", "metric", "unit", "bin_low", "bin_high", "count", "share", "exact"),
    "rankings": ("corpus", "ranking", "rank", "text", "count", "share", "unit"),
}
"""A table without a row has its head all the same, for those who read it by name."""
_STARTS_A_FORMULA = frozenset("=+-@")
_HIDES_ONE = ("\t", "\r", "\n", "\0")


def _harmless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _guarded(value) if isinstance(value, str) else value for name, value in row.items()}


def _guarded(value: str) -> str:
    text = value.encode("utf-8", "replace").decode("utf-8")
    first = next((each for each in text if each.isprintable() and not each.isspace()), "")
    runs = unicodedata.normalize("NFKC", first)[:1] in _STARTS_A_FORMULA  # also in full width, or behind white space
    guarded = f"'{text}" if runs or text.startswith(_HIDES_ONE) else text
    # The csv module quotes a line feed and, up to Python 3.12, no lone carriage return.
    return guarded.replace("\r\n", "\n").replace("\r", "\n")
