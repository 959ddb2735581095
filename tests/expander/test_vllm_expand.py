"""`expand --vllm` from beginning to end, over a stand-in for `vllm serve`: real processes, real HTTP, no model."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from expander.ablation.interleaving import Runner
from expander.ablation.shares import Shares
from expander.vllm_server.feeding import FIRST
from tests.expander.running import accounted, command, environment, query, run, write_posts
from tests.expander.vllm_running import alive, pids, stand_in, until

ROWS = 40


def options(folder: Path, model: str = "sound") -> tuple[object, ...]:
    return ("--vllm", model, "--vllm-executable", stand_in(folder), "--out", folder / "run")


def started(folder: Path) -> int:
    return len((folder / "started").read_text().splitlines())


def stored(folder: Path) -> int:
    with suppress(Exception):
        return int(query(folder / "run", "SELECT count(*) FROM reply")[0][0])
    return 0


def slow_posts(folder: Path, *, crash: int = -1) -> Path:
    """Posts that take the stand-in a while; one of them kills its first life."""
    path = write_posts(folder / "posts.jsonl", ROWS)
    lines = path.read_text("utf-8").splitlines()
    lines = [
        line.replace("怎么办", "怎么办 CRASH" if number == crash else "怎么办 SLOW")
        for number, line in enumerate(lines)
    ]
    path.write_text("\n".join(lines), "utf-8")
    return path


@contextmanager
def expanding(folder: Path, posts: Path, *more: object) -> Iterator[subprocess.Popen[str]]:
    """The command, with some replies stored and more to come."""
    with subprocess.Popen(
        command("expand", posts, *options(folder), *more),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert until(lambda: stored(folder) >= 4, 60), "nothing was stored"
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_run_over_its_own_server_is_not_whole(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", ROWS)
    nowhere = "http://127.0.0.1:9"
    done = run(
        *("expand", posts, *options(tmp_path)),
        cwd=tmp_path,
        HTTP_PROXY=nowhere,
        http_proxy=nowhere,
        OPENAI_API_KEY="sk-secret-key",
    )
    assert done.returncode == 0, done.stderr
    kept, _ = accounted(tmp_path / "run", ROWS)
    assert len(kept) == ROWS
    assert {row["provenance"]["endpoint"] for row in kept} == {"vllm (started by the job)"}
    assert {row["provenance"]["model"] for row in kept} == {"sound"}
    assert "vLLM: serving sound" in done.stderr
    assert "prefix cache" in done.stderr
    assert (tmp_path / "run" / "vllm.log").stat().st_size
    assert "sk-secret" not in (tmp_path / "keys").read_text()
    assert not alive(pids(tmp_path))


def test_a_death_of_the_server_costs_a_row(tmp_path: Path) -> None:
    done = run("expand", slow_posts(tmp_path, crash=11), *options(tmp_path), "--max-attempts", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(accounted(tmp_path / "run", ROWS)[0]) == ROWS
    assert started(tmp_path) == 2
    assert "CPU Generator does not use offset" in done.stderr
    assert not alive(pids(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=["kill", "term", "ctrl-c"])
def test_the_server_outlives_its_job(tmp_path: Path, number: signal.Signals) -> None:
    posts = slow_posts(tmp_path)
    with expanding(tmp_path, posts, "--concurrency", 4) as process:
        process.send_signal(number)
        process.communicate(timeout=30)
        assert until(lambda: not alive(pids(tmp_path)), 10)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    before = stored(tmp_path)
    assert 4 <= before < ROWS
    done = run("expand", posts, *options(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(accounted(tmp_path / "run", ROWS)[0]) == ROWS
    assert query(tmp_path / "run", "SELECT count(*), count(DISTINCT row_id) FROM reply") == [(ROWS, ROWS)]
    assert not alive(pids(tmp_path))


def test_a_model_is_loaded_for_a_run_that_is_refused(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 3)
    assert run("expand", posts, *options(tmp_path), cwd=tmp_path).returncode == 0
    done = run("expand", posts, *options(tmp_path), "--temperature", 0.5, cwd=tmp_path)
    assert done.returncode == 2
    assert "temperature" in done.stderr
    assert started(tmp_path) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--base-url", "http://127.0.0.1:1/v1", "--model", "m"), "leave --base-url out"),
        (("--model", "m"), "leave --model out"),
        (("--vllm-arg=--port 80",), "--vllm-arg may not set --port"),
        (("--vllm-executable", "/nowhere/vllm"), "is not there"),
    ],
)
def test_what_cannot_be_is_not_told_at_once(tmp_path: Path, given: tuple[object, ...], told: str) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 3)
    done = run("expand", posts, "--vllm", "sound", "--out", tmp_path / "run", *given, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_vllm_arguments_without_a_model_are_ignored(tmp_path: Path) -> None:
    done = run("expand", write_posts(tmp_path / "posts.jsonl", 3), "--vllm-arg=--dtype=half", cwd=tmp_path)
    assert done.returncode == 2
    assert "--vllm-arg needs --vllm" in done.stderr


def test_two_arms_load_the_model_twice(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 12)
    given = ("--vllm", "sound", "--vllm-executable", stand_in(tmp_path), "--out", tmp_path / "ablation")
    done = run("ablate", posts, "--arm", "smile", "--arm", "again=smile", "--request-seed", 1, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert started(tmp_path) == 1
    for arm in ("smile", "again"):
        assert len(accounted(tmp_path / "ablation" / "arms" / arm, 12)[0]) == 12
    assert not alive(pids(tmp_path))


@pytest.mark.slow
def test_a_server_with_room_is_not_filled_by_several_arms(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 100)
    given = ("--vllm", "roomy", "--vllm-executable", stand_in(tmp_path), "--out", tmp_path / "ablation")
    done = run("ablate", posts, "--arm", "smile", "--arm", "again=smile", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int((tmp_path / "most").read_text()) > FIRST * 1.4  # raised once at least, by a half
    assert "requests in flight at the end" in done.stderr
    for arm in ("smile", "again"):
        assert len(accounted(tmp_path / "ablation" / "arms" / arm, 100)[0]) == 100


def test_arms_at_one_server_have_another_sum_than_it_takes() -> None:
    engines = [_Engine() for _ in range(3)]
    runners = [Runner(stored=0, in_flight=5) for _ in engines]
    shares = Shares(list(zip(engines, runners, strict=True)))
    shares.divide()
    assert [engine.most for engine in engines] == [None] * 3  # the server has said nothing
    shares.resize(32)
    assert [engine.most for engine in engines] == [11, 11, 10] == [runner.in_flight for runner in runners]
    runners[1].ended = True
    shares.divide()
    assert [engine.most for engine in engines] == [16, 11, 16]
    shares.resize(1)
    assert [engine.most for engine in engines] == [1, 11, 1]  # none stands still
    runners[0].ended = runners[2].ended = True
    shares.resize(64)
    assert [engine.most for engine in engines] == [1, 11, 1]


class _Engine:
    """Takes the number."""

    most: int | None = None

    def resize(self, most: int) -> None:
        self.most = most


def test_annotate_cannot_start_a_server(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 5)
    assert run("expand", posts, *options(tmp_path), cwd=tmp_path).returncode == 0
    given = ("--vllm", "sound", "--vllm-executable", stand_in(tmp_path), "--out", tmp_path / "labels")
    done = run("annotate", tmp_path / "run", "--task", "topics", *given, cwd=tmp_path)
    assert done.returncode in {0, 3}, done.stderr
    assert started(tmp_path) == 2
    assert query(tmp_path / "labels", "SELECT count(*) FROM reply")[0][0] >= 1
    assert not alive(pids(tmp_path))
