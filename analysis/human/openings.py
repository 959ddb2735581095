"""How alike the dialogues of a corpus begin and end.

A dialogue begins with the first clause that is a phrase, greetings, names and back-channels passed over, and ends with its
last clause.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from analysis.figures import LEVEL, Figure, Group, Interval, Metric, Ranking
from analysis.human.labels import TOP
from analysis.human.phrases import clauses, is_phrase, top_texts
from filters.dialogue import Dialogue, Role

SAMPLE = 400
"""Dialogues among which near-duplicate openings are sought: the share grows with their number, so it must be one number
for all corpora of a report, and the smallest human corpus at hand has 431 sessions."""

_LEAST_ALIKE = 0.5
"""Jaccard similarity of two openings' character trigrams from which they count as near-duplicates: this project's own. One
word changed in a sentence of 20 characters leaves about that much."""

_Z = 1.959963984540054
"""Normal quantile at (1 + LEVEL) / 2."""

_PAIRS_CAVEAT = "Dialogues expanded from one question have a reason to begin alike, and the interval ignores it."
_FRAGMENTS = "Psy-Insight's sessions are often parts of one, which end in mid-talk."


def _coincidence_metric(key: str, name: str, what: str, caveat: str = _PAIRS_CAVEAT) -> Metric:
    return Metric(
        key=key,
        name=name,
        group=Group.HUMAN,
        unit="probability",
        definition=(
            f"Probability that two dialogues drawn at random have {what} word for word: the sum of n (n - 1) over "
            "the different clauses, divided by N (N - 1), where n dialogues of N have the clause. Greetings, names and "
            "back-channels before the first phrase are passed over."
        ),
        source="Simpson (1949), Measurement of diversity, unbiased form; its mean does not depend on the corpus's size",
        caveat=caveat,
    )


METRICS: tuple[Metric, ...] = (
    _coincidence_metric("opening_coincidence", "Counselors begin alike", "the same first counselor phrase"),
    _coincidence_metric("client_opening_coincidence", "Clients begin alike", "the same first client phrase"),
    _coincidence_metric(
        "closing_coincidence", "Dialogues end alike", "the same last clause, whoever says it", _FRAGMENTS
    ),
    Metric(
        key="near_duplicate_openings",
        name="Openings with a near-duplicate",
        group=Group.HUMAN,
        unit="share of dialogues",
        definition=(
            "Share of dialogues in a random sample, of one size for all corpora, whose first counselor utterance that "
            f"holds a phrase has a Jaccard similarity of at least {_LEAST_ALIKE} to another's, over their character trigrams."
        ),
        source="this project's own; Jaccard similarity of shingles after Broder (1997)",
        caveat="It grows with the sample, so shares of samples of different size must not be compared.",
    ),
)
"""In the order of `opening_figures`."""


def opening_rankings(corpus: str, dialogues: Sequence[Dialogue], k: int = TOP) -> list[Ranking]:
    """The most frequent first phrases of counselors and of clients, and last clauses of dialogues."""
    return [
        top_texts(corpus, name, title, "dialogues", texts, k)
        for name, title, texts in (
            ("openings", "First words of the counselor", _first_clauses(dialogues, Role.COUNSELOR)),
            ("client_openings", "First words of the client", _first_clauses(dialogues, Role.CLIENT)),
            ("closings", "Last words of the dialogue", _last_clauses(dialogues)),
        )
    ]


def opening_figures(corpus: str, dialogues: Sequence[Dialogue], *, sample: int = SAMPLE, seed: int = 0) -> list[Figure]:
    """A figure for each of METRICS, in their order. `sample` must be one number for all corpora that are compared."""
    return [
        coincidence(corpus, "opening_coincidence", _first_clauses(dialogues, Role.COUNSELOR)),
        coincidence(corpus, "client_opening_coincidence", _first_clauses(dialogues, Role.CLIENT)),
        coincidence(corpus, "closing_coincidence", _last_clauses(dialogues)),
        near_duplicate_openings(corpus, dialogues, sample=sample, seed=seed),
    ]


def coincidence(corpus: str, metric: str, texts: Sequence[str]) -> Figure:
    """The probability that two of the texts, one of each dialogue, are equal, with an interval over dialogues.

    The interval is a jackknife over dialogues on the log scale, for the value is often near 0; where no two texts are
    equal it is that of a Poisson count of 0 pairs, and where all are, it allows for
    what was not seen. None for fewer than three texts.
    """
    n = len(texts)
    if n < 3:  # noqa: PLR2004 - leaving one out must leave a pair
        return _missing(corpus, metric, n, f"Only {n} dialogues have such a clause; it takes three.")
    counts = np.array(list(Counter(texts).values()), dtype=np.float64)
    alike = float(np.sum(counts * (counts - 1)))
    value = alike / (n * (n - 1))
    if not alike:
        high = min(1.0, -math.log((1 - LEVEL) / 2) / (n * (n - 1) / 2))
        interval = Interval(0.0, high, "Poisson count of pairs")
        return Figure(corpus=corpus, metric=metric, value=0.0, n=n, interval=interval)
    if alike == n * (n - 1):
        # What nobody said may still be said by a few: by fewer than this leaves out, or n dialogues would show it.
        low = ((1 - LEVEL) / 2) ** (2 / n)
        return Figure(corpus=corpus, metric=metric, value=1.0, n=n, interval=Interval(low, 1.0, "unseen clauses"))
    # Without one of a clause's n dialogues, 2 (n - 1) ordered pairs fewer are equal.
    left_out = (alike - 2 * (counts - 1)) / ((n - 1) * (n - 2))
    error = _jackknife_error(left_out, counts)
    spread = math.exp(min(_Z * error / value, 700.0))
    interval = Interval(value / spread, min(1.0, value * spread), "jackknife over dialogues, log scale")
    return Figure(corpus=corpus, metric=metric, value=value, n=n, interval=interval)


def near_duplicate_openings(
    corpus: str, dialogues: Sequence[Dialogue], *, sample: int = SAMPLE, seed: int = 0
) -> Figure:
    """The share of sampled dialogues whose first counselor utterance is nearly another's; a jackknife interval.

    Equal seeds draw equal samples. None for fewer than two openings; a remark where there are fewer than `sample`.
    """
    metric = "near_duplicate_openings"
    openings = [text for _, text in _openings(dialogues, Role.COUNSELOR)]
    if len(openings) < 2 or sample < 2:  # noqa: PLR2004 - a pair
        return _missing(corpus, metric, len(openings), f"It takes two openings, and there are {len(openings)}.")
    remark = ""
    if len(openings) > sample:
        chosen = np.random.default_rng(seed).choice(len(openings), sample, replace=False)
        openings = [openings[place] for place in sorted(chosen.tolist())]
    elif len(openings) < sample:
        remark = f"Of {len(openings)} openings, not {sample}: lower than it would be in as many."
    alike = _near_duplicates(openings)
    others = alike.sum(axis=1)
    n, having = len(openings), int(np.count_nonzero(others))
    # Without one dialogue, those that had it for their only near-duplicate have none.
    lost = (others > 0) + alike[others == 1].sum(axis=0)
    error = _jackknife_error((having - lost) / (n - 1), np.ones(n))
    value = having / n
    low, high = _wilson(value, n)
    interval = Interval(
        max(0.0, min(low, value - _Z * error)),
        min(1.0, max(high, value + _Z * error)),
        "wider of jackknife over dialogues and Wilson",
    )
    return Figure(corpus=corpus, metric=metric, value=value, n=n, interval=interval, remark=remark)


def _missing(corpus: str, metric: str, n: int, remark: str) -> Figure:
    return Figure(corpus=corpus, metric=metric, value=None, n=n, remark=remark)


def _openings(dialogues: Sequence[Dialogue], role: Role) -> list[tuple[str, str]]:
    """Of each dialogue, the role's first clause that is a phrase, and the utterance that holds it."""
    found = (
        next(
            (
                (clause, text)
                for speaker, text in said.utterances
                if speaker is role
                for clause in clauses(text)
                if is_phrase(clause)
            ),
            None,
        )
        for said in dialogues
    )
    return [opening for opening in found if opening is not None]


