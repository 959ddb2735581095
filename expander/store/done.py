"""Which of many rows are done: the look-up of a run that goes on, which meets every row of its input again.

Where a row stood when it ended is where it stands in the same input now, and rows that stand side by side are side by side in
the index `placed`. One that moved is looked for by its id, which costs a page of the file: to pass over a million rows
of a store made for it took 34 s by ids and 28 by places, in the same minutes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import orjson

_THERE = "SELECT json_group_array(id) FROM main.row INDEXED BY placed WHERE position BETWEEN ? AND ?"
_ANYWHERE = "SELECT json_group_array(value) FROM json_each(?) WHERE EXISTS (SELECT 1 FROM main.row WHERE id = value)"
_FAILED = """
SELECT json_group_array(value) FROM json_each(?)
WHERE EXISTS (SELECT 1 FROM main.row INDEXED BY failed WHERE outcome = 'failed' AND id = value)
"""
_ANY_FAILED = "SELECT EXISTS (SELECT 1 FROM main.row INDEXED BY failed WHERE outcome = 'failed')"


def done_among(connection: sqlite3.Connection, row_ids: Collection[str], first: int, last: int) -> set[str]:
    """Those of the rows that are kept or rejected. They are looked for between these positions first."""
    wanted = set(row_ids)
    done = wanted.intersection(_ids(connection, _THERE, first, last))
    if moved := wanted - done:
        done.update(_ids(connection, _ANYWHERE, _json(moved)))
    if done and connection.execute(_ANY_FAILED).fetchone()[0]:
        done.difference_update(_ids(connection, _FAILED, _json(done)))
    return done


def _ids(connection: sqlite3.Connection, sql: str, *values: object) -> list[str]:
    ids: list[str] = orjson.loads(connection.execute(sql, values).fetchone()[0])
    return ids


def _json(row_ids: Collection[str]) -> str:
    return orjson.dumps(list(row_ids)).decode()
