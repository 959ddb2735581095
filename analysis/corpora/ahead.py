"""Makes what is read next while the caller works on what it has. Decompressing lets go of the interpreter's lock."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

_AHEAD = 4  # pieces that wait at most
_LOOK_EVERY = 0.1  # seconds between looks whether the caller has gone
_JOIN = 0.01  # seconds: a piece in the making takes a few milliseconds

Piece = TypeVar("Piece")


def ahead(pieces: Iterator[Piece]) -> Generator[Piece, None, None]:
    """The same pieces in their order, made in a thread of their own; what making one raises is raised in its place.

    The thread ends when the caller stops taking.
    """
    made: Queue[Piece | None] = Queue(_AHEAD)
    gone = Event()
    failed: list[BaseException] = []

    def put(piece: Piece | None) -> None:
        while not gone.is_set():
            try:
                made.put(piece, timeout=_LOOK_EVERY)
            except Full:
                continue
            return

    def make() -> None:
        try:
            for piece in pieces:
                put(piece)
                if gone.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where it is looked for
            failed.append(error)
        put(None)

    thread = Thread(target=make, name="reading ahead", daemon=True)
    thread.start()
    try:
        while (piece := made.get()) is not None:
            yield piece
        if failed:
            raise failed[0]
    finally:
        gone.set()
        while thread.is_alive():
            with suppress(Empty):
                made.get_nowait()  # it may wait for room
            thread.join(timeout=_JOIN)
