"""Lines of a byte stream, numbered, each of bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

ROW_LIMIT_BYTES = 16 << 20
"""The longest row that is read, in bytes. A post is a few KiB; past this a quote or a bracket was left open."""


class Line(NamedTuple):
    """One line without its line feed; `data` is None where it was longer than the limit."""

    number: int
    data: bytes | None


def split_lines(chunks: Iterable[bytes], *, limit: int = ROW_LIMIT_BYTES) -> Iterator[Line]:
    """Every line of the stream, counted from 1; one over `limit` bytes is let go while it passes, not held."""
    number = 1
    held: list[bytes] = []
    held_bytes = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        held_bytes += len(first)
        if held_bytes <= limit:
            held.append(first)
        else:
            held.clear()
        if not others:
            continue
        yield Line(number, b"".join(held) if held_bytes <= limit else None)
        last = others.pop()
        for number, line in enumerate(others, number + 1):  # noqa: B020 - the count goes on
            yield Line(number, line if len(line) <= limit else None)
        number += 1
        held_bytes = len(last)
        held = [last] if held_bytes <= limit else []
    if held_bytes:
        yield Line(number, b"".join(held) if held_bytes <= limit else None)
