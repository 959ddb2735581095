"""What holds for a run of any length: what is done is passed over unmade, and memory does not grow with the rows."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from expander.errors import ExpanderError
from expander.loop_lag import LoopLag
from expander.passing_over import LOOK_UP_AT_ONCE, looked_up
from expander.post import Place, Post, Unreadable
from expander.rows import Row, RowMaker
from expander.settings import EndpointSettings, InputSettings, SamplingSettings
from expander.sources import read_posts
from expander.store import NewReply, Outcome, RowRecord, Store
from prompts import load
from tests.conftest import REPOSITORY
from tests.expander.running import command, environment, query, read_lines, run, write_posts

MAKER = RowMaker(load("smile"), "m", SamplingSettings(samples=3), EndpointSettings(), InputSettings())
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc (Linux)")


def posts_of(folder: Path, count: int) -> list[Post]:
    read = read_posts(write_posts(folder / f"posts-{count}.jsonl", count))
    return [post for post in read if isinstance(post, Post)]


def ended(row: Row, outcome: Outcome) -> RowRecord:
    return RowRecord(
        id=row.id,
        position=row.position,
        post=row.post,
        changes=row.changes,
        redactions=row.redactions,
        sample=row.sample,
        topic=row.topic,
        outcome=outcome,
        rule=None if outcome is Outcome.KEPT else "some-rule",
        reason=None,
        replies=(),
        reading=None,
    )


def rows_of(post: Post, position: int = 0) -> list[Row]:
    return [row for row in MAKER.rows(position, post) if isinstance(row, Row)]


def until_it_breaks(posts: Iterator[Post | Unreadable]) -> int:
    """How many come before the error."""
    count = 0
    try:
        for _ in posts:
            count += 1
    except ExpanderError:
        return count
    pytest.fail("the input did not break off")


# Passing over


def test_an_id_told_in_advance_is_not_the_row_s(tmp_path: Path) -> None:
    for post in posts_of(tmp_path, 3):
        assert list(MAKER.ids(post)) == [row.id for row in rows_of(post)]


def test_a_row_without_an_outcome_is_passed_over(tmp_path: Path) -> None:
    """Also one that failed, one that failed and was then kept, and a post of which one sample is missing."""
    whole, failed, mended, partly, never = posts_of(tmp_path, 5)

    async def session() -> list[bool]:
        async with Store(tmp_path / "run") as store:
            for row in rows_of(whole):
                store.keep_row(ended(row, Outcome.REJECTED if row.sample else Outcome.KEPT))
            for row in [*rows_of(failed), *rows_of(mended)]:
                store.keep_row(ended(row, Outcome.FAILED))
            await store.flush()
            for row in [*rows_of(mended), *rows_of(partly)[1:]]:
                store.keep_row(ended(row, Outcome.KEPT))
            await store.flush()
            posts = [whole, failed, mended, partly, never]
            return [met.is_done for batch in looked_up(posts, store, MAKER, fresh=False) for met in batch]

    assert asyncio.run(session()) == [True, False, True, False, False]


def test_a_done_row_that_stands_elsewhere_now_is_asked_for_again(tmp_path: Path) -> None:
    """In an input turned round, with a failed row in its middle; rows of many positions are looked for by two looks."""
    posts = posts_of(tmp_path, LOOK_UP_AT_ONCE + 31)
    failed = posts[7]

    async def session() -> list[str]:
        async with Store(tmp_path / "run") as store:
            for position, post in enumerate(posts):
                for row in rows_of(post, position):
                    store.keep_row(ended(row, Outcome.FAILED if post is failed else Outcome.KEPT))
            await store.flush()
            found = [met for batch in looked_up(posts[::-1], store, MAKER, fresh=False) for met in batch]
        return [met.post.id for met in found if isinstance(met.post, Post) and not met.is_done]

    assert asyncio.run(session()) == [failed.id]


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "going on"])
def test_a_post_met_before_is_met_for_the_first_time(tmp_path: Path, *, fresh: bool) -> None:
    """Within one look and over several."""
    count = LOOK_UP_AT_ONCE + 50
    first = posts_of(tmp_path, count)
    again = [first[0]] * 2
    posts: list[Post | Unreadable] = [
        first[0],
        *again,
        Unreadable(Place("c", 7), "no post"),
        *first[1:],
        first[count - 1],
        first[0],
    ]

    async def session() -> list[bool]:
        async with Store(tmp_path / "run") as store:
            found = [met for batch in looked_up(posts, store, MAKER, fresh=fresh) for met in batch]
        assert [met.position for met in found] == list(range(len(posts)))
        assert {met.before for met in found} == {None, str(first[0].place), str(first[-1].place)}
        return [met.before is not None for met in found]

    assert asyncio.run(session()) == [False, True, True, False, *[False] * (count - 1), True, True]


def test_a_fresh_run_reads_ahead_of_its_workers(tmp_path: Path) -> None:
    posts, read = posts_of(tmp_path, 10), 0

    def counted() -> Iterator[Post]:
        nonlocal read
        for post in posts:
            read += 1
            yield post

    async def session() -> None:
        async with Store(tmp_path / "run") as store:
            for taken, batch in enumerate(looked_up(counted(), store, MAKER, fresh=True), 1):
                assert (len(batch), read) == (1, taken)

    asyncio.run(session())


def test_what_stood_before_a_break_of_the_input_is_dropped(tmp_path: Path) -> None:
    """A run that goes on reads ahead, and the input breaks off inside what it read."""
    posts, out = write_posts(tmp_path / "posts.jsonl", 40), tmp_path / "run"
    assert run("expand", posts, "--out", out, cwd=tmp_path).returncode == 0
    whole = gzip.compress(write_posts(tmp_path / "more.jsonl", 4000).read_bytes(), compresslevel=0)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-50_000])
    done = run("expand", tmp_path / "cut.jsonl.gz", "--out", out, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    before = until_it_breaks(read_posts(tmp_path / "cut.jsonl.gz"))
    assert before % LOOK_UP_AT_ONCE
    assert query(out, "SELECT count(*) FROM row") == [(before,)]


def test_a_run_that_goes_on_asks_for_what_is_done(tmp_path: Path) -> None:
    """More posts than one look takes, with failed rows, an unreadable line and duplicates far apart among them."""
    lines = write_posts(tmp_path / "made.jsonl", 2 * LOOK_UP_AT_ONCE + 30).read_text("utf-8").splitlines()
    lines[LOOK_UP_AT_ONCE + 5] = "{no post"
    lines.append(lines[3])
    posts, out = tmp_path / "posts.jsonl", tmp_path / "run"
    posts.write_text("\n".join(lines) + "\n", "utf-8")
    rows = len(lines) - 2
    faulty = run("expand", posts, "--out", out, "--offline-fault", "400=0.1xalways", cwd=tmp_path)
    failed = query(out, "SELECT count(*) FROM row WHERE outcome = 'failed'")[0][0]
    assert faulty.returncode == 3, faulty.stderr
    assert 0 < failed < rows
    assert query(out, "SELECT count(*) FROM reply") == [(rows - failed,)]
    posts.write_text("\n".join([*lines, lines[-2].replace("晚上", "夜里")]) + "\n", "utf-8")
    again = run("expand", posts, "--out", out, cwd=tmp_path)
    assert again.returncode == 3, again.stderr  # the unreadable line is still there
    assert f"{rows - failed:,} rows were done before" in again.stderr
    assert query(out, "SELECT count(*) FROM reply") == [(rows + 1,)]
    assert query(out, "SELECT count(*), count(DISTINCT row_id) FROM reply") == [(rows + 1, rows + 1)]
    missing = {row["place"]: row["reason"] for row in read_lines(out / "rejected.jsonl") if row["id"] is None}
    assert set(missing) == {f"{posts}:{LOOK_UP_AT_ONCE + 6}", f"{posts}:{len(lines)}"}
    assert missing[f"{posts}:{len(lines)}"].endswith(f"{posts}:4")


def test_going_on_reads_every_reply(tmp_path: Path) -> None:
    """The sums that a run begins with come from an index: a million replies are gigabytes."""

    async def session() -> tuple[int, int]:
        async with Store(tmp_path / "run") as store:
            for number in range(3):
                await store.keep_reply(
                    NewReply(
                        row_id=f"{number}", generation=0, seconds=0.1, prompt_tokens=5, completion_tokens=None, body=b""
                    )
                )
            return store.tokens()

    assert asyncio.run(session()) == (15, 0)
    plan = query(tmp_path / "run", "EXPLAIN QUERY PLAN SELECT total(prompt_tokens), count(*), max(id) FROM reply")
    assert "COVERING INDEX" in plan[0][3]


# The event loop


def test_a_blocked_loop_is_told_as_free() -> None:
    """Each look falls into a block that is longer than the time between two looks."""

    async def work() -> int:
        lag = LoopLag()
        listening = asyncio.create_task(lag.listen())
        for _ in range(12):
            await asyncio.sleep(0.005)
            time.sleep(0.15)  # noqa: ASYNC251 - this is what is to be noticed
        await asyncio.sleep(0)
        listening.cancel()
        return lag.within(0.5)

    assert asyncio.run(work()) >= 75


def test_the_worst_hundredth_of_looks_is_miscounted() -> None:
    lag = LoopLag()
    for milliseconds in [3] * 98 + [40]:
        lag.note(milliseconds / 1000)
    assert lag.told() is None  # too few to say
    lag.note(-0.001)
    assert lag.told() == "Event loop: at most 3 ms late 99 % of the time, 40 ms at worst."
    lag.note(0.9)
    lag.note(1e9)
    assert (lag.within(0.5), lag.within(0.99)) == (3, 900)
    told = lag.told()
    assert told is not None
    assert "10,000 ms or more at worst" in told
    assert "--concurrency" in told


def test_a_run_ends_without_a_word_of_its_loop(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 24)
    told = run("expand", posts, "--offline-latency", 1.2, "--concurrency", 4, "--out", tmp_path / "a", cwd=tmp_path)
    short = run("expand", posts, "--limit", 2, "--out", tmp_path / "b", cwd=tmp_path)
    assert "Event loop: at most " in told.stderr
    assert (told.returncode, short.returncode) == (0, 0)
    assert "Event loop" not in short.stderr


# Memory

PEAK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "run.py"
from expander.cli import main
try:
    main()
finally:
    print("peak", Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def peak_mb(*arguments: object, cwd: Path) -> float:
    """The most that one command held."""
    assert command()[0] == sys.executable
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(REPOSITORY), *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("peak ")[1].split()[0]) / 1024


def corpus(path: Path, dialogues: int) -> Path:
    """So many dialogues, of some 3 kB each and no two alike."""
    said = "最近总是睡不好，一躺下就开始想工作上的事，越想越清醒。" * 2
    with path.open("w", encoding="utf-8") as file:
        for number in range(dialogues):
            messages = [
                {"role": ("user", "assistant")[place % 2], "content": f"{number}.{place} {said}"} for place in range(12)
            ]
            file.write(json.dumps({"id": f"d{number}", "messages": messages}, ensure_ascii=False) + "\n")
    return path


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("to", ["messages", "parquet", "csv"])
def test_export_holds_more_of_a_longer_corpus(tmp_path: Path, to: str) -> None:
    peaks = []
    for number in (2_500, 7_500):  # the first already fills a row group of Parquet, and more than every buffer
        path = corpus(tmp_path / f"{number}.jsonl", number)
        options = ("--to", to, "--license", "cc0-1.0", "--out", tmp_path / f"out-{number}")
        peaks.append(peak_mb("export", path, *options, cwd=tmp_path))
    assert peaks[1] - peaks[0] < 12, peaks  # the 5,000 more are 15 MB as text, and several times that as objects
