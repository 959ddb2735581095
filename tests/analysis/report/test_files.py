from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from enum import StrEnum

import pandas as pd
import pytest

from analysis.figures import Figure, Interval, Ranked, Ranking
from analysis.report.files import TABLES, plain, tables, to_json
from analysis.report.model import SCHEMA, Report
from tests.analysis.report.making import rich


@pytest.fixture(scope="module")
def whole() -> Report:
    return rich(examples=3)


def test_a_table_says_other_than_the_report(whole: Report) -> None:
    made = tables(whole)
    assert tuple(made) == TABLES
    assert len(made["figures"]) == len(whole.figures)
    assert len(made["comparisons"]) == len(whole.comparisons)
    assert len(made["distributions"]) == sum(len(each.counts) for each in whole.distributions)
    assert len(made["rankings"]) == sum(len(each.entries) for each in whole.rankings)
    first, row = whole.figures[0], made["figures"].iloc[0]
    assert (row["corpus"], row["metric"], row["n"]) == (first.corpus, first.metric, first.n)


def test_an_empty_table_has_no_head(whole: Report) -> None:
    nothing = replace(whole, figures=(), comparisons=(), distributions=(), rankings=())
    for name, table in tables(nothing).items():
        assert len(table) == 0
        assert list(table.columns) == list(tables(whole)[name].columns)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"])
def test_a_text_becomes_a_formula(whole: Report, text: str) -> None:
    ranking = Ranking(corpus=text, name="n", title="t", unit="u", n=1, entries=(Ranked(text, 1, 1.0),))
    table = tables(replace(whole, rankings=(ranking,)))["rankings"]
    (row,) = csv.DictReader(io.StringIO(table.to_csv(index=False), newline=""))
    shown = "'" + text.replace("\r", "\n")
    assert (row["corpus"], row["text"]) == (shown, shown)


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\nb", 'a"b', "a,b", "a\u2028b", "a\ud800b", "a\x00b"])
def test_a_text_takes_a_row_apart(whole: Report, text: str) -> None:
    ranking = Ranking(corpus="c", name="n", title="t", unit="u", n=1, entries=(Ranked(text, 1, 1.0),))
    table = tables(replace(whole, rankings=(ranking,)))["rankings"]
    rows = list(csv.DictReader(io.StringIO(table.to_csv(index=False), newline="")))
    assert [len(row["text"]) for row in rows] == [3]


def test_a_negative_number_becomes_a_text(whole: Report) -> None:
    figure = replace(whole.figures[0], value=-0.5, interval=Interval(-1.0, -0.1, "m"))
    table = tables(replace(whole, figures=(figure,)))["figures"]
    assert (table["value"][0], table["low"][0]) == (-0.5, -1.0)
    assert pd.api.types.is_numeric_dtype(table["value"])


def test_a_missing_value_is_written_as_a_number(whole: Report) -> None:
    figure = Figure(corpus=whole.corpora[0].name, metric=whole.metrics[0].key, value=None, n=0, remark="None.")
    text = tables(replace(whole, figures=(figure,)))["figures"].to_csv(index=False)
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["value"], row["low"], row["remark"]) == ("", "", "None.")


def test_texts_of_dialogues_stand_in_the_json(whole: Report) -> None:
    document = to_json(whole)
    assert document["schema"] == SCHEMA
    text = json.dumps(document["examples"], ensure_ascii=False)
    for example in whole.examples:
        for shown in example.dialogues:
            assert all(said not in text for _, said in shown.utterances)
            assert json.dumps(shown.id, ensure_ascii=False) in text


def test_the_json_cannot_be_read_back(whole: Report) -> None:
    document = to_json(whole)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


class _Kind(StrEnum):
    A = "a"


def test_a_value_has_no_plain_form() -> None:
    assert plain({1: (_Kind.A, Interval(0.0, 1.0, "m"), None)}) == {
        "1": ["a", {"low": 0.0, "high": 1.0, "method": "m"}, None]
    }
    assert plain("a\ud800b") == "a?b"
