"""Two corpora's distinct-n at a matched token count: how far apart, with an interval and a permutation test over dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from analysis.figures import LEVEL, Interval
from analysis.lexical.distinct import ORDERS
from analysis.lexical.matched import Matched, draw, matched_distinct
from analysis.lexical.ngrams import codes_of, ordered_kinds
from analysis.lexical.tokens import Bounds, Tokens, places_of
from analysis.permutation import HOW, p_value

PERMUTATIONS = 499
"""A p of 0.05 is then known to within 0.02; far smaller ones come from the fitted tail."""
PERMUTED_TOKENS = 200_000
"""Tokens a side at most that labels are permuted over: a larger corpus is drawn from, which costs the test some power and
nothing of its level. Measured: 499 permutations of 161,197 tokens a side take about 4 s for three n."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """distinct-n of the first corpus minus that of the second, both of `target` tokens."""

    n: int
    target: int
    first: Matched
    second: Matched
    value: float | None
    interval: Interval | None
    """Of the difference of expected values."""
    p: float | None
    """Of the hypothesis that the dialogues of both come from one source."""
    test: str
    remark: str = ""


def difference(
    first: Tokens,
    second: Tokens,
    *,
    target: int | None = None,
    orders: Sequence[int] = ORDERS,
    samples: int = 200,
    permutations: int = PERMUTATIONS,
    seed: int,
    held: tuple[Sequence[Matched], Sequence[Matched]] | None = None,
) -> tuple[Difference, ...]:
    """The difference for each n of `orders`. `target` None means the smaller corpus's tokens; a larger one is cut to that.

    Interval: a mean over draws of a share f of a corpus varies with f times the variance of one draw, so the variance of the
    difference is f1 V1 + f2 V2, with Welch's degrees of freedom. p: `permutation.p_value` over relabellings of the pooled
    dialogues. `held` are the sides' own `matched_distinct` at this target and for these orders, where they are had already.
    """
    size = min(first.total, second.total, target or first.total)
    if first.tokenizer != second.tokenizer:
        raise ValueError(f"Tokens of {first.tokenizer} and of {second.tokenizer} cannot be compared.")
    one, other = held or tuple(
        matched_distinct(side, max(size, 1), orders=orders, samples=samples, seed=seed) for side in (first, second)
    )
    chances = _chances(first, second, min(size, PERMUTED_TOKENS), orders, permutations, seed)
    test = f"permutation test, dialogues dealt anew, {permutations} permutations; {HOW}"
    return tuple(_difference(a, b, p, test) for a, b, p in zip(one, other, chances, strict=True))


def _difference(first: Matched, second: Matched, p: float | None, test: str) -> Difference:
    value = None if first.value is None or second.value is None else first.value - second.value
    remarks = {matched.remark for matched in (first, second) if matched.remark}
    if value is None:
        p = None
    elif first.target > PERMUTED_TOKENS:
        remarks.add(f"p rests on {PERMUTED_TOKENS:,} tokens drawn from each side.")
    return Difference(
        n=first.n,
        target=min(first.target, second.target),
        first=first,
        second=second,
        value=value,
        interval=_interval(first, second, value),
        p=p,
        test=test,
        remark=" ".join(sorted(remarks)),
    )


def _interval(first: Matched, second: Matched, value: float | None) -> Interval | None:
    if value is None or first.deviation is None or second.deviation is None:
        return None
    parts = [matched.share * matched.deviation**2 for matched in (first, second) if matched.deviation is not None]
    variance = sum(parts)
    if variance <= 0:
        return Interval(value, value, "variance of the mean over draws")
    counts = (first.dialogues, second.dialogues)
    degrees = variance**2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    reach = float(student.ppf((1 + LEVEL) / 2, degrees)) * sqrt(variance)
    return Interval(value - reach, value + reach, "variance of the mean over draws")


def _chances(
    first: Tokens, second: Tokens, target: int, orders: Sequence[int], permutations: int, seed: int
) -> list[float | None]:
    rng = np.random.default_rng(seed)
    fewest = min(int(np.count_nonzero(side.lengths)) for side in (first, second))
    if target < 1 or fewest < 2:  # noqa: PLR2004 - nothing to deal anew
        return [None] * len(orders)
    ids, bounds = _pooled(first, second, target, rng)
    kinds = [_numbered(ids, bounds, n, len(first.vocabulary) + len(second.vocabulary)) for n in orders]
    # Under relabelling the sides are the first and the last `reach` tokens of the dialogues in random order, each with its
    # outermost dialogue cut; as they stand, the dialogues of the first corpus come before those of the second.
    reach = min(target, len(ids) // 2)
    labels = np.arange(len(bounds) - 1)
    observed = _distances(places_of(bounds, labels), reach, kinds, orders)
    permuted = np.empty((permutations, len(orders)))
    for row in permuted:
        row[:] = _distances(places_of(bounds, rng.permutation(labels)), reach, kinds, orders)
    return [p_value(float(seen), permuted[:, place], fewest=fewest) for place, seen in enumerate(observed)]


def _pooled(
    first: Tokens, second: Tokens, target: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], Bounds]:
    """Token ids of whole dialogues, about `target` tokens of each corpus, under one numbering; and their bounds."""
    places = {word: place for place, word in enumerate(first.vocabulary)}
    renumbered = np.array([places.setdefault(word, len(places)) for word in second.vocabulary], np.int64)
    parts, lengths = [], []
    for side, ids in ((first, first.ids), (second, renumbered[second.ids])):
        numbers = np.arange(side.count_of_dialogues) if target >= side.total else draw(side, target, rng).numbers
        parts.append(ids[places_of(side.dialogues, numbers)].astype(np.int64))
        lengths.append(side.lengths[numbers])
    return np.concatenate(parts), np.concatenate(([0], np.cumsum(np.concatenate(lengths))))


def _numbered(ids: npt.NDArray[np.int64], bounds: Bounds, n: int, size: int) -> npt.NDArray[np.int32]:
    """For each token the number, from 1, of the n-gram that begins there; 0 where none is whole. Shape (tokens,)."""
    numbered = np.zeros(len(ids), np.int32)
    codes, whole = codes_of(ids, bounds, n, size)
    numbered[: len(codes)][whole] = np.searchsorted(ordered_kinds(codes[whole]), codes[whole]) + 1
    return numbered


def _distances(
    places: Bounds, reach: int, kinds: Sequence[npt.NDArray[np.int32]], orders: Sequence[int]
) -> npt.NDArray[np.float64]:
    """distinct-n of the first `reach` tokens less that of the last ones, for each n."""
    found = np.zeros(len(orders))
    for row, (n, numbered) in enumerate(zip(orders, kinds, strict=True)):
        marks = np.zeros(int(numbered.max(initial=0)) + 1, np.uint8)
        inside = max(reach - n + 1, 0)
        sides = (places[:inside], places[len(places) - reach : len(places) - reach + inside])
        values = []
        for side in sides:
            grams = numbered[side]
            marks[grams] = 1
            total = int(np.count_nonzero(grams))
            values.append(int(np.count_nonzero(marks[1:])) / total if total else 0.0)
            marks[:] = 0
        found[row] = values[0] - values[1]
    return found
