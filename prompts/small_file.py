"""Files that a person writes by hand: read whole, but never a device, a pipe or a gigabyte."""

from __future__ import annotations

import stat
from pathlib import Path

MOST_BYTES = 1_000_000
"""A prompt of that size fits no model's context."""


def read_small(path: Path) -> str:
    """The file's text in UTF-8. Raises OSError, UnicodeDecodeError (a ValueError), or ValueError for anything but a small file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    return content.decode("utf-8")
