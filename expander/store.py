"""The run store: one SQLite file (WAL) a run, written by one task in groups, in a thread of their own.

What is promised, and how:

* A reply is stored before anything reads it. `Store.keep_reply` returns once its group is committed, and a committed
  group survives the death of the process: it is in the kernel's hands.
* At least one commit a second is also synced to the disk, so a power cut costs at most the last second.
  Syncing every group would cost 4 to 12 ms each, measured on a cloud disk.
* Verdicts are a pure function of stored replies. A row whose outcome was not committed gets it again from its reply.
* The API key is never stored; neither are header values.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

import orjson
from filelock import FileLock, Timeout

from expander.errors import StoreError, UsageError
from expander.post import Place, Post, Redaction

FILE = "store.sqlite"
SCHEMA = 1
SYNC_EVERY = 1.0  # seconds: what a power cut may cost
GATHER = 0.002  # seconds a group waits for company: 1 % of a slot's time where answers take 200 ms
_SHOWN = 80  # characters of a setting that differs
_JUDGED_ANEW = frozenset({"rules", "format"})  # settings that `filter` changes in a run
_SETTLE_EVERY = 64  # rows; so many replies at most are looked at in vain when the run is opened again

# Rows in one INSERT. Each statement hands the interpreter's lock over twice, which costs more than inserting a row;
# powers of two keep the number of different statements, each prepared once, small.
_INSERT_SIZES = (64, 32, 16, 8, 4, 2, 1)

# Rows and replies are appended; the one index with keys in random order is that of row ids. Every such index dirties
# another page for each row of a group, and pages written are most of what a commit costs.
_TABLES = """
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
"""


class Kind(StrEnum):
    """What a store's rows are."""

    EXPANSION = "expansion"
    """Posts, and the dialogues made from them."""
    ANNOTATION = "annotation"
    """Dialogues, or pairs of them, and what an annotator says of them. A row's post is the text that was sent (`answer`;
    of a pair, `description` and `answer`); its keywords are the ids that the dialogues have in their corpora."""


_WRONG_KIND = {
    Kind.EXPANSION: "it holds the dialogues that `expand` made, no annotations",
    Kind.ANNOTATION: "it holds annotations of `annotate`, no dialogues made from posts",
}
_WAY_ON = {
    Kind.EXPANSION: "Its dialogues are a corpus like any other",
    Kind.ANNOTATION: "Its labels stand in annotations.jsonl, and beside the dialogues in corpus.jsonl, which is a corpus like any other",
}


class Outcome(StrEnum):
    """How a row ended."""

    KEPT = "kept"
    REJECTED = "rejected"
    """It has replies, and none passes the rules."""
    FAILED = "failed"
    """It has no reply. The next run asks again."""


class StoredReply(NamedTuple):
    """One reply as it came: the HTTP body, before anything read it."""

    id: int
    row_id: str
    generation: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """A reply on its way into the store."""

    row_id: str
    generation: int
    seconds: float
    prompt_tokens: int | None
    completion_tokens: int | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRecord:
    """A row and how it ended."""

    id: str
    position: int
    post: Post
    """As sent: after cleaning."""
    changes: Mapping[str, int]
    """What cleaning changed."""
    redactions: tuple[Redaction, ...]
    sample: int
    topic: str | None
    outcome: Outcome
    rule: str | None
    reason: str | None
    replies: tuple[int, ...]
    """Ids of its replies, oldest first; the last one decided the outcome."""
    reading: bytes | None
    """What the rules read in a kept reply, as JSON. A cache: the reply is what counts."""


@dataclass(slots=True)
class _Group:
    """What is waiting to be committed together."""

    replies: list[tuple[object, ...]] = field(default_factory=list)
    waiting: list[asyncio.Future[int]] = field(default_factory=list)
    """One for each reply, in their order."""
    rows: list[tuple[object, ...]] = field(default_factory=list)
    missing: list[tuple[object, ...]] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    tally: Counter[str] = field(default_factory=Counter)


