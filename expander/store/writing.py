"""What a run store commits together, and how: few statements, one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

from expander.errors import StoreError
from expander.store.schema import sealed

# Rows in one INSERT. Each statement hands the interpreter's lock over twice, which costs more than inserting a row;
# powers of two keep the number of different statements, each prepared once, small.
_INSERT_SIZES = (64, 32, 16, 8, 4, 2, 1)


@dataclass(slots=True)
class Group:
    """What is waiting to be committed together."""

    replies: list[tuple[object, ...]] = field(default_factory=list)
    waiting: list[asyncio.Future[int]] = field(default_factory=list)
    """One for each reply, in their order."""
    rows: list[tuple[object, ...]] = field(default_factory=list)
    missing: list[tuple[object, ...]] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    tally: Counter[str] = field(default_factory=Counter)


def commit(connection: sqlite3.Connection, group: Group, sync: bool, check: Callable[[], None]) -> int:  # noqa: FBT001
    """Write the group in one transaction. Gives the id of its first reply; the others follow it one by one.

    `check` is asked once the group is written: what it raises, this does, and then the group does not count as stored.
    """
    if sync:
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        last = _insert(connection, "INSERT INTO reply VALUES", "(NULL, ?, ?, ?, ?, ?, ?, ?, ?)", group.replies)
        _insert(connection, "INSERT OR REPLACE INTO row VALUES", f"({', '.join('?' * 13)})", group.rows)
        _insert(connection, "INSERT OR REPLACE INTO missing VALUES", "(?, ?, ?, ?)", group.missing)
        connection.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (sealed(*item) for item in group.meta.items())
        )
        connection.executemany(
            "INSERT INTO tally VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
            group.tally.items(),
        )
        connection.execute("COMMIT")
    except (sqlite3.Error, StoreError):
        with suppress(sqlite3.Error, StoreError):
            connection.execute("ROLLBACK")
        raise
    if sync:
        connection.execute("PRAGMA synchronous = NORMAL")
    check()
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
