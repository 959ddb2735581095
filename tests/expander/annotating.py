"""Corpora for the tests of `annotate`, and its test endpoint in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.expander.running import Server

TALK = (
    ("user", "第{n}次考试又没考好，我很焦虑，晚上睡不着。"),
    ("assistant", "听起来你很难过。考试之前发生了什么？"),
    ("user", "谢谢你愿意听我说。"),
    ("assistant", "你可以试着把担心的事写下来。"),
)


@contextmanager
def annotator(mode: str, folder: Path) -> Iterator[Server]:
    log = folder / "served.log"
    log.touch()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.expander.annotating_server", mode, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log)
        finally:
            process.kill()


def dialogue(number: int, **more: Any) -> dict[str, Any]:
    messages = [{"role": role, "content": text.format(n=number)} for role, text in TALK]
    return {"id": f"d{number}", "messages": messages, **more}


def write_corpus(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def small_corpus(folder: Path, rows: int = 6, name: str = "corpus.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    return write_corpus(folder / name, [dialogue(number) for number in range(rows)])