class Store:
    """An open run folder, for one event loop. Use as an async context manager.

    Raises UsageError when another process works on the run or wrote it in another way, StoreError when the folder
    cannot be used. On leaving, what is queued is committed, and StoreError raised if that fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE
        self._group = _Group()
        self._something = asyncio.Event()
        self._committed = asyncio.Condition()
        self._in_thread: _Group | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._failure: StoreError | None = None
        self._unsettled: dict[int, None] = {}
        """Stored replies whose row has no outcome yet, oldest first."""
        self._rows_kept = 0
        self._lock = FileLock(folder / "lock", blocking=False)
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"{self.folder}: another process is working on this run. Wait for it, or give this one another --out."
            ) from error
        except OSError as error:
            raise StoreError(
                f"{self.folder}: cannot be written: {error.strerror}. Give another folder with --out."
            ) from error
        try:
            self._reader = _connect(self._path)
            self._prepare()
            self._writer = _connect(self._path)
        except sqlite3.Error as error:
            self._lock.release()
            raise StoreError(f"{self._path}: cannot be used: {error}. Give another folder with --out.") from error
        except BaseException:
            self._lock.release()
            raise
        self._writing = asyncio.create_task(self._write())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.flush()
        finally:
            if self._writing is not None:
                self._writing.cancel()
                with suppress(asyncio.CancelledError):
                    await self._writing
            self._thread.shutdown()
            for connection in (self._writer, self._reader, self._seen):
                with suppress(sqlite3.Error):
                    connection.close()
            self._lock.release()

    # Opening and closing

    def _prepare(self) -> None:
        version = self._reader.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._reader.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
        elif version != SCHEMA:
            raise UsageError(
                f"{self._path}: written by another version of this program (schema {version}, this one reads "
                f"{SCHEMA}). Use that version, or give another --out."
            )
        # Nobody else reads these, and they end with the session: no journal, and one transaction that is never committed.
        self._seen = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -512"):
            self._seen.execute(f"PRAGMA {pragma}")
        self._seen.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self._seen.execute("BEGIN")

    def settle_settings(self, settings: Mapping[str, object], kind: Kind = Kind.EXPANSION) -> None:
        """Write the run's settings and kind, or hold them against those it began with.

        Raises UsageError naming every key that differs: mixing two conditions in one run would spoil both.
        """
        stored = self.meta("settings")
        if stored is not None:
            _check_kind(self.folder, self.meta("kind"), kind)
        else:
            self.set_meta("kind", kind)
            self.set_meta("settings", orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS).decode())
            return
        before = orjson.loads(stored)
        now = orjson.loads(orjson.dumps(dict(settings)))
        differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if differing:
            lines = "\n".join(
                f"  {key}: {_short(before.get(key))} then, {_short(now.get(key))} now" for key in differing
            )
            way_on = "Give the settings it began with, or another folder with --out."
            if _JUDGED_ANEW.issuperset(differing):
                way_on += (
                    f" Or have its stored replies judged by these rules, without a request: `filter {self.folder} ...`."
                )
            raise UsageError(
                f"{self.folder}: this run began with other settings, and mixing them would spoil it:\n{lines}\n{way_on}"
            )

    # Writing

    async def keep_reply(self, reply: NewReply) -> int:
        """Store a reply, and give its id once it is committed. Raises StoreError."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        group = self._open_group()
        group.replies.append(
            (
                *(reply.row_id, reply.generation, time.time(), reply.seconds),
                *(reply.prompt_tokens, reply.completion_tokens, reply.body),
            )
        )
        group.waiting.append(future)
        return await future

    def keep_row(self, row: RowRecord) -> None:
        """Store how a row ended. Lost with the process, it is found again from the row's replies."""
        reply_id = row.replies[-1] if row.replies else None
        group = self._open_group()
        group.rows.append(
            (
                *(row.id, row.position, row.post.id, row.sample, row.topic, _post_text(row)),
                *(row.outcome, row.rule, row.reason, ",".join(map(str, row.replies)), reply_id, row.reading),
            )
        )
        if row.outcome is not Outcome.FAILED:  # a failed row goes on from the replies it has
            for reply in row.replies:
                self._unsettled.pop(reply, None)
        self._rows_kept += 1
        if self._rows_kept % _SETTLE_EVERY == 0 and reply_id is not None:
            # Committed with the row it speaks of, or after it, and so never too early.
            group.meta["settled"] = str(next(iter(self._unsettled), reply_id + 1) - 1)

    def keep_missing(self, place: Place, kind: str, reason: str) -> None:
        """Store why a row of the input is no row of the run."""
        self._open_group().missing.append((str(place), kind, reason))

    def count(self, key: str, by: int = 1) -> None:
        """Add to a figure that is kept over all sessions of the run."""
        self._open_group().tally[key] += by

    def forget_missing(self, file: str) -> None:
        """Forget what is said of the rows of this file, which is about to be read anew: some may have been mended.

        To be called before anything is queued.
        """
        try:
            self._writer.execute("DELETE FROM missing WHERE rtrim(place, '0123456789') = ?", (f"{file}:",))
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: writing failed: {error}. Make room or mend the folder.") from error

    def set_meta(self, key: str, value: str) -> None:
        self._open_group().meta[key] = value

    async def flush(self) -> None:
        """Return once everything queued so far is committed. Raises StoreError."""
        self._open_group()
        mine = self._group
        while self._failure is None and (mine is self._group or mine is self._in_thread):
            async with self._committed:
                await self._committed.wait()
        if self._failure is not None:
            raise self._failure

    def _open_group(self) -> _Group:
        if self._failure is not None:
            raise self._failure
        self._something.set()
        return self._group

    async def _write(self) -> None:
        """Commit groups until cancelled; after a failure, refuse everything with its reason."""
        loop = asyncio.get_running_loop()
        synced = 0.0
        while True:
            await self._something.wait()
            await asyncio.sleep(GATHER)
            self._something.clear()
            group, self._group = self._group, _Group()
            self._in_thread = group
            sync = time.monotonic() - synced >= SYNC_EVERY
            try:
                first = await loop.run_in_executor(self._thread, _commit, self._writer, group, sync)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for this commit must learn of it
                self._failure = StoreError(
                    f"{self._path}: writing failed: {error}. Nothing stored before is lost. "
                    "Make room or mend the folder, then give the same command again."
                )
                self._failure.__cause__ = error
            if sync:
                synced = time.monotonic()
            for place, future in enumerate(chain(group.waiting, self._group.waiting if self._failure else ())):
                if self._failure is None:
                    self._unsettled[first + place] = None  # also where whoever waited has been cancelled meanwhile
                if not future.done():
                    if self._failure is not None:
                        future.set_exception(self._failure)
                    else:
                        future.set_result(first + place)
            async with self._committed:
                self._in_thread = None
                self._committed.notify_all()
            if self._failure is not None:
                return

    # Reading

    def first_place(self, post_id: str, place: Place) -> str | None:
        """None when this reading of the input meets the post for the first time, else where it stood before."""
        try:
            done = self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (post_id, str(place))).rowcount
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._path}: noting the posts seen failed: {error}. They are noted in a temporary file: make room "
                "there, or name another folder with the environment variable SQLITE_TMPDIR."
            ) from error
        if done:
            return None
        found: tuple[str] = self._seen.execute("SELECT place FROM seen WHERE id = ?", (post_id,)).fetchone()
        return found[0]

    def is_empty(self) -> bool:
        return self._reader.execute("SELECT 1 FROM reply UNION ALL SELECT 1 FROM row LIMIT 1").fetchone() is None

    def outcome(self, row_id: str) -> Outcome | None:
        found = self._reader.execute("SELECT outcome FROM row WHERE id = ?", (row_id,)).fetchone()
        return Outcome(found[0]) if found else None

    def pending(self) -> dict[str, list[StoredReply]]:
        """Stored replies of rows without an outcome, oldest first, by row: what the last session left unread."""
        rows: dict[str, list[StoredReply]] = {}
        for found in self._reader.execute(
            "SELECT id, row_id, generation, body FROM reply"
            " WHERE id > ? AND row_id NOT IN (SELECT id FROM row WHERE row.id = reply.row_id AND outcome <> 'failed')"
            " ORDER BY id",
            (int(self.meta("settled") or 0),),
        ):
            reply = StoredReply(*found)
            rows.setdefault(reply.row_id, []).append(reply)
            self._unsettled[reply.id] = None
        return rows

    def meta(self, key: str) -> str | None:
        found = self._reader.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else None

    def tokens(self) -> tuple[int, int]:
        """Prompt and completion tokens of every stored reply, as the endpoint counted them."""
        sums = self._reader.execute("SELECT total(prompt_tokens), total(completion_tokens) FROM reply").fetchone()
        return int(sums[0]), int(sums[1])


