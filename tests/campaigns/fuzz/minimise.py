"""A finding made small: whatever can be left out while the same thing goes wrong is left out."""

from __future__ import annotations

import time
from collections.abc import Callable

_PATIENCE = 20.0
"""Seconds one finding may take. A hang takes a second a try."""


def minimised(data: bytes, still_fails: Callable[[bytes], bool]) -> bytes:
    """The shortest input found by cutting stretches, halves first, single bytes last."""
    until = time.monotonic() + _PATIENCE
    size = max(1, len(data) // 2)
    while size and time.monotonic() < until:
        start, shorter = 0, False
        while start < len(data) and time.monotonic() < until:
            tried = data[:start] + data[start + size :]
            if still_fails(tried):
                data, shorter = tried, True
            else:
                start += size
        if not shorter or size > len(data):
            size //= 2
    return data
