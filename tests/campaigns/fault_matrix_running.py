"""Runs a cell's server and its command, each in a process of its own, and reads what they left."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from expander.offline.faults import prompt_key
from expander.rows import join_question
from expander.store import post_of
from prompts import Values, load
from tests.campaigns.fault_matrix_cells import ATTEMPTS, CONCURRENCY, LATENCY, Cell
from tests.campaigns.measured import measured, read
from tests.conftest import REPOSITORY
from tests.expander.running import command, environment, query

KEY = "sk-not-to-be-written-anywhere"
TOO_LONG = 240.0  # seconds after which a run is killed; every cell's own bound is far below
JUMPING = '''"""A wall clock that leaps: an hour ahead, an hour back, by turns, every few readings."""
import time

_true, _read = time.time, 0


def _time():
    global _read
    _read += 1
    return _true() + 3600 * (1, 0, -1, 0)[_read // 7 % 4]


time.time = _time
'''


class Ended(NamedTuple):
    """A finished command."""

    code: int
    errors: str
    """Its standard error."""
    seconds: float
    peak_mb: float


class Outcome(NamedTuple):
    """A row in the run's store."""

    outcome: str
    rule: str | None
    reason: str | None


@contextmanager
def serving(served: Path, cell: Cell) -> Iterator[str]:
    """`serve-offline` with the cell's faults, and its record at that path; yields its URL."""
    faults = [part for fault in cell.faults for part in ("--fault", fault)]
    latency = () if "--latency" in cell.serve else ("--latency", LATENCY)
    words = command("serve-offline", "--port", 0, "--served", served, *latency, *cell.serve, *faults)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment()) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            yield next(word for word in said.split() if word.startswith("http://")).rstrip(";")
        finally:
            process.terminate()


def expand(cell: Cell, posts: Path, out: Path, url: str) -> Ended:
    """One `expand`, measured as the kernel accounts for it."""
    general = ("--concurrency", CONCURRENCY, "--max-attempts", ATTEMPTS, "--attempt-timeout", 30)
    chosen = dict(zip([*general[::2], *cell.options[::2]], [*general[1::2], *cell.options[1::2]], strict=True))
    options = [part for pair in chosen.items() for part in pair]
    words = command("expand", posts, "--base-url", url, "--model", "offline-extractive", "--out", out, *options)
    with tempfile.TemporaryDirectory(prefix="clock-") as lib, tempfile.TemporaryFile() as errors:
        variables = environment(OPENAI_API_KEY=KEY)
        if cell.clock_jumps:
            Path(lib, "sitecustomize.py").write_text(JUMPING)
            variables["PYTHONPATH"] = lib
        started = time.monotonic()
        answer = Path(lib, "ended.txt")
        with subprocess.Popen(
            measured(answer, words),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=out.parent,
            env=variables,
            start_new_session=True,
        ) as process:
            try:
                process.wait(TOO_LONG)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
        seconds = time.monotonic() - started
        code, peak = read(answer) if answer.exists() else (-signal.SIGKILL, 0)
        errors.seek(0)
        said = errors.read().decode()
    return Ended(code, said, seconds, peak / 2**20)


def outcomes(out: Path) -> dict[str, Outcome]:
    """The rows of a run's store, each under the hash of its prompt as the server's record has it."""
    template = load("smile")
    found = {}
    for stored, *outcome in query(out, "SELECT post, outcome, rule, reason FROM row"):
        post = post_of(stored).post
        values = Values(question=join_question(post.title, post.description), answer=post.answer)
        found[prompt_key(template.render(values)).hex()] = Outcome(*outcome)
    return found
