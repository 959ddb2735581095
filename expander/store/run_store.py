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
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import orjson

from expander.consoles import console
from expander.errors import StoreError
from expander.post import Place
from expander.store.damage import CHECKED_WHOLE, check_files, check_lines, check_numbers, check_whole
from expander.store.done import done_among
from expander.store.lock import RunLock, identity
from expander.store.messages import damaged, unusable
from expander.store.presence import Presence
from expander.store.reading import Connection, check_kind, watch
from expander.store.records import (
    Kind,
    NewReply,
    Outcome,
    RowRecord,
    StoredReply,
    post_text,
)
from expander.store.schema import (
    FILE,
    SCHEMA,
    add_indexes,
    check_version,
    create,
    finish_swap,
    log_of,
    renew,
    sealed,
)
from expander.store.seen import Seen
from expander.store.settled import check_same
from expander.store.writing import Group, commit

SYNC_EVERY = 1.0  # seconds: what a power cut may cost
GATHER = 0.002  # seconds a group waits for company: 1 % of a slot's time where answers take 200 ms
LOOK_EVERY = 1.0  # seconds between two looks at whether the folder is still there, when nothing is committed meanwhile
_SETTLE_EVERY = 64  # rows; so many replies at most are looked at in vain when the run is opened again

ConnectionT = TypeVar("ConnectionT", bound=sqlite3.Connection)


