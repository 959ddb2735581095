"""The run store on a real disk: killed, filled, locked, resumed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import orjson
import pytest

from expander.errors import StoreError, UsageError
from expander.store import FILE, Outcome, Store, post_of, read_only
from tests.expander.storing import BODY, PLACE, ROOT, child, during, pending, record, reply

# A process dies


def test_a_reply_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    work = """
    kept = await asyncio.gather(*(store.keep_reply(reply(f"row{i}")) for i in range(20)))
    print(*kept, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    with child(tmp_path, work) as process:
        assert process.stdout is not None
        kept = [int(number) for number in process.stdout.read().split()]
    assert process.returncode == -signal.SIGKILL
    assert kept == list(range(1, 21))
    assert during(tmp_path, pending) == {f"row{number - 1}": [number] for number in kept}


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_between_commits_loses_or_doubles_a_reply(seed: int, tmp_path: Path) -> None:
    work = """
    for i in range(100_000):
        number = await store.keep_reply(reply(f"row{i}"))
        print(number, flush=True)
    """
    stop_after = random.Random(seed).randint(1, 80)
    with child(tmp_path, work) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(stop_after)]
        process.kill()
        told += [int(line) for line in process.stdout.read().splitlines() if line]
    found = [number for numbers in during(tmp_path, pending).values() for number in numbers]
    assert found[: len(told)] == told == list(range(1, len(told) + 1))
    assert len(found) <= len(told) + 1  # one may be committed and not yet told


def test_a_second_process_works_on_the_same_run(tmp_path: Path) -> None:
    async def nothing(_: Store) -> None:
        return

    with child(tmp_path, 'print("open", flush=True); await asyncio.sleep(60)') as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(UsageError, match=r"another process.*--out") as caught:
            during(tmp_path, nothing)
        assert str(tmp_path) in str(caught.value)
        process.kill()
    during(tmp_path, nothing)  # the dead hold no lock
    during(tmp_path, nothing)  # nor do those who left


# A folder that cannot be used


def test_a_folder_that_is_a_file_gives_no_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "run"
    file.write_text("mine", "utf-8")
    for folder in (file, file / "below"):
        with pytest.raises(StoreError, match=r"cannot be written.*--out") as caught:
            during(folder, pending)
        assert str(folder) in str(caught.value)
    assert file.read_text("utf-8") == "mine"


def test_a_folder_without_permission_gives_no_clear_error(tmp_path: Path) -> None:
    """In a child without root's rights, which permissions do not bind."""
    tmp_path.chmod(0o755)
    (tmp_path / "run").mkdir(mode=0o555)
    code = """
        import asyncio, os, sys
        from pathlib import Path
        from expander.errors import StoreError
        from expander.store import Store
        os.chdir(sys.argv[1])
        if os.geteuid() == 0:
            os.setuid(65534)
        async def main(folder):
            async with Store(Path(folder)):
                pass
        for folder in ("run", "run/below"):
            try:
                asyncio.run(main(folder))
            except StoreError as error:
                print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert told.splitlines() == [
        f"{folder}: cannot be written: Permission denied. Give another folder with --out."
        for folder in ("run", "run/below")
    ]


@pytest.mark.parametrize("content", [b"this is no database, it is a diary" * 100, None], ids=["text", "folder"])
def test_a_store_that_is_something_else_gives_no_clear_error(content: bytes | None, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / FILE).mkdir()
    else:
        (tmp_path / FILE).write_bytes(content)
    for _ in range(2):  # the first refusal must not keep the lock
        with pytest.raises(StoreError, match=r"cannot be used.*--out") as caught:
            during(tmp_path, pending)
        assert FILE in str(caught.value)
    if content is not None:
        assert (tmp_path / FILE).read_bytes() == content


def test_a_store_of_another_version_is_used(tmp_path: Path) -> None:
    during(tmp_path, pending)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.executescript("PRAGMA user_version = 99; ALTER TABLE row ADD later TEXT")
    connection.close()
    for _ in range(2):
        with pytest.raises(UsageError, match="schema 99"):
            during(tmp_path, pending)


def test_reading_a_folder_without_a_run_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run is stored here"):
        read_only(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_can_change_the_run(tmp_path: Path) -> None:
    async def read(_: Store) -> None:
        connection = read_only(tmp_path)
        try:
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("DELETE FROM main.reply")
        finally:
            connection.close()

    during(tmp_path, read)


# A disk that is full

FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
kept = 0
try:
    for i in range(100):
        await asyncio.gather(*(store.keep_reply(reply(f"row{kept + j}", b"x" * 20_000)) for j in range(2)))
        kept += 2
except StoreError as error:
    print(kept)
    print(error, flush=True)
for again in (lambda: store.count("x"), lambda: store.keep_missing("a:1", "duplicate", "x")):
    try:
        again()
    except StoreError:
        print("refused")
try:
    await asyncio.wait_for(store.keep_reply(reply("late")), 5)
except StoreError:
    print("refused", flush=True)
"""


