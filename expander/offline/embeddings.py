"""Deterministic text vectors for `/v1/embeddings`: character n-grams, hashed. Lexical, not semantic.

Two texts are close when they share runs of characters, whatever they mean. Cosines from here test plumbing and compare
texts within one report; they are not on the scale of any learned embedding, a paper's included.
"""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

LONGEST = 3
"""Characters in the longest n-gram."""
# Odd 64-bit multipliers of SplitMix64's finisher; any good mixing constants do.
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)


def embed(text: str, dimensions: int) -> Vector:
    """A vector of that many dimensions and length 1. The same on every machine; case is folded.

    Each distinct n-gram of 1 to 3 characters adds 1 + log(times it occurs), with a sign of its own, to one dimension.
    """
    points = np.frombuffer(text.casefold().encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    grams = np.concatenate([_hashed(points, length) for length in range(1, LONGEST + 1)])
    distinct, times = np.unique(grams, return_counts=True)
    weights = np.where(distinct >> np.uint64(63), -1.0, 1.0) * (1.0 + np.log(times))
    vector = np.bincount((distinct % np.uint64(dimensions)).astype(np.int64), weights, minlength=dimensions)
    length = float(np.linalg.norm(vector))
    if length == 0.0:  # no character at all, or n-grams that cancel each other
        vector[0] = length = 1.0
    return (vector / length).astype(np.float32)


def _hashed(points: npt.NDArray[np.uint64], length: int) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each run of `length` code points; multiplication wraps, as it should."""
    runs = max(0, len(points) - length + 1)
    mixed = np.full(runs, length, dtype=np.uint64)
    for offset in range(length):
        mixed = (mixed + points[offset : offset + runs] + np.uint64(1)) * _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[0]
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[1]
        mixed ^= mixed >> np.uint64(31)
    return mixed


def as_base64(vector: Vector) -> str:
    """The vector's float32 values, little-endian, in base64: the wire form that the openai client asks for."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
