"""Reports made by the command line, and what must hold of every one of them whatever the corpora were."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.analysis.making import CLIENT_SAYS, COUNSELOR_SAYS
from tests.expander.corpus_runs import Done, cli

TABLES = ("figures", "comparisons", "distributions", "rankings")
_NO_NUMBER = re.compile(r"(?<![\w-])[-+]?(?:nan|inf|infinity)(?![\w-])", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_FORMULA = ("=", "+", "@", "\t", "\r")

Row = dict[str, Any]
Said = Sequence[tuple[str, str]]


class Made(NamedTuple):
    """A report that was written: what its files hold, and what the command said."""

    document: dict[str, Any]
    page: str
    """The page without its markup, scripts and styles."""
    markup: str
    tables: dict[str, list[dict[str, str]]]
    done: Done

    def figure(self, metric: str, corpus: str) -> Any:
        (found,) = [each for each in self.document["figures"] if (each["metric"], each["corpus"]) == (metric, corpus)]
        return found

    def corpus(self, name: str) -> Any:
        (found,) = [each for each in self.document["corpora"] if each["name"] == name]
        return found


def report(folder: Path, *arguments: object, code: int = 0) -> Made:
    """Call the command in this process, where every warning is an error, and read what it wrote."""
    page = folder / "report.html"
    done = cli("report", *arguments, "-o", page)
    assert done.code == code, done.err
    return read(page, done)


def read(page: Path, done: Done) -> Made:
    """Read a report's files, and fail where one of them holds what no report may hold."""
    document = json.loads(page.with_suffix(".json").read_bytes().decode("utf-8"), parse_constant=_no_constant)
    tables = {name: _table(page.with_suffix(f".{name}.csv")) for name in TABLES}
    markup = page.read_bytes().decode("utf-8")
    shown = html.unescape(re.sub(r"<[^>]*>", " ", _HIDDEN.sub(" ", markup)))
    assert "Traceback" not in done.err
    assert "Warning" not in done.err
    assert not _NO_NUMBER.search(shown), _NO_NUMBER.search(shown)
    _check_document(document)
    _check_tables(tables, document)
    return Made(document, shown, markup, tables, done)


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} in the JSON file")


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        assert rows.fieldnames, f"{path} has no head"
        return list(rows)


def _check_document(document: dict[str, Any]) -> None:
    metrics = [metric["key"] for metric in document["metrics"]]
    names = [corpus["name"] for corpus in document["corpora"]]
    assert len(set(metrics)) == len(metrics)
    for figure in document["figures"]:
        assert figure["value"] is not None or figure["remark"], figure
        assert figure["metric"] in metrics, figure
        assert figure["corpus"] in names, figure
        _check_interval(figure["interval"], figure["value"], figure)
    told = [(figure["corpus"], figure["metric"]) for figure in document["figures"]]
    assert len(set(told)) == len(told)
    for found in document["comparisons"]:
        assert found["difference"] is not None or found["remark"], found
        assert found["metric"] in metrics, found
        assert (found["p"] is None) == (found["p_corrected"] is None), found
        assert found["p"] is None or 0 < found["p"] <= found["p_corrected"] <= 1, found
        _check_interval(found["interval"], found["difference"], found)
    for each in document["distributions"]:
        assert each["metric"] in metrics, each["metric"]
        assert sum(each["counts"]) == each["n"] or each["remark"], each["metric"]
    for ranking in document["rankings"]:
        assert all(0 <= entry["share"] <= 1 and entry["count"] >= 1 for entry in ranking["entries"]), ranking["name"]
    for corpus in document["corpora"]:
        assert corpus["dialogues"] or corpus["remarks"], corpus


def _check_interval(interval: Any, value: float | None, where: object) -> None:
    if interval is None:
        return
    assert value is not None, where
    assert interval["low"] <= interval["high"], where
    assert interval["method"], where


def _check_tables(tables: dict[str, list[dict[str, str]]], document: dict[str, Any]) -> None:
    assert len(tables["figures"]) == len(document["figures"])
    assert len(tables["comparisons"]) == len(document["comparisons"])
    for name, rows in tables.items():
        for row in rows:
            for cell in row.values():
                assert not cell.startswith(_FORMULA), (name, cell)
                assert cell.lower() not in {"nan", "inf", "-inf"}, (name, row)
                assert not cell.startswith("-") or _is_number(cell), (name, cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def row(said: Said) -> Row:
    """A line of OpenAI messages; "u" is the client, "c" the counselor."""
    roles = {"u": "user", "c": "assistant"}
    return {"messages": [{"role": roles[who], "content": text} for who, text in said]}


def write(path: Path, rows: Iterable[Row | str]) -> Path:
    """JSON Lines; a string is a line as it is."""
    lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in rows]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def sound(count: int, start: int = 0) -> list[Row]:
    """So many Chinese dialogues of three to six turns, no two alike."""
    rows = []
    for number in range(start, start + count):
        said = []
        for turn in range(3 + number % 4):
            said.append(("u", f"{CLIENT_SAYS[(turn + number) % 6]}已经有{number + turn}天了。"))
            said.append(("c", f"{COUNSELOR_SAYS[(turn * 5 + number) % 6]}这是第{number}次谈话的第{turn}步。"))
        rows.append(row(said))
    return rows


def english(count: int) -> list[Row]:
    """So many English dialogues."""
    return [
        row(
            [
                ("u", f"I have not slept well for {number + 2} weeks. My work is suffering."),
                ("c", f"That sounds tiring. What has kept you awake these {number + 2} weeks?"),
                ("u", "I keep thinking about my team, and whether they still trust me."),
                ("c", "You care about what they think. Have you told anyone about this?"),
            ]
        )
        for number in range(count)
    ]
