"""Starts the real command line and the rogue server, each in a process of its own, and reads what a run left."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import REPOSITORY


class Server(NamedTuple):
    """A rogue server and what it logged."""

    url: str
    log: Path

    def lines(self, kind: str | None = None) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if kind is None or line.startswith(f"{kind} ")]


@contextmanager
def rogue(mode: str, folder: Path) -> Iterator[Server]:
    """A rogue server in a process of its own."""
    log = folder / "served.log"
    log.touch()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.expander.rogue_server", mode, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log)
        finally:
            process.kill()


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(REPOSITORY / "run.py"), *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EXPANDER_", "OPENAI_"))}
    return {**kept, "COLUMNS": "200", **more}


def run(*arguments: object, cwd: Path, timeout: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    """A finished command; its code is for the test to look at."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def write_posts(path: Path, rows: int) -> Path:
    """So many posts, no two alike."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            post = {
                "question": f"第{number}个晚上睡不着，怎么办？",
                "description": f"已经连续{number}天了，白天没有精神，工作也受影响。",
                "answer": f"你好，听起来你很辛苦。先说说第{number}天发生了什么。睡前少看手机。慢慢来，也可以找人聊聊。",
            }
            file.write(json.dumps(post, ensure_ascii=False) + "\n")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the store says. Raises sqlite3.Error where there is none: an empty file in its place would be damage to a job
    that is about to make one."""
    with closing(sqlite3.connect(f"{(folder / 'store.sqlite').resolve().as_uri()}?mode=rw", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def accounted(folder: Path, rows: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Kept and other rows of a finished run. Fails where one is missing, double, or in both files."""
    kept, rest = read_lines(folder / "dialogues.jsonl"), read_lines(folder / "rejected.jsonl")
    ids = [row["id"] for row in kept + rest if row["id"] is not None]
    assert len(ids) == len(set(ids)) == rows
    posts = {row["provenance"]["post_id"] for row in kept} | {row["post_id"] for row in rest if row["id"] is not None}
    assert len(posts) == rows
    return kept, rest
