"""The log of a store that a process was killed with: what stands in it is not in the store yet, and it may be gone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from expander.store.schema import create
from tests.expander.running import command, environment, query, rogue, run, write_posts

REPLIES = 25


def _lose_log(out: Path) -> None:
    (out / "store.sqlite-wal").unlink()


def _empty_log(out: Path) -> None:
    os.truncate(out / "store.sqlite-wal", 0)


@pytest.mark.parametrize("lose", [_lose_log, _empty_log], ids=["log", "its content"])
def test_a_lost_log_is_paid_for_anew_without_a_word(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 60), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--concurrency", 4, "--out", out)
        _killed(_at_work(posts, options, tmp_path, lambda: len(server.lines()) >= REPLIES))
        lose(out)
        time.sleep(0.5)  # the server answers what it was asked before the kill
        asked = len(server.lines())
        done = run("expand", posts, *options, cwd=tmp_path)
        assert done.returncode == 2, done.stdout
        assert "store.sqlite-wal" in done.stderr
        assert f"recover {out}" in done.stderr
        assert len(server.lines()) == asked
        recovered = run("recover", out, cwd=tmp_path)
        assert recovered.returncode == 2
        assert "nothing in it can be read" in recovered.stderr  # of so few replies, all stood in the log


def test_a_new_store_gets_its_log_by_way_of_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    create(path)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("looked_at", [False, True])
def test_a_killed_run_with_its_log_is_refused(tmp_path: Path, looked_at: bool) -> None:  # noqa: FBT001
    """Also where another program has opened the store since, and with that written the log back and removed it."""
    posts, out = write_posts(tmp_path / "posts.jsonl", 60), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--concurrency", 4, "--out", out)
        _killed(_at_work(posts, options, tmp_path, lambda: len(server.lines()) >= REPLIES))
        if looked_at:
            assert query(out, "SELECT count(*) FROM reply")[0][0] > 0
        done = run("expand", posts, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert query(out, "SELECT count(*) FROM row") == [(60,)]


def test_a_log_that_is_removed_under_a_run_is_not_missed(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 4000), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--concurrency", 4, "--out", out)
        with _at_work(posts, options, tmp_path, lambda: len(server.lines()) >= REPLIES) as process:
            _lose_log(out)
            said = process.communicate(timeout=20)[1]
        assert process.returncode == 2, said
        assert "store.sqlite-wal was removed" in said


def _killed(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()
        process.communicate(timeout=20)


def _at_work(posts: Path, options: tuple[object, ...], cwd: Path, enough: Callable[[], bool]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command("expand", posts, *options),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not enough() and process.poll() is None:
        time.sleep(0.01)
    return process
