"""N-grams as single integers: one for each place of a token array where a dialogue has n tokens left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Bounds = npt.NDArray[np.int64]

_BITS = 63
NO_CODE = -1
"""What no n-gram's code is."""


def codes_of(ids: npt.NDArray[np.integer], bounds: Bounds, n: int, size: int) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Codes of the n-grams that begin at each token, and which of them are whole; both of shape (tokens - n + 1,) or (0,).

    Equal n-grams have equal codes, others different ones. An n-gram is whole where it lies in one stretch of `bounds`
    (first 0, last the number of tokens), so it may run across utterances and never across dialogues. Ids are below `size`.
    """
    count = len(ids) - n + 1
    if count <= 0:
        return np.empty(0, np.int64), np.empty(0, bool)
    codes = ids[:count].astype(np.int64)
    bits = max(size - 1, 1).bit_length()
    used = bits
    for place in range(1, n):
        if used + bits > _BITS:
            codes, kinds = dense(codes)
            used = max(kinds - 1, 1).bit_length()
            if used + bits > _BITS:
                raise OverflowError(f"{kinds} {place}-grams of {size} tokens do not fit into 64 bits")
        codes <<= bits
        codes |= ids[place : place + count]
        used += bits
    whole = np.ones(count, bool)
    for back in range(1, n):
        # Where a stretch is shorter than `back`, this falls on the end of an earlier one, which is not whole either.
        ends = bounds[1:] - back
        whole[ends[(ends >= 0) & (ends < count)]] = False
    return codes, whole


def dense(codes: Codes) -> tuple[Codes, int]:
    """The codes numbered from 0 in their own order, and how many kinds there are."""
    kinds = ordered_kinds(codes.copy())
    return np.searchsorted(kinds, codes), len(kinds)


def ordered_kinds(codes: Codes) -> Codes:
    """Each code once, in order. Sorts the given array in place: numpy's own `unique` takes 200 times as long on millions."""
    codes.sort()
    return codes[np.concatenate(([True], codes[1:] != codes[:-1]))] if len(codes) else codes


def count_kinds(codes: Codes) -> int:
    """How many different codes there are. Sorts the given array in place."""
    codes.sort()
    return int(np.count_nonzero(codes[1:] != codes[:-1])) + bool(len(codes))
