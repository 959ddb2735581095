"""Real runs for the tests of `filter`, `audit`, `dedup` and `export`, and those commands called as from a shell."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from expander.cli import main
from tests.conftest import REPOSITORY
from tests.expander.running import run

EXAMPLES = REPOSITORY / "expander" / "examples" / "posts.json"
ROWS = 37  # posts in the examples


class Done(NamedTuple):
    """A command that ended."""

    code: int
    out: str
    err: str


def cli(*arguments: object) -> Done:
    """The command line in this process: the same as a shell's, and quicker."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict("os.environ", {"COLUMNS": "200"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())


def expanded(folder: Path, *options: object) -> Path:
    """A finished run of the examples at the offline endpoint, in a process of its own."""
    done = run("expand", EXAMPLES, "--out", folder, *options, cwd=folder.parent)
    assert (folder / "dialogues.jsonl").is_file(), done.stderr
    return folder


def results(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "dialogues.jsonl").read_bytes(), (folder / "rejected.jsonl").read_bytes()
