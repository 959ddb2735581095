"""Disks that fill up, folders that cannot be written, vanish or are copied in the middle of a run: by the command line."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.expander.annotating import annotator, small_corpus
from tests.expander.batch_server import batch_service
from tests.expander.batching import answered, good
from tests.expander.running import Server, accounted, command, environment, query, read_lines, rogue, run, write_posts

ROWS = 40
CONCURRENCY = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with rogue("slow", tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """A run of `ROWS` rows that ended well, posts beside it."""
    folder = tmp_path_factory.mktemp("finished")
    posts = write_posts(folder / "posts.jsonl", ROWS)
    done = run("expand", posts, *options(server, folder / "run"), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def options(server: Server, out: Path) -> tuple[object, ...]:
    return ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", CONCURRENCY)


def limited(size: int, *arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The command with no file larger than `size` bytes: to write beyond fails, as on a full disk."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


def replies(folder: Path) -> set[tuple[str, bytes]]:
    return {(row, body) for row, body in query(folder, "SELECT row_id, body FROM reply")}


def told_what_to_do(done: subprocess.CompletedProcess[str], path: Path) -> None:
    """Refused in words, with the path; no bug, no traceback."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    assert any(word in done.stderr for word in ("ake room", "Give another"))


@contextmanager
def mounted(folder: Path, *how: str) -> Iterator[Path]:
    """A small file system of its own; skips where this process may mount none."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *how, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# A full disk


@pytest.mark.parametrize("size", [0, 3_000, 30_000, 120_000, 250_000])
def test_a_full_disk_ends_in_a_bug_or_loses_what_was_stored(size: int, tmp_path: Path, server: Server) -> None:
    """From no room for the store at all, over its first commits and its log, to its checkpoints."""
    posts, out = write_posts(tmp_path / "posts.jsonl", ROWS), tmp_path / "run"
    before = len(server.lines())
    stopped = limited(size, "expand", posts, *options(server, out), cwd=tmp_path)
    told_what_to_do(stopped, out)
    assert "To go on: " in stopped.stderr or "to go on: " in stopped.stderr
    answered = len(server.lines()) - before
    kept = replies(out) if (out / "store.sqlite").exists() else set()
    assert answered - len(kept) <= CONCURRENCY
    done = run("expand", posts, *options(server, out), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accounted(out, ROWS)
    assert kept <= replies(out)
    assert len(server.lines()) - before - answered == ROWS - len(kept)


def test_a_small_file_system_loses_what_was_stored(tmp_path: Path, server: Server) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 150)
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=640k", "tmpfs") as small:
        out = small / "run"
        stopped = run("expand", posts, *options(server, out), cwd=tmp_path)
        told_what_to_do(stopped, out)
        again = run("expand", posts, *options(server, out), cwd=tmp_path)
        told_what_to_do(again, out)
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        kept = replies(out)
        assert len(kept) > 10
        done = run("expand", posts, *options(server, out), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        accounted(out, 150)
        assert kept <= replies(out)


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        pytest.param(("filter", "RUN", "--strict"), "run", id="filter"),
        pytest.param(
            ("export", "RUN", "--to", "messages", "--out", "corpus", "--license", "mit"), "corpus", id="export"
        ),
        pytest.param(("audit", "RUN", "--json", "audit.json"), "audit.json", id="audit"),
        pytest.param(("dedup", "RUN", "-o", "kept.jsonl"), "kept.jsonl", id="dedup"),
        pytest.param(("batch", "export", "POSTS", "--model", "m", "--out", "b"), "b", id="batch export"),
        pytest.param(
            ("report", "RUN", "-o", "report.html", "--topics", "off"), "report", id="report", marks=pytest.mark.slow
        ),
    ],
)
def test_a_full_disk_ends_another_command_in_a_bug(
    arguments: tuple[str, ...], written: str, tmp_path: Path, finished: Path
) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    names = {"RUN": tmp_path / "run", "POSTS": finished / "posts.jsonl"}
    named = [names.get(word, word) for word in arguments]
    if arguments[0] == "report":
        named = named[:-2]
    before = replies(tmp_path / "run")
    stopped = limited(1_000, *named, cwd=tmp_path)
    assert stopped.returncode == 2, (stopped.returncode, stopped.stderr)
    assert written in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert replies(tmp_path / "run") == before
    done = run(*named, cwd=tmp_path)
    assert done.returncode in {0, 3}, done.stderr


@pytest.mark.parametrize("size", [1_000, 30_000, 120_000])
def test_a_full_disk_ends_an_import_in_a_bug_or_loses_what_was_stored(size: int, tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", ROWS), tmp_path / "run"
    assert run("batch", "export", posts, "--out", out, "--model", "m", cwd=tmp_path).returncode == 0
    results = answered(out / "requests.jsonl", tmp_path / "results.jsonl")
    stopped = limited(size, "batch", "import", out, results, cwd=tmp_path)
    told_what_to_do(stopped, out)
    kept = replies(out)
    done = run("batch", "import", out, results, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accounted(out, ROWS)
    assert kept <= replies(out)
    assert len(replies(out)) == ROWS


@pytest.mark.slow
def test_a_full_disk_ends_a_fetch_in_a_bug_or_loses_the_batch(tmp_path: Path) -> None:
    posts, out, key = write_posts(tmp_path / "posts.jsonl", ROWS), tmp_path / "run", {"OPENAI_API_KEY": "sk-test"}
    with batch_service() as service:
        assert run("batch", "export", posts, "--out", out, "--model", "m", cwd=tmp_path).returncode == 0
        sent = run("batch", "submit", out, "--base-url", service.url, cwd=tmp_path, timeout=60, **key)
        assert sent.returncode == 0, sent.stderr
        service.finish("batch_0", good)
        for size in (20_000, 150_000):  # no room for the file that is downloaded; room for it, and not for the store
            told_what_to_do(limited(size, "batch", "fetch", out, cwd=tmp_path, **key), out)
        done = run("batch", "fetch", out, cwd=tmp_path, timeout=60, **key)
        assert done.returncode == 0, done.stderr
    accounted(out, ROWS)
    assert len(replies(out)) == ROWS


def test_a_full_disk_ends_annotate_in_a_bug_or_loses_what_was_stored(tmp_path: Path) -> None:
    corpus, out = small_corpus(tmp_path, ROWS), tmp_path / "topics"
    with annotator("good", tmp_path) as served:
        asked = ("annotate", corpus, "--task", "topics", *options(served, out))
        stopped = limited(60_000, *asked, cwd=tmp_path)
        told_what_to_do(stopped, out)
        kept, answers = replies(out), len(served.lines())
        assert answers - len(kept) <= CONCURRENCY
        done = run(*asked, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert len(served.lines()) - answers == ROWS - len(kept)
    assert kept <= replies(out)
    assert len(read_lines(out / "annotations.jsonl")) == ROWS


def test_a_disk_that_fills_while_results_are_written_leaves_half_a_file(
    tmp_path: Path, finished: Path, server: Server
) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    whole = (tmp_path / "run" / "dialogues.jsonl").read_bytes()
    stopped = limited(
        len(whole) // 2, "expand", finished / "posts.jsonl", *options(server, tmp_path / "run"), cwd=tmp_path
    )
    told_what_to_do(stopped, tmp_path / "run")
    assert (tmp_path / "run" / "dialogues.jsonl").read_bytes() == whole
    assert not list((tmp_path / "run").glob(".*.part"))
    done = run("expand", finished / "posts.jsonl", *options(server, tmp_path / "run"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# A folder that cannot be written


def test_a_read_only_folder_ends_in_a_bug_or_cannot_be_read(tmp_path: Path, finished: Path, server: Server) -> None:
    shutil.copytree(finished / "run", tmp_path / "source")
    for left in ("store.sqlite-wal", "store.sqlite-shm"):
        (tmp_path / "source" / left).unlink(missing_ok=True)
    with mounted(tmp_path / "run", "-o", "bind", str(tmp_path / "source")) as out:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(out)], check=True)
        for arguments in (
            ("expand", finished / "posts.jsonl", *options(server, out)),
            ("expand", finished / "posts.jsonl", *options(server, out / "new")),
            ("filter", out, "--strict"),
            ("recover", out),
        ):
            stopped = run(*arguments, cwd=tmp_path)
            assert stopped.returncode == 2, stopped.stderr
            assert f"{out}" in stopped.stderr
            assert "Read-only file system" in stopped.stderr
        for arguments in (("show", out), ("audit", out), ("filter", out, "--strict", "--dry-run")):
            read = run(*arguments, cwd=tmp_path)
            assert read.returncode in {0, 3}, read.stderr


# A folder that goes away


def _remove(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)


def _replace(out: Path) -> None:
    shutil.copy(out / "store.sqlite", out / "other")
    (out / "other").replace(out / "store.sqlite")


def _cut(out: Path) -> None:
    os.truncate(out / "store.sqlite", 4096)


def _unlock(out: Path) -> None:
    (out / "lock").unlink()


@pytest.mark.parametrize("mode", ["slow", "faulty"])
@pytest.mark.parametrize(
    "do",
    [
        pytest.param(_remove, id="removed"),
        pytest.param(_replace, id="replaced"),
        pytest.param(_cut, id="cut", marks=pytest.mark.slow),
        pytest.param(_unlock, id="unlocked"),
    ],
)
def test_a_run_goes_on_paying_once_its_folder_is_gone(do: Callable[[Path], None], mode: str, tmp_path: Path) -> None:
    """Also where nothing is committed, because the endpoint does not answer."""
    rows = 4000 if mode == "slow" else 400
    posts, out = write_posts(tmp_path / "posts.jsonl", rows), tmp_path / "run"
    with rogue(mode, tmp_path) as server:
        with subprocess.Popen(
            command("expand", posts, *options(server, out), "--attempt-timeout", 300),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            wanted = 600 if do is _cut else 40  # so many that the log was written back
            while len(server.lines()) < (wanted if mode == "slow" else 40) and process.poll() is None:
                time.sleep(0.005)
            if mode == "faulty":  # four hang in the end, and nothing more is asked
                while len(server.lines("hang")) < CONCURRENCY and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(0.5)
            if do is _cut and (out / "store.sqlite").stat().st_size <= 4096:
                process.kill()
                pytest.skip("nothing was written back yet")
            do(out)
            gone, asked = time.monotonic(), len(server.lines())
            try:
                _, errors = process.communicate(timeout=20)
            finally:
                process.kill()
        assert time.monotonic() - gone < 10
        assert process.returncode == 2, errors
        assert str(out / "store.sqlite") in errors
        assert "while the run was going on" in errors
        assert len(server.lines()) - asked < 400


# Two processes


def test_a_second_process_is_not_told_who_works_on_the_run(tmp_path: Path, finished: Path, server: Server) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 2000), tmp_path / "run"
    with subprocess.Popen(
        command("expand", posts, *options(server, out)), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL
    ) as process:
        while not (out / "store.sqlite").exists() or not query(out, "SELECT count(*) FROM reply")[0][0]:
            time.sleep(0.02)
        for arguments in (
            ("expand", posts, *options(server, out)),
            ("filter", out, "--strict"),
            ("recover", out),
            ("annotate", finished / "run", "--task", "topics", "--out", out),
        ):
            second = run(*arguments, cwd=tmp_path)
            assert second.returncode == 2
            assert f"(`expand`, process {process.pid} on " in second.stderr, second.stderr
        process.send_signal(signal.SIGKILL)
    assert run("filter", out, "--strict", "--dry-run", cwd=tmp_path).returncode == 0
    assert run("filter", out, "--strict", cwd=tmp_path).returncode == 0


# A copy


@pytest.mark.parametrize("without_log", [False, True], ids=["whole", "without its log"])
def test_a_copy_of_a_run_at_work_is_short_in_the_end(without_log: bool, tmp_path: Path) -> None:  # noqa: FBT001
    rows = 300
    posts, out, copy = write_posts(tmp_path / "posts.jsonl", rows), tmp_path / "run", tmp_path / "copy"
    with rogue("slow", tmp_path) as server:
        with subprocess.Popen(
            command("expand", posts, *options(server, out)),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while len(server.lines()) < 200 and process.poll() is None:
                time.sleep(0.005)
            subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
            if without_log:
                (copy / "store.sqlite-wal").unlink()
                (copy / "store.sqlite-shm").unlink(missing_ok=True)
            process.communicate(timeout=60)
        assert process.returncode == 0
        done = run("expand", posts, *options(server, copy), cwd=tmp_path)
        if done.returncode == 2:
            assert "recover" in done.stderr, done.stderr
            assert run("recover", copy, cwd=tmp_path).returncode == 0
            done = run("expand", posts, *options(server, copy), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    accounted(copy, rows)
    ours, theirs = (
        {row["id"]: row["messages"] for row in read_lines(each / "dialogues.jsonl")} for each in (copy, out)
    )
    assert ours == theirs