def read_only(folder: Path, kind: Kind = Kind.EXPANSION) -> sqlite3.Connection:
    """A connection that cannot change the run, also while another process works on it.

    Raises UsageError where the folder holds no run, or one of another kind.
    """
    path = folder / FILE
    if not path.is_file():
        raise UsageError(f"{folder}: no run is stored here (there is no {FILE}). `expand` makes one.")
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'kind'").fetchone()
        _check_kind(folder, found[0] if found else None, kind)
    except sqlite3.Error:
        return connection  # damaged, or made by another program: whoever reads it says so
    except UsageError:
        connection.close()
        raise
    return connection


def _check_kind(folder: Path, found: str | None, wanted: Kind) -> None:
    """Stores of runs from before there were kinds name none."""
    if (kind := Kind(found or Kind.EXPANSION)) is not wanted:
        raise UsageError(
            f"{folder}: is another kind of run: {_WRONG_KIND[kind]}. {_WAY_ON[kind]}. To write a run, give another --out."
        )


class StoredPost(NamedTuple):
    """A post as it was sent, and what was done to it before."""

    post: Post
    changes: Mapping[str, int]
    redactions: tuple[Redaction, ...]


def post_of(text: str) -> StoredPost:
    """The post of a stored row."""
    stored = orjson.loads(text)
    changes = stored.pop("changes")
    redactions = tuple(Redaction(*entry) for entry in stored.pop("redactions"))
    place = Place(*stored.pop("place"))
    keywords = tuple(stored.pop("keywords"))
    return StoredPost(Post(**stored, keywords=keywords, place=place), changes, redactions)


