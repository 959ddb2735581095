"""Variety of words that does not hang on length: MATTR and MTLD inside a dialogue, and distinct-n adjusted for expectation.

MATTR (Covington and McFall 2010, "Cutting the Gordian Knot"): the mean type-token ratio of all windows of equal length. MTLD
(McCarthy and Jarvis 2010, "MTLD, vocd-D, and HD-D"): the mean length of stretches that keep their type-token ratio above 0.72,
read forwards and backwards. Both are given as sums over dialogues, so that `analysis.ratios.Ratio` applies.
"""

from __future__ import annotations

from math import expm1, log1p

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.figures import Group, Metric
from analysis.lexical.tokens import Bounds, Tokens
from analysis.ratios import DIALOGUES, Ratio

WINDOW = 50
"""Tokens of a MATTR window: short enough for most dialogues to have one. Measured on human sessions: 5 % of the Chinese and 9 %
of the English ones are shorter; with 100 tokens 20 % and 30 % would be left out."""
THRESHOLD = 0.72
"""Type-token ratio that ends an MTLD factor (McCarthy and Jarvis 2010, p. 384)."""

MATTR_SUM = "mattr_sum"
MATTR_WINDOWS = "mattr_windows"
MATTR_SHORT = "mattr_short"
MTLD_TOKENS = "mtld_tokens"
MTLD_FACTORS = "mtld_factors"

_SHORT = f"Dialogues of fewer than {WINDOW} tokens have no window; they are left out."
RATIOS = (
    Ratio(
        metric=Metric(
            key="mattr",
            name="MATTR",
            group=Group.LEXICAL,
            unit="types a token",
            definition=f"Mean type-token ratio of all windows of {WINDOW} consecutive tokens inside a dialogue.",
            source="Covington and McFall 2010",
            caveat=f"{_SHORT} Says how much wording repeats within a dialogue, not between dialogues.",
        ),
        numerator=MATTR_SUM,
        denominator=MATTR_WINDOWS,
    ),
    Ratio(
        metric=Metric(
            key="mtld",
            name="MTLD",
            group=Group.LEXICAL,
            unit="tokens",
            definition=(
                f"Tokens a stretch whose type-token ratio stays above {THRESHOLD}, over all dialogues; stretches counted "
                "forwards and backwards, halved, the unfinished one in part."
            ),
            source="McCarthy and Jarvis 2010",
            caveat="Unstable for dialogues of fewer than about 100 tokens; punctuation counts as a word here.",
        ),
        numerator=MTLD_TOKENS,
        denominator=MTLD_FACTORS,
    ),
)
"""Over the columns of `richness_of`. A dialogue weighs by its windows or factors."""


def richness_of(tokens: Tokens, numbers: Bounds) -> pd.DataFrame:
    """A row for each numbered dialogue: `DIALOGUES`, and the columns of `RATIOS`.

    mattr_sum: type-token ratios summed over the windows, mattr_windows of them; mattr_short: 1 for a dialogue without one.
    mtld_factors: mean of both directions, parts included, for mtld_tokens tokens; both are 0 where the dialogue has no token
    repeated, for then it has no factor.
    """
    rows = []
    for number in numbers.tolist():
        ids = tokens.ids[tokens.dialogues[number] : tokens.dialogues[number + 1]]
        total, windows = windowed_types(ids)
        factors = mtld_factors(ids)
        rows.append((1, total, windows, int(not windows), len(ids) if factors else 0, factors))
    columns = [DIALOGUES, MATTR_SUM, MATTR_WINDOWS, MATTR_SHORT, MTLD_TOKENS, MTLD_FACTORS]
    return pd.DataFrame(rows, columns=columns, dtype=float)


def windowed_types(ids: npt.NDArray[np.integer], window: int = WINDOW) -> tuple[float, int]:
    """Type-token ratios summed over all windows of the ids, and the number of windows; (0.0, 0) where there is none.

    A token is its window's first of a type unless the type stood at most window - 1 places before it and inside. So each
    token counts in as many windows as begin after its last like, which makes the sum a sum over tokens.
    """
    count = len(ids) - window + 1
    if count <= 0:
        return 0.0, 0
    order = np.argsort(ids, kind="stable")
    before = np.full(len(ids), -1)
    same = ids[order][1:] == ids[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    places = np.arange(len(ids))
    # Windows that hold place p begin at p - window + 1 .. p; in those that begin after its last like, it is the first.
    earliest = np.maximum(np.maximum(places - window, before), -1) + 1
    latest = np.minimum(places, count - 1)
    return float(np.maximum(latest - earliest + 1, 0).sum()) / window, count


def mtld_factors(ids: npt.NDArray[np.integer], threshold: float = THRESHOLD) -> float:
    """Factors of the ids, the mean of both directions; 0.0 where no id occurs twice.

    A factor ends with the token that brings its type-token ratio below the threshold. What is left at the end counts as
    (1 - its ratio) / (1 - threshold) of one.
    """
    row = ids.tolist()
    return (_factors(row, threshold) + _factors(row[::-1], threshold)) / 2


def _factors(row: list[int], threshold: float) -> float:
    factors, length = 0.0, 0
    types: set[int] = set()
    for token in row:
        length += 1
        types.add(token)
        if len(types) < threshold * length:
            factors += 1
            length = 0
            types = set()
    if length:
        factors += (1 - len(types) / length) / (1 - threshold)
    return factors


def expected_distinct(unique: int, total: int, vocabulary: int) -> float | None:
    """Expectation-adjusted distinct: unique / (V (1 - ((V - 1) / V)^C)) with C n-grams in all (Liu et al. 2022, eq. 4).

    The denominator is what C uniform draws from V kinds would show, so 1 means as varied as chance allows; language is far from
    uniform, so a corpus falls still as it grows. V is the number of kinds that could occur: of a segmenter's words it is open,
    and the value hangs on it; state it. None where nothing was drawn. Raises ValueError for V < 1 or below `unique`.
    """
    if vocabulary < max(unique, 1):
        raise ValueError(f"A vocabulary of {vocabulary} cannot show {unique} kinds.")
    if total < 1:
        return None
    if vocabulary == 1:
        return float(unique)
    return unique / (vocabulary * -expm1(total * log1p(-1 / vocabulary)))