def test_a_full_disk_loses_what_was_stored_or_hangs_the_run(tmp_path: Path) -> None:
    with child(tmp_path, FULL) as process:
        assert process.stdout is not None
        told = process.stdout.read().splitlines()
    assert process.returncode == 1  # leaving tells it once more
    kept, message = int(told[0]), told[1]
    assert message.startswith(f"{tmp_path / FILE}: writing failed: ")
    assert "Nothing stored before is lost" in message
    assert told[2:] == ["refused"] * 3
    assert kept >= 10

    async def go_on(store: Store) -> tuple[list[str], int]:
        found = list(store.pending())
        return found, await store.keep_reply(reply("after"))

    found, number = during(tmp_path, go_on)
    assert found == [f"row{i}" for i in range(kept)]  # a group is whole or not there
    assert number == kept + 1
    assert list(during(tmp_path, pending)) == [*found, "after"]


def test_a_value_that_sqlite_does_not_take_hangs_the_run(tmp_path: Path) -> None:
    work = """
    await store.keep_reply(reply("before"))
    for _ in range(2):
        try:
            await store.keep_reply(reply(2**63))
        except StoreError as error:
            print(error, flush=True)
    """
    with child(tmp_path, work) as process:
        try:
            told, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert len(told.splitlines()) == 2
    assert all("writing failed" in line and "too large" in line for line in told.splitlines())
    assert during(tmp_path, pending) == {"before": [1]}


# What a run is made of


ONE = {"model": "m", "temperature": 0.7, "stop": ("完",), "extra_body": {"a": 1, "b": None}, "shard": None}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"temperature": 0.8}, ["temperature: 0.7 then, 0.8 now"], id="value"),
        pytest.param({"shard": "1/2"}, ['shard: nothing then, "1/2" now'], id="set"),
        pytest.param({"extra_body": {"a": 2, "b": None}}, ["extra_body: "], id="nested"),
        pytest.param({"stop": ("完", "。"), "model": "n"}, ['model: "m" then, "n" now', "stop: "], id="two"),
        pytest.param({"top_k": 5}, ["top_k: nothing then, 5 now"], id="new key"),
        pytest.param({"model": "x" * 500}, ['model: "m" then, "xxx'], id="long"),
    ],
)
def test_settings_that_differ_are_mixed_or_not_named(
    change: dict[str, object], named: list[str], tmp_path: Path
) -> None:
    def settle(given: dict[str, object]) -> None:
        async def work(store: Store) -> None:
            store.settle_settings(given)

        during(tmp_path, work)

    settle(ONE)
    with pytest.raises(UsageError) as caught:
        settle({**ONE, **change})
    _, *lines, advice = str(caught.value).splitlines()
    assert len(lines) == len(named)
    assert all(line.strip().startswith(start) for line, start in zip(lines, named, strict=True))
    assert max(map(len, lines)) < 200
    assert "--out" in advice
    settle(ONE)  # a refusal changes nothing


def test_equal_settings_in_another_order_are_refused(tmp_path: Path) -> None:
    backwards = {**dict(reversed(ONE.items())), "stop": ["完"], "extra_body": {"b": None, "a": 1}}
    for given_settings in (ONE, backwards, ONE):

        async def work(store: Store, given: dict[str, object] = given_settings) -> None:
            store.settle_settings(given)

        during(tmp_path, work)


