"""Stock phrases: which 4-grams many dialogues share, and how much of a dialogue others say too.

After Salkar et al. 2022 ("Self-Repetition in Abstractive Neural Summarizers"), who count, for a set of outputs, the 4-grams of one
that occur in another; 4-grams of punctuation alone are left out here. Shares depend on how many dialogues there are to
share with, so corpora are compared on samples of as many dialogues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.figures import Group, Metric, Ranked, Ranking
from analysis.lexical.ngrams import codes_of, dense
from analysis.lexical.tokenizers import WORDS
from analysis.lexical.tokens import Bounds, Tokens, places_of
from analysis.ratios import DIALOGUES, Ratio

ORDER = 4
"""Tokens of a phrase, as in Salkar et al. 2022, §3."""
TOP = 20
"""Phrases that are listed: one glance; this project's own choice."""

HOLDS_TOP = "holds_top_four_gram"
SHARED = "shared_four_grams"
LINEARISED = "shared_four_grams_linearised"
"""What a dialogue shares and, above or below the mean, what others owe to it: see `_owed`."""
ALL = "four_grams"

HOLDING = Ratio(
    metric=Metric(
        key="stock_phrase_dialogues",
        name=f"Dialogues with a top-{TOP} 4-gram",
        group=Group.LEXICAL,
        unit="share of dialogues",
        definition=f"Share of the sampled dialogues that hold at least one of the sample's own {TOP} most spread 4-grams.",
        source="this project's own, after Salkar et al. 2022",
        caveat=(
            "The list is the sample's own, so it differs between corpora, and it was chosen from the dialogues that are "
            "counted: there is no interval and no test."
        ),
    ),
    numerator=HOLDS_TOP,
)
"""Its value alone can be had from `Repetition.dialogues`."""
REPEATING = Ratio(
    metric=Metric(
        key="self_repetition",
        name="Self-repetition: 4-grams of other dialogues",
        group=Group.LEXICAL,
        unit="share of 4-grams",
        definition="Share of a dialogue's 4-grams that occur in another dialogue of the sample too; each place counts.",
        source="after Salkar et al. 2022, §3, as a share of places where they take the logarithm of a count",
        caveat="Grows with the number and length of the dialogues in the sample: compare samples of equal size.",
    ),
    numerator=LINEARISED,
    denominator=ALL,
)
"""Over the columns of `Repetition.dialogues`, with intervals and tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """The phrases of a sample of dialogues."""

    ranking: Ranking
    dialogues: pd.DataFrame
    """A row for each dialogue of the sample: `DIALOGUES`, `HOLDS_TOP`, `SHARED`, `LINEARISED`, `ALL`."""


def self_repetition(tokens: Tokens, numbers: Bounds, corpus: str, *, top: int = TOP) -> Repetition:
    """The numbered dialogues' `top` 4-grams by the number of dialogues that hold them, and how much each dialogue shares.

    4-grams run across utterances. Equally frequent ones stand in the order of first occurrence. A phrase's text is its tokens,
    with spaces between under "words" alone. No dialogue may be numbered twice; raises ValueError.
    """
    if len(set(numbers.tolist())) != len(numbers):
        raise ValueError("A dialogue that stands twice in the sample would repeat itself.")
    ids = tokens.ids[places_of(tokens.dialogues, numbers)]
    lengths = tokens.lengths[numbers]
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    codes, whole = codes_of(ids, bounds, ORDER, len(tokens.vocabulary))
    places = np.flatnonzero(whole & _says_something(ids, tokens.vocabulary)[: len(codes)])
    owners = np.repeat(np.arange(len(numbers)), lengths)[places]
    kinds, count = dense(codes[places])
    held, times = _held(kinds, owners, len(numbers))
    holders = np.bincount(held // max(len(numbers), 1), minlength=count)
    first = np.zeros(count, np.int64)
    first[kinds[::-1]] = places[::-1]
    best = np.lexsort((first, -holders))[:top]
    listed = np.zeros(count, bool)
    listed[best] = True
    of_each = np.bincount(owners, minlength=len(numbers)).astype(float)
    shared = np.bincount(owners[holders[kinds] > 1], minlength=len(numbers)).astype(float)
    frame = pd.DataFrame(
        {
            DIALOGUES: np.ones(len(numbers)),
            HOLDS_TOP: (np.bincount(owners[listed[kinds]], minlength=len(numbers)) > 0).astype(float),
            SHARED: shared,
            LINEARISED: shared + _owed(held, times, of_each > 0),
            ALL: of_each,
        }
    )
    joint = " " if tokens.tokenizer == WORDS else ""
    entries = tuple(
        Ranked(
            joint.join(tokens.vocabulary[token] for token in ids[first[kind] : first[kind] + ORDER]),
            int(holders[kind]),
            float(holders[kind] / len(numbers)),
        )
        for kind in best.tolist()
    )
    ranking = Ranking(
        corpus=corpus,
        name="four_grams",
        title="4-grams that most dialogues share",
        unit="dialogues",
        n=len(numbers),
        entries=entries,
        remark="" if entries else f"No dialogue holds {ORDER} tokens in a row with a word among them.",
    )
    return Repetition(ranking=ranking, dialogues=frame)


def _says_something(ids: npt.NDArray[np.int32], vocabulary: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether one of the `ORDER` tokens from each place on holds a letter or a digit; shape (tokens - ORDER + 1,) or (0,)."""
    count = len(ids) - ORDER + 1
    if count <= 0:
        return np.empty(0, bool)
    words = np.fromiter((any(map(str.isalnum, token)) for token in vocabulary), bool, len(vocabulary))[ids]
    # A running count, so that a difference of two says how many words lie between.
    counted = np.concatenate(([0], np.cumsum(words)))
    return np.greater(counted[ORDER:], counted[:-ORDER])


def _held(
    kinds: npt.NDArray[np.int64], owners: npt.NDArray[np.int64], dialogues: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each kind with each dialogue that holds it, as kind * dialogues + dialogue in rising order; and how often it does."""
    pairs = kinds * dialogues + owners
    pairs.sort()
    starts = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1]))) if len(pairs) else pairs
    return pairs[starts], np.diff(np.concatenate((starts, [len(pairs)])))


def _owed(
    held: npt.NDArray[np.int64], times: npt.NDArray[np.int64], counts: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """What the other dialogues owe to each: their 4-grams that would be shared with none without it; less the mean.

    Added to what a dialogue itself shares, it leaves the sum as it is and makes a column of which the mean varies between
    corpora as its rows do: the first term of the jackknife (Efron & Stein 1981). Without it, the interval would take the
    other dialogues as given and be too narrow. `counts` says which dialogues have a 4-gram; the others have 0.
    """
    dialogues = len(counts)
    kinds, owners = np.divmod(held, max(dialogues, 1))
    # Rows of a kind stand together, so one that two dialogues hold is a pair of neighbours.
    by_two = np.bincount(kinds) == 2  # noqa: PLR2004
    first = np.flatnonzero(by_two[kinds[:-1]] & (kinds[:-1] == kinds[1:])) if len(held) > 1 else held[:0]
    owed = np.bincount(owners[first], times[first + 1], dialogues).astype(np.float64)  # whole numbers where empty
    owed += np.bincount(owners[first + 1], times[first], dialogues)
    owed[counts] -= owed[counts].mean() if counts.any() else 0.0
    return owed
