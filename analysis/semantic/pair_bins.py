"""The cosines of all pairs, counted in fine bins: blocks of pairs, each multiplied and counted by one of a few threads.

All pairs of 55,165 dialogues are 1.5 thousand million cosines, so none is kept. A thread multiplies a block with one processor's
share of the linear algebra library and counts it while others multiply theirs; a product by all processors at once
would leave all but one of them waiting for the counting.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from analysis.processors import processors
from analysis.semantic.embedder import Places, Vectors

Counts = npt.NDArray[np.int64]

HALF = 2**16
"""Bins from cosine 0 to cosine 1; bin k is centred at k / HALF - 1, so a value read off the bins is off by 1/131,072 at most."""
BINS = 2 * HALF + 1
_SPARE = (
    64  # bins above the last one, for cosines that rounding has put above 1; the very last takes what must not count
)
_BLOCK = 1024  # dialogues a side of a block: its cosines take 4 MiB
_ROWS = 256  # rows of a block that are counted together: 2 MiB of bin numbers
_ROWS_MEASURED = 8192
_MOST_THREADS = (
    8  # so that their buffers, 8 MiB each and with gaps between the places 16 MiB at 1,024 dimensions, stay small
)


@dataclass(frozen=True, slots=True)
class Bins:
    """The cosines of so many pairs, counted in `BINS` bins."""

    counts: Counts
    up_to: Counts
    """Pairs in a bin and all below it."""
    pairs: int

    def quantile(self, share: float) -> float:
        """Linear between the two nearest ranks, as numpy's; within half a bin's width of it."""
        place = share * (self.pairs - 1)
        lower = math.floor(place)
        ranks = np.array([lower, min(lower + 1, self.pairs - 1)])
        below, above = np.searchsorted(self.up_to, ranks, side="right") / HALF - 1.0
        return float(below + (above - below) * (place - lower))

    def sd(self) -> float:
        centres = np.arange(BINS) / HALF - 1.0
        mean = float(centres @ self.counts) / self.pairs
        return math.sqrt(max(0.0, float((centres - mean) ** 2 @ self.counts) / self.pairs))


class _Block(NamedTuple):
    """Rows `top` and following against columns `start` and following, both places among those that are looked at."""

    top: int
    start: int


def binned(vectors: Vectors, places: Places) -> Bins:
    """Every pair of `places`, which ascend, once. Needs one place; vectors need not be of length 1 to the last digit.

    Memory beside the vectors: 16 MiB at 1,024 dimensions for each thread, of which there are as many as processors, and 8 at most.
    """
    n = len(places)
    size = min(_BLOCK, n)
    scales = _scales(vectors, places)
    blocks = [_Block(top, start) for top in range(0, n, size) for start in range(top, n, size)]
    threads = min(processors(), _MOST_THREADS, len(blocks))
    counters = [_Counter(vectors, places, scales, size) for _ in range(threads)]
    if threads == 1:
        for block in blocks:
            counters[0].add(block)
    else:
        _shared_out(blocks, counters)
    counts: Counts = sum((counter.counts for counter in counters[1:]), start=counters[0].counts)
    counts[BINS - 1] += counts[BINS:-1].sum()
    counts = counts[:BINS]
    return Bins(counts, np.cumsum(counts), n * (n - 1) // 2)


def _shared_out(blocks: list[_Block], counters: list[_Counter]) -> None:
    idle: SimpleQueue[_Counter] = SimpleQueue()
    for counter in counters:
        idle.put(counter)

    def add(block: _Block) -> None:
        counter = idle.get()
        try:
            counter.add(block)
        finally:
            idle.put(counter)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(len(counters)) as pool:
        # An interrupt ends the loop, and with it what is waiting; a block takes some hundredths of a second.
        for _ in pool.map(add, blocks):
            pass


def _scales(vectors: Vectors, places: Places) -> Vectors:
    """What each row must be multiplied with to be of length 1, shape (places,)."""
    scales = np.empty(len(places), dtype=np.float32)
    for start in range(0, len(places), _ROWS_MEASURED):
        rows = rows_at(vectors, places[start : start + _ROWS_MEASURED])
        scales[start : start + _ROWS_MEASURED] = 1.0 / np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return scales


def rows_at(vectors: Vectors, places: Places) -> Vectors:
    """The rows at `places`, which ascend: a view where they are neighbours, else a copy."""
    neighbours = int(places[-1] - places[0]) + 1 == len(places)
    return vectors[places[0] : places[-1] + 1] if neighbours else vectors[places]


def pairs_up_to(limit: np.float32, vectors: Vectors, places: Places, asked: Places) -> Counts:
    """For each of `asked`, which are numbers of `places`, with how many of `places` its cosine is at most `limit`.

    Itself is among them. Shape (asked,).
    """
    scales = _scales(vectors, places)
    rows = vectors[places[asked]] * scales[asked, None]
    found = np.zeros(len(asked), dtype=np.int64)
    room = np.empty(len(asked) * _BLOCK, dtype=np.float32)
    for start in range(0, len(places), _BLOCK):
        others = rows_at(vectors, places[start : start + _BLOCK])
        products = room[: len(asked) * len(others)].reshape(len(asked), len(others))
        np.matmul(rows, others.T, out=products)
        products *= scales[start : start + _BLOCK]
        found += np.count_nonzero(products <= limit, axis=1)
    return found


class _Counter:
    """Counts of bin numbers, with the buffers that each block uses again: fresh memory costs more than the counting."""

    def __init__(self, vectors: Vectors, places: Places, scales: Vectors, size: int) -> None:
        self.counts: Counts = np.zeros(BINS + _SPARE, dtype=np.int64)
        self._vectors, self._places, self._scales, self._size = vectors, places, scales, size
        self._products = np.empty(size * size, dtype=np.float32)
        self._numbers = np.empty(min(_ROWS, size) * size, dtype=np.intp)

    def add(self, block: _Block) -> None:
        """Bin the products of all its rows with all its columns; where they are the same, those of the upper triangle."""
        down, across = (slice(first, first + self._size) for first in block)
        left, right = (rows_at(self._vectors, self._places[part]) for part in (down, across))
        products = self._products[: len(left) * len(right)].reshape(len(left), len(right))
        np.matmul(left, right.T, out=products)
        of_rows, of_columns = self._scales[down, None] * np.float32(HALF), self._scales[across]
        for first in range(0, len(left), _ROWS):
            part = products[first : first + _ROWS]
            part *= of_rows[first : first + _ROWS]
            part *= of_columns
            part += HALF + 0.5  # a bin's number once its fraction is cut off
            if block.top == block.start:
                part[np.tri(len(part), len(right), first, dtype=bool)] = len(self.counts) - 1
            numbers = self._numbers[: part.size]
            np.copyto(numbers.reshape(part.shape), part, casting="unsafe")
            self.counts += np.bincount(numbers, minlength=len(self.counts))
