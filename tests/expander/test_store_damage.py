"""A store that was cut, flipped, or made by another version: seen, refused or recovered, never used without a word."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from expander.errors import StoreError, UsageError
from expander.post import Place, Post
from expander.session import finish
from expander.store import FILE, NewReply, Outcome, RowRecord, Store, post_of, read_only
from expander.store.recovery import recover
from tests.expander.running import accounted, query, rogue, run, write_posts

# The tables of the first schema, before lines had seals.
SCHEMA_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE row (
  id TEXT PRIMARY KEY, position INTEGER NOT NULL, post_id TEXT NOT NULL, sample INTEGER NOT NULL, topic TEXT,
  post TEXT NOT NULL, outcome TEXT NOT NULL, rule TEXT, reason TEXT, replies TEXT NOT NULL, reply_id INTEGER,
  reading BLOB
);
CREATE TABLE reply (
  id INTEGER PRIMARY KEY, row_id TEXT NOT NULL, generation INTEGER NOT NULL, received REAL NOT NULL,
  seconds REAL NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, body BLOB NOT NULL
);
CREATE TABLE missing (place TEXT PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
ROWS = 30


def during(folder: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    async def session() -> None:
        async with Store(folder) as store:
            await work(store)

    asyncio.run(asyncio.wait_for(session(), 30))


async def nothing(_: Store) -> None:
    return


async def fill(store: Store) -> None:
    """Rows with a reply of a page and a half each, so that lines have ends in other pages."""
    store.settle_settings({"model": "m"})
    for number in range(ROWS):
        row = f"row{number:02}"
        body = orjson.dumps({"of": row, "said": "y" * 6000})
        reply = NewReply(row_id=row, generation=0, seconds=1, prompt_tokens=1, completion_tokens=None, body=body)
        kept = await store.keep_reply(reply)
        if number < ROWS - 3:  # the last three are not judged yet
            store.keep_row(_record(row, kept))


def _record(row: str, reply: int) -> RowRecord:
    post = Post(
        id="p" + row, title="题", description="", answer="答", question_id="q", keywords=(), place=Place("a", 1)
    )
    return RowRecord(
        id=row,
        position=reply,
        post=post,
        changes={},
        redactions=(),
        sample=0,
        topic=None,
        outcome=Outcome.KEPT if reply % 2 else Outcome.REJECTED,
        rule=None if reply % 2 else "too-short",
        reason=None,
        replies=(reply,),
        reading=b"{}" if reply % 2 else None,
    )


def damage(path: Path, found: bytes, put: bytes) -> None:
    content = path.read_bytes()
    assert len(found) == len(put)
    assert found in content
    path.write_bytes(content.replace(found, put, 1))


# Lines that are not as they were


def test_a_changed_reply_is_believed(tmp_path: Path) -> None:
    """A byte in the middle of a text breaks no structure: only the seal knows."""
    during(tmp_path, fill)
    damage(tmp_path / FILE, b'{"of":"row07"', b'{"of":"row70"')
    connection = read_only(tmp_path)
    with closing(connection), pytest.raises(StoreError, match=r"row row07.*`recover ") as caught:
        connection.execute("SELECT body FROM reply").fetchall()
    assert str(tmp_path / FILE) in str(caught.value)


@pytest.mark.parametrize(
    ("found", "put", "sql"),
    [
        pytest.param("题".encode(), "颗".encode(), "SELECT post FROM row", id="post"),
        pytest.param(b'{"model":"m"}', b'{"model":"n"}', "SELECT value FROM meta", id="settings"),
        pytest.param(b"too-short", b"too-shirt", "SELECT post FROM row", id="rule"),
    ],
)
def test_another_changed_line_is_believed(found: bytes, put: bytes, sql: str, tmp_path: Path) -> None:
    during(tmp_path, fill)
    damage(tmp_path / FILE, found, put)
    with closing(read_only(tmp_path)) as connection, pytest.raises(StoreError, match="not as it was written"):
        connection.execute(sql).fetchall()


def test_a_join_without_a_partner_looks_damaged(tmp_path: Path) -> None:
    during(tmp_path, fill)
    with closing(read_only(tmp_path)) as connection:
        found = connection.execute("SELECT reply.body FROM row LEFT JOIN reply ON reply.id = -row.reply_id").fetchall()
    assert [tuple(one) for one in found] == [(None,)] * (ROWS - 3)


@pytest.mark.parametrize("size", [0, 1, 99, 4095, 4096, 20_000], ids=str)
def test_a_store_that_was_cut_is_begun_anew(size: int, tmp_path: Path) -> None:
    during(tmp_path, fill)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:size])
    with pytest.raises(StoreError, match=r"damaged: .*`recover "):
        during(tmp_path, nothing)
    assert (tmp_path / FILE).read_bytes() == content[:size]


def test_a_store_whose_file_is_gone_is_begun_anew(tmp_path: Path) -> None:
    during(tmp_path, fill)
    (tmp_path / FILE).unlink()
    (tmp_path / "dialogues.jsonl").write_text("{}\n")
    with pytest.raises(StoreError, match=r"is gone, and dialogues\.jsonl"):
        during(tmp_path, nothing)


def test_damage_to_what_a_run_does_not_need_is_passed_over(tmp_path: Path) -> None:
    """The reply of a row that is done: nothing reads it until `filter` does, perhaps long after the last backup is gone."""
    during(tmp_path, fill)
    damage(tmp_path / FILE, b'{"of":"row07"', b'{"of":"row70"')
    with pytest.raises(StoreError, match=r"row row07.*`recover "):
        during(tmp_path, nothing)
    refused = run("filter", tmp_path, "--strict", cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert "recover" in refused.stderr


def test_damage_in_a_large_store_reaches_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the size that is checked whole, a row that is done is passed over unread, and read when results are written."""
    posts, out = write_posts(tmp_path / "posts.jsonl", 6), tmp_path / "run"
    with rogue("good", tmp_path) as server:
        done = run("expand", posts, "--base-url", server.url, "--model", "m", "--out", out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    damage(out / FILE, "第3个晚上睡不着".encode(), "第4个晚上睡不着".encode())
    monkeypatch.setattr("expander.store.run_store.CHECKED_WHOLE", 0)
    before = (out / "dialogues.jsonl").read_bytes()
    during(out, nothing)
    with pytest.raises(StoreError, match=r"of table row is not as it was written.*`recover "):
        finish(out)
    assert (out / "dialogues.jsonl").read_bytes() == before


@pytest.mark.parametrize("twice", [False, True], ids=["gone", "there twice"])
def test_a_leaf_in_anothers_place_changes_the_rows_in_the_results(twice: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Every line in such a leaf fits its seal: only the rows' numbers and their index tell."""
    posts, out = write_posts(tmp_path / "posts.jsonl", 30), tmp_path / "run"
    with rogue("good", tmp_path) as server:
        done = run("expand", posts, "--base-url", server.url, "--model", "m", "--out", out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    root, leaves = _leaves(out / FILE, "row")
    content = bytearray((out / FILE).read_bytes())
    size = 4096
    if twice:
        content[(leaves[1] - 1) * size : leaves[1] * size] = content[(leaves[0] - 1) * size : leaves[0] * size]
    else:  # nothing leads to the last one any more
        count = (root - 1) * size + 3
        content[count : count + 2] = (len(leaves) - 1).to_bytes(2, "big")
    (out / FILE).write_bytes(content)
    before = (out / "dialogues.jsonl").read_bytes()
    with pytest.raises(StoreError, match=r"damaged.*`recover "):
        finish(out)
    assert (out / "dialogues.jsonl").read_bytes() == before


def _leaves(path: Path, table: str) -> tuple[int, list[int]]:
    """The page that leads to the table's lines, and those that hold them, all but the last: their numbers, from 1."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        assert connection.execute("PRAGMA page_size").fetchone()[0] == 4096
    page = path.read_bytes()[(root - 1) * 4096 : root * 4096]
    assert page[0] == 5  # one level of pages that lead to leaves
    places = (int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell], "big") for cell in range(page[3] << 8 | page[4]))
    return root, [int.from_bytes(page[place : place + 4], "big") for place in places]


# Recovery


def test_a_recovery_changes_what_is_whole(tmp_path: Path) -> None:
    during(tmp_path, fill)
    before = (tmp_path / FILE).read_bytes()
    assert recover(tmp_path).whole
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("page", range(1, 12))
def test_a_recovery_loses_more_than_the_page(page: int, tmp_path: Path) -> None:
    during(tmp_path, fill)
    with closing(read_only(tmp_path)) as connection:
        before = dict(connection.execute("SELECT row_id, body FROM reply").fetchall())
    content = bytearray((tmp_path / FILE).read_bytes())
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    (tmp_path / FILE).write_bytes(content)
    recovered = recover(tmp_path)
    assert not recovered.whole
    assert recovered.aside is not None
    assert recovered.aside.read_bytes() == bytes(content)
    with closing(read_only(tmp_path)) as connection:
        after = dict(connection.execute("SELECT row_id, body FROM reply").fetchall())
        wrong = connection.execute("SELECT count(*) FROM row JOIN reply ON reply.id = reply_id WHERE row_id <> row.id")
        assert wrong.fetchone()[0] == 0
    assert after.items() <= before.items()
    assert len(after) >= ROWS - 8  # what stands in one leaf, at 500 bytes a line that goes on in other pages
    assert recovered.replies_lost == len(before) - len(after) or recovered.replies == len(after)
    during(tmp_path, nothing)


def test_what_no_seal_vouches_for_is_recovered(tmp_path: Path) -> None:
    during(tmp_path, fill)
    damage(tmp_path / FILE, b'{"of":"row07"', b'{"of":"row70"')
    assert recover(tmp_path).replies_lost == 1
    with closing(read_only(tmp_path)) as connection:
        rows = {row for (row,) in connection.execute("SELECT row_id FROM reply")}
    assert len(rows) == ROWS - 1
    assert "row07" not in rows


def test_a_recovery_of_nothing_leaves_an_empty_run(tmp_path: Path) -> None:
    during(tmp_path, fill)
    (tmp_path / FILE).write_bytes(bytes(50_000))
    with pytest.raises(StoreError, match="nothing in it can be read"):
        recover(tmp_path)
    assert (tmp_path / FILE).read_bytes() == bytes(50_000)


# Other versions


def older(path: Path, newer: Path) -> None:
    """The same run as the first schema had it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(SCHEMA_1)
        connection.execute("ATTACH ? AS newer", (str(newer),))
        for table in ("meta", "tally", "row", "reply", "missing"):
            columns = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM newer.{table}")  # noqa: S608


def test_an_older_store_is_refused_or_loses_its_replies(tmp_path: Path) -> None:
    posts, out, old = write_posts(tmp_path / "posts.jsonl", 20), tmp_path / "run", tmp_path / "old"
    old.mkdir()
    with rogue("good", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--concurrency", 4)
        assert run("expand", posts, *options, "--out", out, "--limit", 12, cwd=tmp_path).returncode == 0
        older(old / FILE, out / FILE)
        shown = run("show", old, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr  # reading changes nothing
        assert query(old, "PRAGMA user_version") == [(1,)]
        before = query(old, "SELECT row_id, body FROM reply ORDER BY id")
        done = run("expand", posts, *options, "--out", old, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"brought from schema 1 to 2. The old file stays as {FILE}.schema-1" in done.stderr
        assert len(server.lines()) == 20
    accounted(old, 20)
    assert {("failed",), ("counted",), ("placed",)} <= set(
        query(old, "SELECT name FROM sqlite_master WHERE type = 'index'")
    )
    assert query(old, "SELECT row_id, body FROM reply ORDER BY id")[:12] == before
    with closing(sqlite3.connect(old / f"{FILE}.schema-1")) as connection:
        assert connection.execute("SELECT row_id, body FROM reply ORDER BY id").fetchall() == before
    with closing(read_only(old)) as reader:
        assert all(post_of(post) for (post,) in reader.execute("SELECT post FROM row"))


def test_a_store_without_the_later_indexes_cannot_go_on(tmp_path: Path) -> None:
    """The first stores of this schema were made without them."""
    posts, out = write_posts(tmp_path / "posts.jsonl", 8), tmp_path / "run"
    with rogue("good", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        assert run("expand", posts, *options, "--limit", 5, cwd=tmp_path).returncode == 0
        with closing(sqlite3.connect(out / FILE)) as connection:
            connection.executescript("DROP INDEX failed; DROP INDEX counted; DROP INDEX placed;")
        assert run("show", out, cwd=tmp_path).returncode == 0
        done = run("expand", posts, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert len(server.lines()) == 8
    accounted(out, 8)
    assert {("failed",), ("counted",), ("placed",)} <= set(
        query(out, "SELECT name FROM sqlite_master WHERE type = 'index'")
    )


@pytest.mark.parametrize("step", [1, 2])
def test_a_kill_while_files_change_places_loses_the_store(step: int, tmp_path: Path) -> None:
    """A fresh file is whole, the old one is put aside, and the process ends before, or after, it took the log along."""
    during(tmp_path, fill)
    (tmp_path / f".{FILE}.part").write_bytes((tmp_path / FILE).read_bytes())
    (tmp_path / FILE).replace(tmp_path / f"{FILE}.damaged")
    if step == 1:
        (tmp_path / f"{FILE}-wal").write_bytes(b"of the old one")
    assert recover(tmp_path).whole
    during(tmp_path, nothing)
    with closing(read_only(tmp_path)) as connection:
        assert connection.execute("SELECT count(*) FROM reply").fetchone()[0] == ROWS


@pytest.mark.parametrize(
    ("place", "value"), [(18, 7), (19, 0), (60, 1), (63, 3), (63, 0)], ids=["writing", "reading", "far", "next", "none"]
)
def test_a_wrong_number_in_the_head_makes_a_store_unusable(place: int, value: int, tmp_path: Path) -> None:
    """Format and schema: SQLite takes both on trust, and a later schema is no damage."""
    during(tmp_path, fill)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[place] = value
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StoreError, match=rf"(?s)damaged.*recover {tmp_path}"):
        during(tmp_path, nothing)
    assert recover(tmp_path).replies_lost == 0
    during(tmp_path, nothing)
    with closing(read_only(tmp_path)) as connection:
        assert connection.execute("SELECT count(*) FROM reply").fetchone()[0] == ROWS


@pytest.mark.parametrize("command", [("show",), ("filter", "--strict"), ("audit",), ("recover",)], ids=" ".join)
def test_a_newer_store_is_read(command: tuple[str, ...], tmp_path: Path) -> None:
    during(tmp_path, fill)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.executescript("PRAGMA user_version = 99; ALTER TABLE row ADD later TEXT")
    done = run(command[0], tmp_path, *command[1:], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    if command != ("audit",):
        assert "schema 99" in done.stderr
    with pytest.raises(UsageError, match="schema 99"):
        during(tmp_path, nothing)
