"""A function over many batches, in as many processes as there are cores. The same as `map`, only quicker."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from typing import Protocol, TypeVar

_MOST_PROCESSES = 8  # beyond, the one that writes is what takes the time

Batch = TypeVar("Batch")
Done = TypeVar("Done")


class Mapping(Protocol):
    """`map` itself, or something that may stand in for it."""

    def __call__(self, work: Callable[[Batch], Done], batches: Iterable[Batch], /) -> Iterator[Done]: ...


@contextmanager
def mapping(*, alone: bool) -> Iterator[Mapping]:
    """A `map` that keeps a bounded number of batches under way, in order; `alone`, the builtin one.

    What it is given must be picklable. Raises BrokenProcessPool where a process was killed.
    """
    processes = min(_MOST_PROCESSES, os.cpu_count() or 1)
    if alone or processes == 1:
        yield map
        return
    # Spawned, not forked: a child must hold neither the run's lock nor its connections.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_with_the_parent)

    def spread(work: Callable[[Batch], Done], batches: Iterable[Batch], /) -> Iterator[Done]:
        waiting: deque[Future[Done]] = deque()
        for batch in batches:
            with _no_interrupt_for_children():
                waiting.append(pool.submit(work, batch))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield spread
    except BaseException:
        for child in active_children():
            child.terminate()  # nobody wants what it is at, and whoever pressed Ctrl-C would wait for it
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _no_interrupt_for_children() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C: it would end them with a traceback before `_end_with_the_parent` runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would let signals through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_the_parent() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it: a pool's process waits for ever where the parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
