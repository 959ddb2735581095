"""MinHash signatures of texts, and the bands that bring likely near duplicates together.

Broder (1997), "On the resemblance and containment of documents"; banding as in Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", §3.4. The permutations are datasketch's; shingles are hashed a text at a time with numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Signatures = NDArray[np.uint32]
"""A row a text, a column a permutation."""

RECALL = 0.99
"""Least share of pairs at the threshold that must meet in a band; more similar pairs are missed less often still."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Fibonacci hashing (Knuth, TAOCP 3, §6.4)
_HIGH_HALF = np.uint64(32)
_ALONE = -1


class Bands(NamedTuple):
    """A signature is cut into `bands` bands of `rows` values; texts that agree in a whole band are compared."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Chance that two texts of this Jaccard similarity agree in some band."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def bands_for(threshold: float, permutations: int) -> Bands:
    """The longest bands (fewest needless comparisons) that keep `RECALL` at the threshold.

    Raises ValueError where no division of so few permutations does.
    """
    for rows in range(permutations, 0, -1):
        bands = Bands(permutations // rows, rows)
        if bands.recall(threshold) >= RECALL:
            return bands
    raise ValueError(
        f"{permutations} permutations find fewer than {RECALL:.0%} of the pairs at similarity {threshold}: take more "
        "permutations or a higher threshold"
    )


@lru_cache(maxsize=1024)
def shingles(text: str, size: int) -> frozenset[str]:
    """Every run of `size` characters; a shorter text is its own only shingle."""
    return frozenset(text[start : start + size] for start in range(max(1, len(text) - size + 1)))


def jaccard(one: str, other: str, size: int) -> float:
    """Shared shingles over all shingles of both, counted exactly; 0 to 1."""
    first, second = shingles(one, size), shingles(other, size)
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def signatures_of(texts: Iterable[str], *, count: int, size: int, permutations: int, seed: int) -> Signatures:
    """The signatures of `count` texts, equal for equal texts, sizes and seeds."""
    from datasketch import MinHash

    signatures = np.empty((count, permutations), np.uint32)
    # The shingles are integers of 32 bits already; datasketch mixes them before it permutes.
    sketch = MinHash(num_perm=permutations, seed=seed, hashfunc=int, scheme="affine32")
    for row, text in enumerate(texts):
        sketch.clear()
        sketch.update_batch(_shingle_hashes(text, size).tolist())
        signatures[row] = sketch.hashvalues
    return signatures


def _shingle_hashes(text: str, size: int) -> NDArray[np.uint64]:
    """One number below 2**32 for each run of `size` characters: a polynomial in the code points, its high half."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    size = min(size, len(codes))
    hashes = np.zeros(len(codes) - size + 1, np.uint64)
    for place in range(size):
        hashes = (hashes + codes[place : place + len(hashes)] + np.uint64(1)) * _MULTIPLIER
    return hashes >> _HIGH_HALF


def buckets_of(signatures: Signatures, bands: Bands) -> NDArray[np.int32]:
    """For each text (row) and band (column) the number of the bucket it shares with others; -1 where it is alone."""
    buckets = np.full((len(signatures), bands.bands), _ALONE, np.int32)
    for band in range(bands.bands):
        part = np.ascontiguousarray(signatures[:, band * bands.rows : (band + 1) * bands.rows])
        keys = part.view(np.dtype((np.void, part.dtype.itemsize * bands.rows))).ravel()
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        shared = counts[inverse] > 1
        buckets[shared, band] = inverse[shared]
    return buckets


def estimates(signatures: Signatures, row: int, others: NDArray[np.intp]) -> NDArray[np.float64]:
    """Estimated similarity of one text to others: the share of equal values, standard error at most 0.5 / sqrt(permutations)."""
    return np.asarray((signatures[others] == signatures[row]).mean(axis=1), np.float64)