def test_figures_do_not_add_up_over_sessions(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        store.count("attempt:timeout")
        store.count("attempt:timeout", 2)
        await store.flush()
        store.count("attempt:timeout")
        store.count("other", 10)

    during(tmp_path, work)
    during(tmp_path, work)
    connection = read_only(tmp_path)
    assert [tuple(row) for row in connection.execute("SELECT * FROM tally ORDER BY key")] == [
        ("attempt:timeout", 8),
        ("other", 20),
    ]
    connection.close()


def test_a_stored_row_comes_back_changed(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        number = await store.keep_reply(reply("row"))
        store.keep_row(record("row", number))
        store.keep_missing(PLACE, "unreadable", "no answer")
        assert store.outcome("row") is None  # queued, not yet written
        await store.flush()
        assert store.outcome("row") is Outcome.KEPT
        assert store.outcome("other") is None

    during(tmp_path, work)
    connection = read_only(tmp_path)
    [row] = connection.execute("SELECT * FROM row").fetchall()
    [stored] = connection.execute("SELECT body FROM reply").fetchall()
    [missing] = connection.execute("SELECT * FROM missing").fetchall()
    connection.close()
    assert post_of(row["post"]) == (record("row").post, {"楼主": 2}, ())
    assert (row["replies"], row["reply_id"], row["outcome"]) == ("1", 1, "kept")
    assert stored["body"] == BODY  # byte for byte, valid or not
    assert tuple(missing) == ("posts.json:3", "unreadable", "no answer")


def test_a_store_with_something_in_it_looks_empty(tmp_path: Path) -> None:
    async def work(store: Store) -> bool:
        was_empty = store.is_empty()
        await store.keep_reply(reply("row"))
        assert not store.is_empty()
        return was_empty

    assert during(tmp_path, work)
    assert not during(tmp_path, work)


def test_unknown_token_counts_spoil_the_sum(tmp_path: Path) -> None:
    async def work(store: Store) -> tuple[int, int]:
        before = store.tokens()
        assert before == (0, 0)
        for tokens in (3, None, 4):
            await store.keep_reply(reply("row", tokens=tokens))
        return store.tokens()

    assert during(tmp_path, work) == (7, 7)


def test_ids_in_one_group_go_to_the_wrong_replies(tmp_path: Path) -> None:
    """Groups are cut into statements of 64, 32, ... rows; each reply must get the id it is stored under."""

    async def work(store: Store) -> list[int]:
        return await asyncio.gather(*(store.keep_reply(reply(f"row{i}")) for i in range(199)))

    numbers = during(tmp_path, work)
    assert during(tmp_path, pending) == {f"row{i}": [number] for i, number in enumerate(numbers)}


# Secrets


def test_a_key_or_a_secret_header_is_left_in_the_run(tmp_path: Path) -> None:
    """The real command, against the project's own server on another port, then every byte of every file."""
    server = "from expander.offline.app import *; serve(OfflineSettings(), port=0)"
    secrets = {"MY_KEY": "sk-Ab12Cd34Ef56Gh78", "MY_GATEWAY": "gateway-s3cret", "OPENAI_API_KEY": "sk-Unused99"}
    posts = tmp_path / "posts.json"
    posts.write_bytes(orjson.dumps([_psyqa(i) for i in range(3)]))
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        url = next(word for word in process.stdout.readline().split() if word.startswith("http")).rstrip(";")
        command: list[str] = [sys.executable, "run.py", "expand", str(posts), "--base-url", url]
        command += ["--model", "offline-extractive", "--api-key-env", "MY_KEY", "--header", "X-Gateway=env:MY_GATEWAY"]
        command += ["--out", str(tmp_path / "run")]
        done = subprocess.run(command, capture_output=True, env={**os.environ, **secrets}, check=False, cwd=ROOT)
        process.terminate()
    assert done.returncode == 0, done.stderr.decode()
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert FILE in {file.name for file in files}
    for content in (done.stdout, done.stderr, *(file.read_bytes() for file in files)):
        assert not [name for name, secret in secrets.items() if secret.encode() in content]


def _psyqa(number: int) -> dict[str, Any]:
    return {
        "questionID": number,
        "question": f"第{number}次考试前睡不着怎么办？",
        "description": "一想到考试就心慌，晚上躺下也睡不着，白天没有精神。",
        "keywords": "失眠,考试",
        "answers": [
            {
                "answer_text": "你好，我能感受到你的紧张。很多人考试前都会这样，这很正常。你可以先放下手机，早一点上床。"
                "睡前做几次深呼吸，把注意力放在呼吸上。即使睡得少一点，也不会影响太多。祝你顺利！"
            }
        ],
    }
