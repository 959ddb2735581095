"""Which posts one reading of the input has met, and where: in a temporary file, so that memory does not grow with the input.

Ids are random: to keep them in order costs a page read and a page written for nearly each one, a fifth of the time in which a
run that goes on passes over a million done posts. But nearly all posts are new, and a Bloom filter (Bloom 1970) knows
most of them for that. So the file is only added to, and looked through where the filter says "perhaps"; where
that happens often, for posts that are really there again, the file gets an index after all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from expander.post import Place

_BITS = 2**26
"""Of the filter, 8 MiB. Each id sets three, so that of a million new ones some 20 are looked for in vain."""
_LOOKED_THROUGH = 100
"""Times that the file is looked through before it gets an index: each takes some 40 ms where it holds a million posts."""
_MEET = "INSERT INTO seen VALUES"
_FIRST = "SELECT number, file, line FROM seen WHERE id = ? ORDER BY number LIMIT 1"


class Seen:
    """Ids of posts with the place of the first."""

    def __init__(self) -> None:
        # Nobody else reads these, and they end with the session: no journal, and one transaction that is never committed.
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -512"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY, id TEXT, file INTEGER, line INTEGER)")
        self._database.execute("BEGIN")
        self._met = 0
        self._files: dict[str, int] = {}
        self._filter = bytearray(_BITS // 8)
        self._looked_through = 0

    def first_places(self, met: Sequence[tuple[str, Place]]) -> list[Place | None]:
        """For each post None where it is the first of its id, else the place of that.

        Raises sqlite3.Error where the temporary file cannot be written.
        """
        if not met:
            return []
        first: list[Place | None] = [None] * len(met)
        begin, files = self._met, self._files
        values: list[object] = []
        for number, (post_id, place) in enumerate(met, begin):
            values += (number, post_id, files.setdefault(place.file, len(files)), place.line)
        self._database.execute(f"{_MEET} {', '.join(['(?, ?, ?, ?)'] * len(met))}", values)
        self._met += len(met)
        for at in self._perhaps_again(met):
            number, file, line = self._first(met[at][0])
            if number != begin + at:
                first[at] = Place(list(files)[file], line)
        return first

    def close(self) -> None:
        self._database.close()

    def _perhaps_again(self, met: Sequence[tuple[str, Place]]) -> list[int]:
        """Which of these the filter had before, or may have had; now it has all of them."""
        bits, found = self._filter, []
        for at, (post_id, _) in enumerate(met):
            number = hash(post_id)
            one, step = number % _BITS, number >> 32 | 1
            two, three = (one + step) % _BITS, (one + 2 * step) % _BITS
            mask_1, mask_2, mask_3 = 1 << (one & 7), 1 << (two & 7), 1 << (three & 7)
            one, two, three = one >> 3, two >> 3, three >> 3
            if bits[one] & mask_1 and bits[two] & mask_2 and bits[three] & mask_3:
                found.append(at)
            else:
                bits[one] |= mask_1
                bits[two] |= mask_2
                bits[three] |= mask_3
        return found

    def _first(self, post_id: str) -> tuple[int, int, int]:
        self._looked_through += 1
        if self._looked_through == _LOOKED_THROUGH:
            self._database.execute("CREATE INDEX ids ON seen (id)")
        number, file, line = self._database.execute(_FIRST, (post_id,)).fetchone()
        return number, file, line
