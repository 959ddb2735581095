"""Several --base-url: the load is shared, an endpoint that is gone is left out and taken back, no row is lost to it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.expander.running import accounted, command, environment, query, rogue, run, write_posts
from tests.expander.vllm_running import until

ROWS = 120
MODEL = "offline-extractive"


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("one", "two", "three")]
    for folder in made:
        folder.mkdir()
    return made


@contextmanager
def serve_offline(port: int) -> Iterator[subprocess.Popen[str]]:
    """The embedded endpoint on that port, until the block is left or somebody kills it."""
    with subprocess.Popen(
        command("serve-offline", "--port", port, "--latency", 0.05),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def urls(*all_of_them: str) -> list[str]:
    return [part for url in all_of_them for part in ("--base-url", url)]


def test_one_endpoint_gets_all_the_load(folders: list[Path], tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(rogue("slow", folder)) for folder in folders]
        posts = write_posts(tmp_path / "posts.jsonl", ROWS)
        done = run(
            *("expand", posts, *urls(*(server.url for server in servers)), "--model", "m", "--out", tmp_path / "run"),
            *("--concurrency", 12),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        accounted(tmp_path / "run", ROWS)
        shares = [len(server.lines("good")) for server in servers]
    assert sum(shares) == ROWS
    assert min(shares) > ROWS / 6


def test_a_dead_endpoint_costs_a_row_or_an_attempt(folders: list[Path], tmp_path: Path) -> None:
    """Nobody listens at the second address: its share goes to the first, and no attempt of a row is used up by it."""
    with rogue("slow", folders[0]) as server:
        posts = write_posts(tmp_path / "posts.jsonl", ROWS)
        done = run(
            *("expand", posts, *urls(server.url, "http://127.0.0.1:9/v1"), "--model", "m", "--out", tmp_path / "run"),
            *("--concurrency", 8, "--max-attempts", 1),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert len(server.lines("good")) == ROWS
    kept, _ = accounted(tmp_path / "run", ROWS)
    assert len(kept) == ROWS
    assert "http://127.0.0.1:9/v1 is left out for now (connection)" in done.stderr


def test_a_busy_endpoint_holds_up_the_others(folders: list[Path], tmp_path: Path) -> None:
    with rogue("slow", folders[0]) as server, rogue("limited", folders[1]) as limited:
        posts = write_posts(tmp_path / "posts.jsonl", ROWS)
        done = run(
            *("expand", posts, *urls(server.url, limited.url), "--model", "m", "--out", tmp_path / "run"),
            *("--concurrency", 16),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        accounted(tmp_path / "run", ROWS)
        assert len(server.lines("good")) + len(limited.lines("good")) == ROWS
    assert not query(tmp_path / "run", "SELECT * FROM tally WHERE key = 'attempt:rate-limited'")


def test_an_endpoint_that_comes_back_stays_left_out(folders: list[Path], tmp_path: Path) -> None:
    port = 20_000 + int(time.time()) % 10_000
    posts, out = write_posts(tmp_path / "posts.jsonl", 400), tmp_path / "run"
    with rogue("steady", folders[0]) as server, ExitStack() as stack:
        first = stack.enter_context(serve_offline(port))
        job = stack.enter_context(
            subprocess.Popen(
                command(
                    *(
                        "expand",
                        posts,
                        *urls(server.url, f"http://127.0.0.1:{port}/v1"),
                        "--model",
                        MODEL,
                        "--out",
                        out,
                    ),
                    *("--concurrency", 2, "--max-attempts", 1),
                ),
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(job.kill)
        assert until(lambda: len(server.lines("good")) >= 20, 60)
        first.kill()
        first.wait()
        assert until(lambda: len(server.lines("good")) >= 60, 60)
        stack.enter_context(serve_offline(port))
        said = job.communicate(timeout=120)[1]
    assert job.returncode == 0, said
    assert said.index("is left out for now") < said.index("answers again")
    accounted(out, 400)
