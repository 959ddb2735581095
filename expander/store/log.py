"""SQLite's write-ahead log, read frame by frame: which commits it holds, and whether some of them no longer count.

SQLite ends its reading of a log at the first frame that fails its checksum, and says nothing of those behind it. Right
after a crash, where the last commit may be torn; a silent loss where a byte has flipped in the middle.
Layout: sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct(">8I")  # magic, format, page size, checkpoint number, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, pages after a commit (or 0), two salts, two checksums
_MAGIC = 0x377F0682  # checksums over little-endian words; one more, over big-endian ones
_FORMAT = 3007000
_INDEX_HEADER = struct.Struct(
    "=IIIBBHII"
)  # of the -shm file: version, -, changes, set up, big-endian, page size, frames, pages
_INDEX_SALTS = slice(32, 40)
_INDEX_SAVED = slice(96, 100)  # frames that are in the store itself by now
_LEAST_PAGE, _MOST_PAGE = 512, 65536


class Frame(NamedTuple):
    """One page as a transaction left it."""

    page: int
    commits: bool
    """The last frame of a transaction."""
    offset: int
    """Where the page's bytes begin in the log."""
    current: bool
    """Of this log, rather than left over from the one before in the same file."""


class Log(NamedTuple):
    """What a log holds."""

    frames: list[Frame]
    counted: int
    """So many of them SQLite would read: up to the last commit before the first bad frame."""
    header_ok: bool

    @property
    def lost_commits(self) -> int:
        """Commits behind the frames that SQLite would read."""
        if not self.header_ok:
            return sum(frame.commits for frame in self.frames)
        return sum(frame.commits and frame.current for frame in self.frames[self.counted :])


def read_log(path: Path, page_size: int) -> Log:
    """Every whole frame of the log; none where there is no log. Raises OSError."""
    content = path.read_bytes() if path.exists() else b""
    if len(content) < _HEADER.size:
        return Log([], 0, header_ok=not content)
    magic, form, size, _, salt_1, salt_2, *sums = _HEADER.unpack_from(content)
    words = ">" if magic & 1 else "<"
    header_ok = (
        magic & ~1 == _MAGIC
        and form == _FORMAT
        and _checksum(content[: _HEADER.size - 8], (0, 0), words) == (sums[0], sums[1])
    )
    size = size if header_ok and _LEAST_PAGE <= size <= _MOST_PAGE else page_size
    heads = [
        (offset, _FRAME.unpack_from(content, offset))
        for offset in range(_HEADER.size, len(content) - _FRAME.size - size + 1, _FRAME.size + size)
    ]
    salts = (salt_1, salt_2)
    if not header_ok and heads:
        salts = Counter((head[2], head[3]) for _, head in heads[:5]).most_common(1)[0][0]
    frames = [Frame(head[0], head[1] > 0, offset + _FRAME.size, (head[2], head[3]) == salts) for offset, head in heads]
    counted = _counted(content, size, words, (sums[0], sums[1]), heads, salts) if header_ok else 0
    return Log(frames, counted, header_ok)


def noted_frames(path: Path, salts: bytes) -> int | None:
    """Frames that the last writer had committed into the log with these salts, as its index has it.

    None where the index (the -shm file) is gone or is of another log. A killed process leaves it; a clean end removes it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(2 * 48)
    except OSError:
        return None
    if len(content) < 2 * 48 or content[:48] != content[48:] or content[_INDEX_SALTS] != salts:
        return None
    return int(_INDEX_HEADER.unpack_from(content)[6])


def unsaved_frames(path: Path) -> int:
    """Frames that the log of this index (the -shm file) held and the store itself did not have yet; 0 where it does not say."""
    try:
        with path.open("rb") as file:
            content = file.read(_INDEX_SAVED.stop)
    except OSError:
        return 0
    if len(content) < _INDEX_SAVED.stop or content[:48] != content[48:96]:
        return 0
    return max(0, int(_INDEX_HEADER.unpack_from(content)[6]) - int.from_bytes(content[_INDEX_SAVED], sys.byteorder))


def salts_of(path: Path) -> bytes:
    """The log's salts as its header has them; empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(24)[16:24]
    except OSError:
        return b""


def _counted(
    content: bytes,
    size: int,
    words: str,
    seed: tuple[int, int],
    heads: list[tuple[int, tuple[int, ...]]],
    salts: tuple[int, int],
) -> int:
    counted = 0
    running = seed
    for number, (offset, head) in enumerate(heads, 1):
        if (head[2], head[3]) != salts:
            break
        running = _checksum(content[offset : offset + 8], running, words)
        running = _checksum(content[offset + _FRAME.size : offset + _FRAME.size + size], running, words)
        if running != (head[4], head[5]):
            break
        if head[1]:
            counted = number
    return counted


def _checksum(content: bytes, start: tuple[int, int], words: str) -> tuple[int, int]:
    one, two = start
    pairs: Iterator[tuple[int, int]] = struct.iter_unpack(f"{words}2I", content)
    for first, second in pairs:
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
