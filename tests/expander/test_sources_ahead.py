"""Posts read by another process are those read by this one, and the process ends with whoever reads it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from expander import expanding
from expander.cli import main
from expander.post import Post, Unreadable
from expander.sources import SourceError, read_posts
from expander.sources.ahead import read_posts_ahead
from tests.conftest import REPOSITORY
from tests.expander.running import accounted, rogue, write_posts
from tests.expander.vllm_running import alive, group_of, until

FIELDS = ("id", "title", "description", "answer", "question_id", "keywords", "place")


def fields(row: Post | Unreadable) -> tuple[object, ...]:
    return row if isinstance(row, Unreadable) else tuple(getattr(row, name) for name in FIELDS)


def until_the_end(rows: Iterator[Post | Unreadable]) -> tuple[list[tuple[object, ...]], str]:
    """All rows, and what was raised after them."""
    found: list[tuple[object, ...]] = []
    try:
        found.extend(map(fields, rows))
    except SourceError as error:
        return found, str(error)
    return found, ""


def children() -> list[int]:
    return [pid for pid in group_of(os.getpid()) if pid != os.getpid() and "ahead" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _mixed(folder: Path) -> Path:
    path = write_posts(folder / "mixed.jsonl", 450)
    lines = path.read_text("utf-8").splitlines()
    lines[3] = '{"question": "甲", "answer": "一\\ud800"}'
    lines[4] = "no JSON"
    lines[5] = ""
    lines[6] = json.dumps(
        {"question": "问", "questionID": 7, "keywords": "甲,乙", "answers": [{"answer_text": "一"}, {}]}
    )
    path.write_text("\n".join(lines), "utf-8")
    return path


def _broken_off(folder: Path) -> Path:
    path = folder / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(write_posts(folder / "whole.jsonl", 12_000).read_bytes())[:-9000])
    return path


def _array(folder: Path) -> Path:
    path = folder / "array.json"
    path.write_text(json.dumps([{"question": f"问{n}", "answer": "答" * 5000} for n in range(700)]), "utf-8")
    return path


def _no_post(folder: Path) -> Path:
    path = folder / "none.jsonl"
    path.write_text('{"question": "甲"}\n' * 201, "utf-8")
    return path


def _exactly_one_batch(folder: Path) -> Path:
    return write_posts(folder / "batch.jsonl", 200)


def _csv(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text("Q,answer\n" + "".join(f"问{n},答\n" for n in range(300)), "utf-8")
    return path


@pytest.mark.parametrize("make", [_mixed, _broken_off, _array, _no_post, _exactly_one_batch, _csv])
def test_another_process_reads_other_posts(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = make(tmp_path)
    columns = {"question": "Q"} if make is _csv else {}
    expected = until_the_end(read_posts(path, columns=columns))
    assert until_the_end(read_posts_ahead(path, columns=columns)) == expected
    assert bool(expected[1]) == (make in {_broken_off, _no_post})
    assert len(expected[0]) >= 200


def test_a_reading_process_outlives_a_reader_that_has_enough(tmp_path: Path) -> None:
    posts = read_posts_ahead(write_posts(tmp_path / "posts.jsonl", 5000))
    next(posts)
    started = children()
    assert len(started) == 1
    posts.close()
    assert not alive(started)


def test_a_reading_process_outlives_a_killed_reader(tmp_path: Path) -> None:
    path = write_posts(tmp_path / "posts.jsonl", 20_000)
    code = (
        "import sys, time; from pathlib import Path; from expander.sources.ahead import read_posts_ahead\n"
        "posts = read_posts_ahead(Path(sys.argv[1])); next(posts); print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = [pid for pid in group_of(process.pid) if pid != process.pid]
        assert len(alive(started)) == 1
        process.kill()
    assert until(lambda: not alive(started), 5)


def test_a_killed_reading_process_takes_posts_with_it(tmp_path: Path) -> None:
    path = write_posts(tmp_path / "posts.jsonl", 20_000)
    posts = read_posts_ahead(path)
    first = fields(next(posts))
    os.kill(children()[0], signal.SIGKILL)
    assert ([first, *map(fields, posts)], "") == until_the_end(read_posts(path))


def test_posts_are_lost_where_no_process_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_posts(tmp_path / "posts.jsonl", 300)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert until_the_end(read_posts_ahead(path)) == until_the_end(read_posts(path))


def test_a_module_in_the_user_s_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("orjson", "marshal", "expander", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not mine')", "utf-8")
    monkeypatch.chdir(tmp_path)
    path = write_posts(tmp_path / "posts.jsonl", 10)
    assert len(until_the_end(read_posts_ahead(path))[0]) == 10


def test_a_run_that_goes_on_with_a_reading_process_loses_or_repeats_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expanding, "READ_AHEAD_FROM", 1)
    posts, out = write_posts(tmp_path / "posts.jsonl", 330), tmp_path / "run"
    with posts.open("a", encoding="utf-8") as file:
        file.write(posts.read_text("utf-8").splitlines()[4] + "\nno JSON\n")
    with rogue("good", tmp_path) as server:
        options = ["--base-url", server.url, "--model", "m", "--out", str(out)]
        for limit, served in (("250", 250), ("330", 330), ("400", 330)):
            with pytest.raises(SystemExit) as ended:
                main(["expand", str(posts), *options, "--limit", limit])
            assert ended.value.code == (3 if limit == "400" else 0)
            assert len(server.lines()) == served
    assert not children()
    _, rest = accounted(out, 330)
    assert sorted(row["outcome"] for row in rest if row["id"] is None) == ["duplicate", "unreadable"]
