"""However a job ends, nothing of its server may be left. A real job, a server whose engine ignores SIGTERM, real signals."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.expander.vllm_running import alive, job, pids, stand_in, until

SHARED_MEMORY = Path("/", "dev", "shm")
SECONDS = 5.0  # the grace of the jobs here is 0.4


def _gone(folder: Path) -> bool:
    return until(lambda: not alive(pids(folder)), SECONDS)


@pytest.mark.parametrize("how", ["end", "raise"])
def test_a_server_outlives_a_job_that_ends_or_fails(tmp_path: Path, how: str) -> None:
    with job("sound", stand_in(tmp_path), tmp_path, how) as process:
        process.communicate(timeout=20)
    assert process.returncode == (0 if how == "end" else 1)
    assert len(pids(tmp_path)) == 3
    assert not alive(pids(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP], ids=lambda n: n.name)
def test_a_server_outlives_a_killed_job(tmp_path: Path, number: signal.Signals) -> None:
    with job("sound", stand_in(tmp_path), tmp_path, "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert len(alive(pids(tmp_path))) == 3
        process.send_signal(number)
        process.communicate(timeout=20)
    assert _gone(tmp_path)


@pytest.mark.parametrize("how", ["end", "killed", "died", "named"])
def test_sockets_stay_where_they_were(tmp_path: Path, how: str) -> None:
    """Of a server that was stopped, one whose job was killed, one that died. A folder that the user named is not ours."""
    # A folder of pytest's may be too long for a socket's path.
    with TemporaryDirectory(dir="/tmp") as short:
        named, temporary = Path(short, "named"), Path(short, "t")
        for folder in (named, temporary):
            folder.mkdir()
        given = {"TMPDIR": str(temporary)} | ({"VLLM_RPC_BASE_PATH": str(named)} if how == "named" else {})
        model = "oom" if how == "died" else "sound"
        with job(model, stand_in(tmp_path), tmp_path, "end" if how == "end" else "wait", **given) as process:
            assert process.stdout is not None
            if how in {"killed", "named"}:
                assert process.stdout.readline()
                assert any(path.is_socket() for path in (named if how == "named" else temporary).rglob("*"))
                process.kill()
            process.communicate(timeout=20)
        assert until(lambda: not list(temporary.iterdir()), SECONDS)
        assert len(list(named.iterdir())) == (how == "named")


@pytest.mark.parametrize("how", ["end", "killed", "died"])
def test_shared_memory_outlives_a_server(tmp_path: Path, how: str) -> None:
    with job(
        "oom" if how == "died" else "sound", stand_in(tmp_path), tmp_path, "end" if how == "end" else "wait"
    ) as process:
        assert process.stdout is not None
        if how == "killed":
            assert process.stdout.readline()
            process.kill()
        process.communicate(timeout=20)
    names = (tmp_path / "shared").read_text().split()
    assert names
    assert until(lambda: not any((SHARED_MEMORY / name).exists() for name in names), SECONDS)
    assert _gone(tmp_path)


def test_a_server_outlives_its_job_killed_with_its_whole_process_group(tmp_path: Path) -> None:
    with job("sound", stand_in(tmp_path), tmp_path, "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
    assert _gone(tmp_path)


def test_a_server_outlives_a_job_killed_while_it_loads(tmp_path: Path) -> None:
    with job("slow", stand_in(tmp_path), tmp_path, "wait") as process:
        assert until(lambda: len(pids(tmp_path)) == 3, 10)
        process.kill()
        process.communicate(timeout=20)
    assert _gone(tmp_path)


def test_a_forked_child_that_holds_the_pipe_keeps_the_server_alive(tmp_path: Path) -> None:
    with job("sound", stand_in(tmp_path), tmp_path, "fork") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(0.2)
        process.kill()
        process.wait(timeout=20)
        assert _gone(tmp_path)
        os.killpg(process.pid, signal.SIGKILL)


def test_a_killed_keeper_leaves_the_server_without_one(tmp_path: Path) -> None:
    """Then the kernel kills the server, and the job tidies and starts another, with a keeper of its own."""
    with (
        TemporaryDirectory(dir="/tmp") as temporary,
        job("sound", stand_in(tmp_path), tmp_path, "wait", TMPDIR=temporary) as process,
    ):
        assert process.stdout is not None
        first = int(process.stdout.readline().split()[0])
        keeper = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(keeper, signal.SIGKILL)
        assert until(lambda: len(pids(tmp_path)) == 6, 10)
        grandchild = pids(tmp_path)[2]  # it left the group: with the keeper killed as well, nobody can know it
        assert until(lambda: not alive([pid for pid in pids(tmp_path)[:3] if pid != grandchild]), SECONDS)
        process.kill()
        process.communicate(timeout=20)
        assert until(lambda: not list(Path(temporary).iterdir()), SECONDS)
    assert until(lambda: not alive(pids(tmp_path)[3:]), SECONDS)
    for pid in alive([grandchild]):
        os.kill(pid, signal.SIGKILL)