def _first_clauses(dialogues: Sequence[Dialogue], role: Role) -> list[str]:
    return [clause for clause, _ in _openings(dialogues, role)]


def _last_clauses(dialogues: Sequence[Dialogue]) -> list[str]:
    last = (next((text for _, text in reversed(said.utterances) if text.strip()), "") for said in dialogues)
    return [found[-1] for text in last if (found := clauses(text))]


def _jackknife_error(left_out: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """Standard error from the values with one unit left out, each for `weights` units (Efron and Stein 1981)."""
    n = weights.sum()
    mean = np.sum(weights * left_out) / n
    return math.sqrt(float((n - 1) / n * np.sum(weights * (left_out - mean) ** 2)))


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's (1927) interval of a share, which does not vanish at 0 and 1."""
    z2 = _Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return middle - half, middle + half


def _near_duplicates(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts have similar sets of character trigrams, shape (texts, texts); none is like itself."""
    held = [{text[start : start + 3] for start in range(max(1, len(text) - 2))} for text in texts]
    alike = np.zeros((len(texts), len(texts)), dtype=np.bool_)
    for (one, these), (other, those) in combinations(enumerate(held), 2):
        # Sets of too different size cannot be similar enough, which spares most of the work.
        if min(len(these), len(those)) >= _LEAST_ALIKE * max(len(these), len(those)):
            common = len(these & those)
            alike[one, other] = alike[other, one] = common >= _LEAST_ALIKE * (len(these) + len(those) - common)
    return alike
