"""Reading ahead in a thread: everything once and in order, errors in their place, no thread left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from analysis.corpora.ahead import ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "reading ahead"]


def test_a_piece_is_lost_doubled_or_moved() -> None:
    assert list(ahead(iter(range(1000)))) == list(range(1000))
    assert list(ahead(iter([b""]))) == [b""]
    assert not list(ahead(iter(())))
    assert not threads()


def test_an_error_comes_before_what_was_made_or_not_at_all() -> None:
    def pieces() -> Iterator[int]:
        yield from range(7)
        raise EOFError("cut short")

    seen: list[int] = []
    with pytest.raises(EOFError, match="cut short"):
        seen.extend(ahead(pieces()))
    assert seen == list(range(7))
    assert not threads()


def test_a_caller_that_stops_leaves_a_thread_or_makes_it_read_on() -> None:
    made = 0

    def pieces() -> Iterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    taking = ahead(pieces())
    assert next(taking) == 1
    taking.close()
    assert not threads()
    before = made
    time.sleep(0.2)
    assert made == before < 20