def _post_text(row: RowRecord) -> str:
    post = row.post
    return orjson.dumps(
        {
            "id": post.id,
            "title": post.title,
            "description": post.description,
            "answer": post.answer,
            "question_id": post.question_id,
            "keywords": post.keywords,
            "place": list(post.place),
            "changes": row.changes,
            "redactions": [list(redaction) for redaction in row.redactions],
        }
    ).decode()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30, cached_statements=64, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -512")  # KiB; the kernel caches the file anyway, and memory stays flat
    connection.execute("PRAGMA wal_autocheckpoint = 400")  # pages; a longer one holds the commits behind it up longer
    return connection


def _commit(connection: sqlite3.Connection, group: _Group, sync: bool) -> int:  # noqa: FBT001
    """Write the group in one transaction. Gives the id of its first reply; the others follow it one by one."""
    if sync:
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        last = _insert(connection, "INSERT INTO reply VALUES", "(NULL, ?, ?, ?, ?, ?, ?, ?)", group.replies)
        _insert(connection, "INSERT OR REPLACE INTO row VALUES", f"({', '.join('?' * 12)})", group.rows)
        _insert(connection, "INSERT OR REPLACE INTO missing VALUES", "(?, ?, ?)", group.missing)
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", group.meta.items())
        connection.executemany(
            "INSERT INTO tally VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
            group.tally.items(),
        )
        connection.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    if sync:
        connection.execute("PRAGMA synchronous = NORMAL")
    return last - len(group.replies) + 1


def _insert(connection: sqlite3.Connection, statement: str, marks: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Insert the rows with few statements. Gives the last row's number, 0 without rows."""
    start = last = 0
    for size in _INSERT_SIZES:
        many = f"{statement} {', '.join([marks] * size)}"
        while len(rows) - start >= size:
            values = tuple(chain.from_iterable(rows[start : start + size]))
            last = connection.execute(many, values).lastrowid or 0
            start += size
    return last


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))


def _short(value: object) -> str:
    text = "nothing" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
