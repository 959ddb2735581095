"""Files: whole or not there at all, under SIGKILL, a full disk and a corpus that breaks off; and each readable as what it is."""

from __future__ import annotations

import csv
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from expander.errors import UsageError
from expander.export import FORMATS, ExportError, ExportOptions, export
from expander.export.formulas import inert
from filters.dialogue import CorpusEntry
from tests.expander.export_cases import HOSTILE, entry, facts, rows

REPOSITORY = Path(__file__).resolve().parents[2]


def corpus(size: int = 20, text: str = "睡不着") -> Iterator[CorpusEntry]:
    for n in range(size):
        yield entry(str(n), f"u {text}{n}", f"c 多久了{n}", question=f"q{n}")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond `size`: the kernel's own refusal, as from a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("size", [20, 40_000], ids=["refused at the end", "refused on the way"])
def test_a_full_disk_leaves_half_an_export(to: str, size: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with disk_of(300), pytest.raises(ExportError, match=r"out\.part.*could not be written"):
        export(corpus(size), to=to, out=out, facts=facts())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_earlier_export(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(corpus(), to="messages", out=out, facts=facts())
    before = contents(out)
    with disk_of(300), pytest.raises(ExportError):
        export(corpus(50), to="messages", out=out, options=ExportOptions(overwrite=True), facts=facts())
    assert contents(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_a_corpus_that_breaks_off_leaves_half_an_export(tmp_path: Path) -> None:
    def broken() -> Iterator[CorpusEntry]:
        yield from corpus()
        raise OSError("the drive was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        export(broken(), to="parquet", out=tmp_path / "out", facts=facts())
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from expander.export import ExportOptions, export
from tests.expander.export_cases import entry, facts

def slow():
    for n in range(100_000):
        yield entry(str(n), "u " + "x" * 4000, "c y", question=str(n))
        if n == 2000:
            print("going", flush=True)
        if n > 2000:
            time.sleep(0.001)

export(slow(), to="messages", out=Path(sys.argv[1]), options=ExportOptions(overwrite=True), facts=facts())
"""


@pytest.mark.parametrize("earlier", [False, True], ids=["first export", "over an earlier one"])
def test_sigkill_leaves_a_part_under_the_name_of_the_whole(earlier: bool, tmp_path: Path) -> None:  # noqa: FBT001
    out = tmp_path / "out"
    if earlier:
        export(corpus(), to="messages", out=out, facts=facts())
    before = contents(out) if earlier else None
    with subprocess.Popen([sys.executable, "-c", KILLED, str(out)], stdout=subprocess.PIPE, cwd=REPOSITORY) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"going\n"
        time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
    assert (tmp_path / ".out.part" / "train.jsonl").stat().st_size > 0
    assert (contents(out) if out.exists() else None) == before
    export(corpus(5), to="messages", out=out, options=ExportOptions(overwrite=True), facts=facts())
    assert len(rows(out)) == 5
    assert list(tmp_path.iterdir()) == [out]


def test_a_kill_between_the_two_renames_loses_the_earlier_export(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(corpus(), to="messages", out=out, facts=facts())
    before = contents(out)
    out.rename(tmp_path / ".out.before")  # what such a kill leaves
    with pytest.raises(UsageError, match="holds an export already"):
        export(corpus(5), to="messages", out=out, facts=facts())
    assert contents(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_two_exports_write_into_one_folder(tmp_path: Path) -> None:
    def meanwhile() -> Iterator[CorpusEntry]:
        yield from corpus(3)
        with pytest.raises(UsageError, match="another export is writing here"):
            export(corpus(5), to="messages", out=tmp_path / "out", facts=facts())
        yield from corpus(1)

    assert export(meanwhile(), to="messages", out=tmp_path / "out", facts=facts()).rows == 4


def test_an_export_is_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(corpus(), to="messages", out=out, facts=facts())
    before = contents(out)
    with pytest.raises(UsageError, match="holds an export already"):
        export(corpus(5), to="csv", out=out, facts=facts())
    assert contents(out) == before
    export(corpus(5), to="csv", out=out, options=ExportOptions(overwrite=True), facts=facts())
    assert not list(out.glob("*.parquet"))
    assert {path.suffix for path in out.iterdir()} == {".csv", ".md", ".jsonl"}
    assert [path.name for path in out.glob("*.jsonl")] == ["changes.jsonl"]


@pytest.mark.parametrize("there", ["notes.txt", "README.md", ".git"])
def test_overwriting_takes_files_that_are_no_exports(there: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / there).write_text("mine")
    with pytest.raises(UsageError, match="holds files that are no export's"):
        export(corpus(), to="messages", out=out, options=ExportOptions(overwrite=True), facts=facts())
    assert (out / there).read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_folder_is_refused_or_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export(corpus(), to="messages", out=tmp_path / "out", facts=facts()).rows == 20
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="this is a file"):
        export(corpus(), to="messages", out=tmp_path / "file", options=ExportOptions(overwrite=True), facts=facts())


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\ufeff=1",
    "\u200b@x",
    "＝1",
    "－1",
    "﹦1",
    "\0=1",
    '=cmd|"/c calc"!A1',
]


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_runs_from_a_csv(text: str, tmp_path: Path) -> None:
    made = entry(text, f"u {text}", "c 好", question=text)
    export([made], to="csv", out=tmp_path / "out", facts=facts())
    (file,) = (tmp_path / "out").glob("*.csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        first, _ = csv.DictReader(opened)
    assert first["id"] == first["question_id"] == first["text"] == f"'{text}"


@given(st.text())
def test_a_neutralised_cell_cannot_be_had_back(text: str) -> None:
    written = inert(text)
    assert written.removeprefix("'") == text if written.startswith("'") else written == text
    assert written.strip()[:1] not in {"=", "+", "-", "@"}


def test_csv_loses_an_utterance_that_a_trainer_would_not_take(tmp_path: Path) -> None:
    report = export(HOSTILE.values(), to="csv", out=tmp_path / "out", facts=facts())
    whole = [made for name, made in HOSTILE.items() if name not in {"nobody", "half a surrogate pair"}]
    assert report.rows == sum(len(made.dialogue.utterances) for made in whole)
    seen = []
    for file in (tmp_path / "out").glob("*.csv"):
        with file.open(encoding="utf-8-sig", newline="") as opened:
            seen += [(row["id"], row["role"], row["text"]) for row in csv.DictReader(opened)]
    assert sorted(seen) == sorted((made.id, role, text) for made in whole for role, text in made.dialogue.utterances)


def test_parquet_has_other_columns_or_loses_provenance(tmp_path: Path) -> None:
    odd = entry("0", "u 睡不着", "c 多久了", topic="睡眠", big=2**80, half="\ud83d")
    export(
        [odd, entry("1", "u 甲", "c 乙", "u 丙", "c 丁", question="q")],
        to="parquet",
        out=tmp_path / "out",
        facts=facts(),
    )
    tables = [parquet.read_table(file) for file in (tmp_path / "out").glob("*.parquet")]
    assert {tuple(table.column_names) for table in tables} == {("id", "question_id", "messages", "turns", "provenance")}
    found = {row["id"]: row for table in tables for row in table.to_pylist()}
    assert found["0"]["messages"] == [{"role": "user", "content": "睡不着"}, {"role": "assistant", "content": "多久了"}]
    assert (found["0"]["turns"], found["1"]["turns"], found["0"]["question_id"], found["1"]["question_id"]) == (
        1,
        2,
        "0",
        "q",
    )
    assert '"topic": "\\u7761\\u7720"' in found["0"]["provenance"]
    assert orjson.loads(found["1"]["provenance"]) == {}


def test_memory_grows_with_the_corpus(tmp_path: Path) -> None:
    alive = 0
    most = 0

    class Counted(dict[str, object]):
        def __init__(self) -> None:
            nonlocal alive, most
            super().__init__()
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    made = (CorpusEntry(id=each.id, dialogue=each.dialogue, place="", extra=Counted()) for each in corpus(3000))
    export(made, to="messages", out=tmp_path / "out", facts=facts())
    assert most < 10
