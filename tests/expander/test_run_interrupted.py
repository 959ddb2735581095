"""Runs that are killed, interrupted or given again. What was stored stays, and nothing is asked for twice."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from expander.errors import StoreError
from expander.store import FILE, NewReply, Store
from expander.store.damage import check_lines
from expander.store.reading import connected, watch
from tests.expander.running import accounted, command, environment, query, rogue, run, write_posts

CONCURRENCY = 16
KILLS = 20


@pytest.mark.slow
def test_a_killed_run_loses_a_reply_or_asks_too_often(tmp_path: Path) -> None:
    """The promise of the store: after SIGKILL no row is lost or double, and at most `concurrency` are asked for again."""
    rows, chance = 1600, random.Random(20)
    posts, out = write_posts(tmp_path / "posts.jsonl", rows), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", CONCURRENCY)
        kills = 0
        while kills < KILLS:
            before = len(server.lines())
            with subprocess.Popen(
                command("expand", posts, *options),
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                while len(server.lines()) == before and process.poll() is None:
                    time.sleep(0.005)
                time.sleep(chance.uniform(0.0, 0.12))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                else:
                    pytest.fail(f"the run ended after {kills} kills: make it longer")
            served = len({line.split()[1] for line in server.lines()})
            stored = query(out, "SELECT count(DISTINCT row_id) FROM reply")[0][0]
            assert served - stored <= CONCURRENCY
        done = run("expand", posts, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        asked = Counter(line.split()[1] for line in server.lines())
    kept, _ = accounted(out, rows)
    assert len(kept) == len(asked) == rows
    assert asked.total() - rows <= KILLS * CONCURRENCY
    assert query(out, "SELECT count(*) FROM reply") == [(rows,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_run_drops_what_is_in_flight(tmp_path: Path, number: signal.Signals) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 1500), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", CONCURRENCY)
        with subprocess.Popen(
            command("expand", posts, *options),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while len(server.lines()) < 100:
                time.sleep(0.005)
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "To go on: " in errors
        served = len(server.lines())
        assert query(out, "SELECT count(*) FROM reply") == [(served,)]
        done = run("expand", posts, *options, cwd=tmp_path)
        assert done.returncode == 0
        assert len(server.lines()) == 1500
    accounted(out, 1500)


def test_a_second_interrupt_waits_for_a_hanging_endpoint(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 300)
    with rogue("faulty", tmp_path) as server:
        with subprocess.Popen(
            command("expand", posts, "--base-url", server.url, "--model", "m", "--out", tmp_path / "run"),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while len(server.lines("hang")) < 2:
                time.sleep(0.01)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=5)
        assert process.returncode == 130


def test_a_finished_run_sends_again(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 30), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        run("expand", posts, *options, cwd=tmp_path)
        first = (out / "dialogues.jsonl").read_bytes()
        again = run("expand", posts, *options, cwd=tmp_path)
        assert again.returncode == 0
        assert len(server.lines()) == 30
    assert (out / "dialogues.jsonl").read_bytes() == first


def test_a_longer_or_reordered_input_asks_again_for_what_is_there(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 30), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        run("expand", posts, *options, cwd=tmp_path)
        longer = write_posts(tmp_path / "longer.jsonl", 40)
        longer.write_text("\n".join(reversed(longer.read_text("utf-8").splitlines())), "utf-8")
        run("expand", longer, *options, cwd=tmp_path)
        assert len(server.lines()) == 40
    accounted(out, 40)


def test_more_samples_ask_again_for_those_that_are_there(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 10), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        run("expand", posts, *options, cwd=tmp_path)
        run("expand", posts, *options, "--samples", 3, cwd=tmp_path)
        assert len(server.lines()) == 30


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [
        ("--temperature", "0.5", "temperature"),
        ("--model", "other", "model"),
        ("--template", "standard", "template"),
        ("--request-seed", "7", "request_seed"),
        ("--extra-body", '{"top_k": 3}', "extra_body"),
        ("--no-clean", None, "cleaning"),
        ("--strict", None, "rules"),
    ],
)
def test_settings_that_would_mix_are_accepted(tmp_path: Path, option: str, value: str | None, key: str) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 5), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ["--base-url", server.url, "--out", out]
        run("expand", posts, *options, "--model", "m", cwd=tmp_path)
        model = [] if option == "--model" else ["--model", "m"]
        changed = [option] if value is None else [option, value]
        done = run("expand", posts, *options, *model, *changed, cwd=tmp_path)
        assert done.returncode == 2
        assert f"  {key}: " in done.stderr
        assert len(server.lines()) == 5


def test_two_processes_work_on_one_run(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 2000), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        with subprocess.Popen(
            command("expand", posts, *options), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL
        ) as process:
            while len(server.lines()) < 20:
                time.sleep(0.005)
            second = run("expand", posts, *options, cwd=tmp_path)
            process.kill()
    assert second.returncode == 2
    assert "another process" in second.stderr


def test_a_mended_row_stays_unreadable(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 5), tmp_path / "run"
    whole = posts.read_text("utf-8").splitlines()
    posts.write_text("\n".join([*whole[:2], "{broken", *whole[3:]]), "utf-8")
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        assert run("expand", posts, *options, cwd=tmp_path).returncode == 3
        posts.write_text("\n".join(whole), "utf-8")
        assert run("expand", posts, *options, cwd=tmp_path).returncode == 0
        assert len(server.lines()) == 5
    accounted(out, 5)


@pytest.mark.parametrize("concurrency", [1, 16, 20, 50])
def test_more_is_in_flight_than_was_asked_for(tmp_path: Path, concurrency: int) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 60 + 6 * concurrency), tmp_path / "run"
    with rogue("steady", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", concurrency)
        assert run("expand", posts, *options, cwd=tmp_path).returncode == 0
        most = max(int(line.split()[3]) for line in server.lines())
    assert most == concurrency


def test_an_interrupt_while_lines_are_checked_is_taken_for_damage(tmp_path: Path) -> None:
    """sqlite3 forgets what a Python function called from SQL raised: a Ctrl-C there ended as a line not as it was written."""
    ends: Counter[str] = Counter()
    asyncio.run(_store_of(tmp_path, 2000))
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for moment in range(1, 41):
            connection = connected(tmp_path / FILE, "mode=ro")
            watch(connection, tmp_path / FILE)
            try:
                signal.setitimer(signal.ITIMER_REAL, moment / 2000)
                while True:
                    check_lines(tmp_path / FILE, connection)
            except (KeyboardInterrupt, StoreError) as error:
                ends[f"{type(error).__name__}: {error}"] += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                connection.close()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ends == {"KeyboardInterrupt: ": 40}


async def _store_of(folder: Path, rows: int) -> None:
    async with Store(folder) as store:
        await asyncio.gather(
            *(
                store.keep_reply(
                    NewReply(row_id=str(row), generation=0, seconds=1, prompt_tokens=1, completion_tokens=1, body=b"{}")
                )
                for row in range(rows)
            )
        )
