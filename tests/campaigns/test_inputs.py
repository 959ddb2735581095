"""Inputs as large as a disk holds: a line without end, nesting without end, files that unpack to a thousand times their size.

Each goes through the real command line in a process of its own, whose peak memory is measured; each ends with a row rejected or
with an error that names the file, in bounded memory. `EXPANDER_LONG_INPUTS=1` runs them at full size: a line of 1 GB, files that
unpack to 10 GB, ten million rows.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from tests.campaigns.fuzz.nasties import line
from tests.campaigns.measured import measured, read
from tests.expander.batching import answered
from tests.expander.running import command, environment, read_lines

LONG = bool(os.environ.get("EXPANDER_LONG_INPUTS"))
MIB = 1 << 20
LINE = (1 << 30) if LONG else 64 * MIB
UNPACKED = 10 * 10**9 if LONG else 320 * MIB
ROWS = 10_000_000 if LONG else 100_000
DEEP = 1_000_000
BOUND = 640 * MIB if LONG else 420 * MIB
"""Peak of a command, in bytes: about 150 MiB of imports, 16 MiB that a row may have, a few times over while it is parsed. What the
audit keeps for each dialogue to find doubles grows with their number, and needs the larger bound at ten million rows."""
GOOD = line({"question": "睡不着怎么办？", "description": "", "answer": "先固定起床的时间。"})
TALK = line({"messages": [{"role": "client", "content": "你好"}, {"role": "counselor", "content": "请说"}]})

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="a child's peak memory is read in KiB, as Linux gives it"
)


class Ended(NamedTuple):
    """A command that ended: its code, what it said, and the most memory it held, in bytes."""

    code: int
    said: str
    peak: int


def ended(*arguments: object, cwd: Path) -> Ended:
    """The command in a process of its own, waited for with its own resource usage."""
    said, answer = cwd / "said.txt", cwd / "ended.txt"
    with said.open("wb") as output:
        subprocess.run(
            measured(answer, command(*arguments)), env=environment(), stdout=output, stderr=output, check=True
        )
    code, peak = read(answer)
    return Ended(code, said.read_text("utf-8", "replace"), peak)


def room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size + (2 << 30):
        pytest.skip(f"{size:,} bytes of disk are needed")


def many(piece: bytes, size: int) -> Iterator[bytes]:
    """So many bytes of one piece, a megabyte at a time."""
    block = piece * max(1, MIB // len(piece))
    for _ in range(size // len(block)):
        yield block


def write(path: Path, *parts: bytes | Iterator[bytes]) -> Path:
    with path.open("wb") as file:
        for part in parts:
            file.writelines([part] if isinstance(part, bytes) else part)
    return path


def clear(found: Ended) -> None:
    """It ended as a command ends: by a code that means something, without a bug, in its bound."""
    assert found.code in {0, 2, 3}, found.said[-2000:]
    assert "bug" not in found.said
    assert found.peak < BOUND, f"{found.peak / MIB:.0f} MiB"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.json"])
def test_a_line_without_end_takes_the_memory_of_its_length(tmp_path: Path, name: str) -> None:
    room(tmp_path, LINE)
    endless = many("长".encode(), LINE)
    head = {
        ".jsonl": b'{"question": "',
        ".csv": b'question,answer\n"',
        ".tsv": b"question\tanswer\n",
        ".json": b'[{"question": "',
    }
    rows = {
        ".jsonl": b"\n" + GOOD + b"\n",
        ".csv": "\n好吗,好\n".encode(),
        ".tsv": "\n好吗\t好\n".encode(),
        ".json": b'"},\n' + GOOD + b"]",
    }
    path = write(tmp_path / name, head[path_kind(name)], endless, rows[path_kind(name)])
    found = ended("expand", path, "--dry-run", "--out", tmp_path / "run", cwd=tmp_path)
    path.unlink()
    clear(found)
    assert found.code == 2 or "1 " in found.said


def path_kind(name: str) -> str:
    return Path(name).suffix


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt"])
def test_a_corpus_with_a_line_without_end_takes_the_memory_of_its_length(tmp_path: Path, name: str) -> None:
    room(tmp_path, LINE)
    before = b"" if name.endswith(".txt") else TALK + b"\n" if name.endswith("jsonl") else b"[" + TALK + b","
    path = write(tmp_path / name, before, b'{"messages": "', many(b"long", LINE), b'"}\n')
    found = ended("audit", path, cwd=tmp_path)
    path.unlink()
    clear(found)
    assert found.code in {2, 3}


@pytest.mark.parametrize("sign", [b"[", b'{"a":'], ids=["lists", "objects"])
@pytest.mark.parametrize(
    ("name", "command"), [("a.json", "expand"), ("a.jsonl", "expand"), ("b.json", "audit"), ("b.jsonl", "audit")]
)
def test_json_a_million_levels_deep_ends_in_a_crash(tmp_path: Path, name: str, command: str, sign: bytes) -> None:
    path = write(tmp_path / name, sign * DEEP)
    arguments = ["--dry-run", "--out", tmp_path / "run"] if command == "expand" else []
    found = ended(command, path, *arguments, cwd=tmp_path)
    clear(found)
    assert found.code == 2
    assert path.name in found.said


@pytest.mark.parametrize("kind", ["template", "rubric", "config"])
def test_yaml_a_million_levels_deep_ends_in_a_crash(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "deep.yaml", b"a: " + b"[" * 100_000)
    posts = write(tmp_path / "posts.jsonl", GOOD)
    talk = write(tmp_path / "talk.jsonl", TALK)
    arguments: dict[str, list[object]] = {
        "template": ["expand", posts, "--template", path, "--dry-run"],
        "rubric": ["annotate", talk, "--task", "judge", "--rubric", path, "--dry-run"],
        "config": ["--config", path, "expand", posts, "--dry-run"],
    }
    found = ended(*arguments[kind], cwd=tmp_path)
    clear(found)
    assert found.code == 2


def _gz(path: Path, parts: Iterator[bytes]) -> None:
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.writelines(parts)


def _xz(path: Path, parts: Iterator[bytes]) -> None:
    with lzma.open(path, "wb", preset=1) as file:
        file.writelines(parts)


def _zst(path: Path, parts: Iterator[bytes]) -> None:
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as packed:
        for part in parts:
            packed.write(part)


@pytest.mark.parametrize("command", ["expand", "audit"])
@pytest.mark.parametrize("what", ["zeros", "line-feeds", "rows"])
@pytest.mark.parametrize(("ending", "pack"), [(".gz", _gz), (".xz", _xz), (".zst", _zst)], ids=["gz", "xz", "zst"])
def test_a_bomb_takes_the_memory_of_what_it_unpacks_to(
    tmp_path: Path, ending: str, pack: Callable[[Path, Iterator[bytes]], None], what: str, command: str
) -> None:
    row = (GOOD if command == "expand" else TALK) + b"\n"
    size = UNPACKED if what == "zeros" else UNPACKED // 80
    path = tmp_path / f"a.jsonl{ending}"
    pack(path, many({"zeros": b"\0", "line-feeds": b"\n", "rows": row}[what], size))
    assert path.stat().st_size < size // 100
    arguments = ["--dry-run", "--out", tmp_path / "run"] if command == "expand" else []
    found = ended(command, path, *arguments, cwd=tmp_path)
    clear(found)
    assert found.code == (0 if what == "rows" else 2)


@pytest.mark.parametrize("command", ["expand", "audit"])
def test_a_small_file_takes_the_memory_it_asks_for(tmp_path: Path, command: str) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    path = tmp_path / "a.jsonl.xz"
    with lzma.open(path, "wb", filters=filters) as file:
        file.writelines(many(b"\0", 16 * MIB))
    arguments = ["--dry-run", "--out", tmp_path / "run"] if command == "expand" else []
    found = ended(command, path, *arguments, cwd=tmp_path)
    clear(found)
    assert found.code == 2
    assert "512 MiB" in found.said


def test_a_batch_result_without_end_takes_the_memory_of_its_length(tmp_path: Path) -> None:
    """It is one broken line; the replies around it are taken in."""
    room(tmp_path, LINE)
    posts = write(tmp_path / "posts.jsonl", GOOD, b"\n", GOOD.replace("睡".encode(), "醒".encode()))
    run, requests = tmp_path / "run", tmp_path / "requests.jsonl"
    assert ended("batch", "export", posts, "--out", run, "--model", "m", "-o", requests, cwd=tmp_path).code == 0
    first, second = read_lines(answered(requests, tmp_path / "answers.jsonl"))
    path = write(
        tmp_path / "results.jsonl", line(first), b'\n{"custom_id": "', many(b"long", LINE), b'"}\n', line(second)
    )
    found = ended("batch", "import", run, path, cwd=tmp_path)
    path.unlink()
    clear(found)
    assert f"{path}:2: the line is longer than" in found.said
    assert "2 replies taken in" in found.said


def test_an_annotation_without_end_takes_the_memory_of_its_length(tmp_path: Path) -> None:
    room(tmp_path, LINE)
    row = line({"id": "d0", "task": "topics", "outcome": "read", "unlimited": ["失眠"], "limited": ["失眠"]})
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        write(folder / "annotations.jsonl", row, b"\n")
    path = write(folders[1] / "annotations.jsonl", row, b'\n{"id": "', many(b"long", LINE), b'"}\n')
    found = ended("agree", *folders, cwd=tmp_path)
    path.unlink()
    clear(found)
    assert found.code == 2
    assert f"{path}:2: is no annotation: longer than" in found.said


def _tiny(rows: int) -> Iterator[bytes]:
    for number in range(rows):
        yield b'{"question":"q%d","answer":"a"}\n' % number


def _talks(rows: int) -> Iterator[bytes]:
    for number in range(rows):
        yield b'{"messages":[{"role":"client","content":"q%d"},{"role":"counselor","content":"a"}]}\n' % number


@pytest.mark.parametrize(("command", "rows"), [("expand", _tiny), ("audit", _talks)])
def test_tiny_rows_take_memory_each(tmp_path: Path, command: str, rows: Callable[[int], Iterator[bytes]]) -> None:
    room(tmp_path, ROWS * 100)
    path = write(tmp_path / "tiny.jsonl", rows(ROWS))
    arguments = ["--dry-run", "--limit", ROWS, "--out", tmp_path / "run"] if command == "expand" else []
    found = ended(command, path, *arguments, cwd=tmp_path)
    path.unlink()
    clear(found)
    assert f"{ROWS:,}" in found.said


def test_every_tiny_row_is_bad(tmp_path: Path) -> None:
    """A file of nothing but bad rows is one error, not a list of them."""
    path = write(tmp_path / "bad.jsonl", many(b"{}\n", 3 * (MIB if LONG else MIB // 5)))
    found = ended("expand", path, "--dry-run", "--out", tmp_path / "run", cwd=tmp_path)
    clear(found)
    assert found.code == 2
    assert len(found.said) < 20_000
    assert json.dumps("{}") not in found.said
