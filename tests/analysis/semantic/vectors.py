"""Vectors whose cosines are known."""

from __future__ import annotations

import math

import numpy as np

from analysis.semantic.embedder import Vectors, scaled_to_length_1

REACH = 1.0
"""Angles of `on_arc` lie evenly between plus and minus this."""
ARC_MEAN = (math.sin(REACH) / REACH) ** 2
"""Mean cosine of two random points on the arc: the squared length of their mean."""
ARC_MEDIAN = math.cos(2 * REACH * (1 - math.sqrt(0.5)))
"""Median: the difference of two such angles has a triangular distribution."""


def on_arc(count: int, seed: int) -> Vectors:
    angles = np.random.default_rng(seed).uniform(-REACH, REACH, count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def scattered(count: int, dimensions: int, seed: int, *, towards: float = 1.0) -> Vectors:
    """Normal noise about a point `towards` away, scaled to length 1."""
    values = np.random.default_rng(seed).standard_normal((count, dimensions))
    values[:, 0] += towards
    return scaled_to_length_1(values)