class Store:
    """An open run folder, for one event loop. Use as an async context manager.

    Raises UsageError when another process works on the run or wrote it in another way, StoreError when the folder
    cannot be used. On leaving, what is queued is committed, and StoreError raised if that fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE
        self._group = Group()
        self._something = asyncio.Event()
        self._committed = asyncio.Condition()
        self._in_thread: Group | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._failure: StoreError | None = None
        self._unsettled: dict[int, None] = {}
        """Stored replies whose row has no outcome yet, oldest first."""
        self._rows_kept = 0
        self._lock = RunLock(folder)
        self._missing_at = ""
        self._missing_there = 0
        """So many rows in a row stood at that place and are no rows of the run."""
        self._session: asyncio.Task[object] | None = None
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        advice = "Give another folder with --out."
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be written: {error.strerror}. {advice}") from error
        self._lock.acquire("Wait for it, or give this one another --out.", advice)
        try:
            self._open()
        except sqlite3.Error as error:
            self._lock.release()
            raise unusable(self._path, error) from error
        except OSError as error:
            self._lock.release()
            raise StoreError(
                f"{self._path}: cannot be written: {error.strerror}. Make room or mend the folder; or {advice.lower()}"
            ) from error
        except BaseException:
            self._lock.release()
            raise
        self._session = asyncio.current_task()
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
            self._close()
            self._lock.release()

    def _close(self) -> None:
        for name in ("_writer", "_reader", "_seen"):
            if (connection := getattr(self, name, None)) is not None:
                with suppress(sqlite3.Error):
                    connection.close()

    # Opening and closing

    def _open(self) -> None:
        """Open the run's store, or make one. What is not whole is refused before it is written to."""
        finish_swap(self._path)
        is_copy = self._lock.is_copy(identity(self._path))
        check_files(self._path, is_copy=is_copy)
        if not self._path.exists():
            create(self._path)
        log = log_of(self._path)
        has_log = log.exists() and log.stat().st_size > 0
        self._reader = _connect(self._path, Connection)
        try:
            version = check_version(self._path, self._reader)
            whole = self._path.stat().st_size <= CHECKED_WHOLE or (is_copy and has_log)
            if whole:
                check_whole(self._path, self._reader)
            if version != SCHEMA:
                self._reader.close()
                console(stderr=True).print(renew(self._path, version), markup=False, soft_wrap=True)
                self._reader = _connect(self._path, Connection)
            watch(self._reader, self._path)
            if whole:
                check_lines(self._path, self._reader)
            self._seen = Seen()
            self._writer = _connect(self._path, sqlite3.Connection)
            add_indexes(self._writer)
        except BaseException:
            self._close()
            raise
        self._presence = Presence(self._path, self._lock)
        self._lock.say(self._presence.identity)

    def settle_settings(self, settings: Mapping[str, object], kind: Kind = Kind.EXPANSION) -> None:
        """Write the run's settings and kind, or hold them against those it began with.

        Raises UsageError naming every key that differs: mixing two conditions in one run would spoil both.
        """
        stored = self.meta("settings")
        if stored is not None:
            check_kind(self.folder, self.meta("kind"), kind)
        else:
            self.set_meta("kind", kind)
            self.set_meta("settings", orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS).decode())
            return
        check_same(self.folder, orjson.loads(stored), orjson.loads(orjson.dumps(dict(settings))))

    # Writing

    async def keep_reply(self, reply: NewReply) -> int:
        """Store a reply, and give its id once it is committed. Raises StoreError."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        group = self._open_group()
        group.replies.append(
            sealed(
                *(reply.row_id, reply.generation, time.time(), float(reply.seconds)),
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
            sealed(
                *(row.id, row.position, row.post.id, row.sample, row.topic, post_text(row)),
                *(str(row.outcome), row.rule, row.reason, ",".join(map(str, row.replies)), reply_id, row.reading),
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
        """Store why a row of the input is no row of the run. Several on one line, one after the other, are numbered."""
        name = str(place)
        self._missing_there = self._missing_there + 1 if name == self._missing_at else 1
        self._missing_at = name
        if self._missing_there > 1:
            name = f"{name} ({self._missing_there})"
        self._open_group().missing.append(sealed(name, kind, reason))

    def count(self, key: str, by: int = 1) -> None:
        """Add to a figure that is kept over all sessions of the run."""
        self._open_group().tally[key] += by

    def forget_missing(self, file: str) -> None:
        """Forget what is said of the rows of this file, which is about to be read anew: some may have been mended.

        To be called before anything is queued.
        """
        try:
            # FILE:LINE, or FILE:LINE (NUMBER)
            line = "rtrim(rtrim(rtrim(place, ')'), '0123456789'), ' (')"
            self._writer.execute(f"DELETE FROM missing WHERE rtrim({line}, '0123456789') = ?", (f"{file}:",))  # noqa: S608 - own words
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error

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

    def check_writing(self) -> None:
        """Raises the StoreError that writing ended with, if it has."""
        if self._failure is not None:
            raise self._failure

    def _open_group(self) -> Group:
        self.check_writing()
        self._something.set()
        return self._group

    async def _write(self) -> None:
        """Commit groups until cancelled; after a failure, refuse everything with its reason."""
        loop = asyncio.get_running_loop()
        synced = 0.0
        while True:
            if not await self._has_something():
                return
            await asyncio.sleep(GATHER)
            self._something.clear()
            group, self._group = self._group, Group()
            self._in_thread = group
            sync = time.monotonic() - synced >= SYNC_EVERY
            try:
                first = await loop.run_in_executor(
                    self._thread, commit, self._writer, group, sync, self._presence.check
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for this commit must learn of it
                self._failure = self._failed(error)
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

    def _failed(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        failure = StoreError(
            f"{self._path}: writing failed: {error}. Nothing stored before is lost. "
            "Make room or mend the folder, then give the same command again."
        )
        failure.__cause__ = error
        return failure

    async def _has_something(self) -> bool:
        """Wait for something to commit, with an eye on the folder. False when it is gone: then the session ends.

        Its task is cancelled, for it may be waiting long for an endpoint, and what that answers could not be kept.
        """
        while not self._something.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), LOOK_EVERY)
                break
            try:
                self._presence.check()
            except StoreError as error:
                self._failure = error
                async with self._committed:
                    self._committed.notify_all()
                if self._session is not None:
                    self._session.cancel()
                return False
        return True

    # Reading

    def first_place(self, post_id: str, place: Place) -> str | None:
        """None when this reading of the input meets the post for the first time, else where it stood before."""
        return self.first_places([(post_id, place)])[0]

    def first_places(self, met: Sequence[tuple[str, Place]]) -> list[str | None]:
        """`first_place` of many posts, in their order."""
        try:
            places = self._seen.first_places(met)
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._path}: noting the posts seen failed: {error}. They are noted in a temporary file: make room "
                "there, or name another folder with the environment variable SQLITE_TMPDIR."
            ) from error
        return [None if place is None else str(place) for place in places]

    def is_empty(self) -> bool:
        return self._reader.execute("SELECT 1 FROM reply UNION ALL SELECT 1 FROM row LIMIT 1").fetchone() is None

    def lines(self) -> int:
        """Rows that were ever written, those replaced since among them: without a look at each."""
        return int(self._reader.execute("SELECT ifnull(max(rowid), 0) FROM main.row").fetchone()[0])

    def outcome(self, row_id: str) -> Outcome | None:
        found = self._reader.execute("SELECT outcome FROM row WHERE id = ?", (row_id,)).fetchone()
        if found is None:
            return None
        try:
            return Outcome(found[0])
        except ValueError as error:
            raise damaged(self._path, f"row {row_id} is not as it was written") from error

    def done(self, row_ids: Collection[str], first: int, last: int) -> set[str]:
        """Those of the rows that are kept or rejected. They are looked for between these positions first."""
        return done_among(self._reader, row_ids, first, last)

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

    def tallied(self, key: str) -> int:
        """What `count` had added up under this key when the run was opened, or since."""
        found = self._reader.execute("SELECT value FROM tally WHERE key = ?", (key,)).fetchone()
        return int(found[0]) if found else 0

    def tokens(self) -> tuple[int, int]:
        """Prompt and completion tokens of every stored reply, as the endpoint counted them.

        Raises StoreError where replies are gone: their numbers follow one another, but for those that a recovery lost.
        """
        prompt, completion, there, last = self._reader.execute(
            "SELECT total(prompt_tokens), total(completion_tokens), count(*), max(id) FROM reply"
        ).fetchone()
        check_numbers(self._path, self._reader, there, last)
        return int(prompt), int(completion)


def _connect(path: Path, factory: type[ConnectionT]) -> ConnectionT:
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=30, cached_statements=64, check_same_thread=False, factory=factory
    )
    assert isinstance(connection, factory)
    if isinstance(connection, Connection):
        connection.path = path
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -512")  # KiB; the kernel caches the file anyway, and memory stays flat
    connection.execute("PRAGMA wal_autocheckpoint = 400")  # pages; a longer one holds the commits behind it up longer
    return connection
