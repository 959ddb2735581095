"""How far apart two corpora's topics are: the Jensen-Shannon distance of their shares, and whether chance does as much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.figures import Comparison, Group, Metric

PERMUTATIONS = 1_999
"""The smallest p is then 1 / 2,000, which bears correction over some dozens of comparisons."""
_AT_A_TIME = 4_000_000
"""Numbers that the permutations hold at a time: 32 MB."""
_SAME = 1e-12
"""Distances this close are equal: rounding."""

DISTANCE = Metric(
    key="topic_distance",
    name="Distance of the topics",
    group=Group.TOPICS,
    unit="Jensen-Shannon distance, 0 to 1",
    definition="Square root of the Jensen-Shannon divergence (base 2) of the two corpora's shares of labels: 0 where the shares "
    "are equal, 1 where no topic is common.",
    source="Lin, Divergence measures based on the Shannon entropy (1991); Endres and Schindelin, A new metric for probability "
    "distributions (2003)",
    caveat="Small corpora lie apart by chance alone; the remark says how far. Two annotators differ too: compare labels of one.",
)

_Floats = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]


def topic_distance(
    dialogues: Sequence[Sequence[str]],
    reference: Sequence[Sequence[str]],
    *,
    corpus: str,
    reference_name: str,
    codebook: Collection[str] | None = None,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Comparison:
    """Hold the labels of two corpora against each other; `effect` is the distance, and there is no difference of values.

    Labels are those of the codebook, or without one those that both corpora use; dialogues without any are left out. The
    permutation test deals whole dialogues out again, so that labels of one dialogue stay together.
    """
    common = frozenset(codebook) if codebook is not None else _used(dialogues) & _used(reference)
    mine, theirs = _restricted(dialogues, common), _restricted(reference, common)
    used = len(frozenset().union(*mine, *theirs))
    apart = _left_out(dialogues, mine, reference, theirs)
    if not mine or not theirs or used <= 1:
        why = (
            "At most one topic is common to both."
            if mine and theirs
            else "One of the two has no label of the common topics."
        )
        return _comparison(corpus, reference_name, len(mine), len(theirs), remark=f"{why} {apart}".strip())
    patterns = _Patterns.of(mine, theirs)
    observed = float(_distance(patterns.carried(patterns.mine[None]), patterns.carried(patterns.theirs[None]))[0])
    by_chance = _by_chance(patterns, permutations, np.random.default_rng(seed))
    p = (1 + int(np.count_nonzero(by_chance >= observed - _SAME))) / (1 + permutations)
    expected = (
        f"Dialogues of both dealt out at random lie {by_chance.mean():.3f} apart on average." if permutations else ""
    )
    return _comparison(
        corpus,
        reference_name,
        len(mine),
        len(theirs),
        effect=observed,
        p=p if permutations else None,
        remark=" ".join(filter(None, (expected, apart))),
    )


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Dialogues of both corpora by the set of labels they carry, shape (patterns,): those of one pattern are exchangeable."""

    mine: _Places
    theirs: _Places
    owners: _Places
    """The pattern of each of its topics; ordered by topic."""
    starts: _Places
    """Where each topic's stretch of `owners` starts, shape (topics,)."""

    @classmethod
    def of(cls, mine: Sequence[frozenset[str]], theirs: Sequence[frozenset[str]]) -> _Patterns:
        first, second = Counter(mine), Counter(theirs)
        patterns = list(first | second)
        carried = sorted((label, owner) for owner, labels in enumerate(patterns) for label in labels)
        names = [label for label, _ in carried]
        starts = [place for place, name in enumerate(names) if not place or name != names[place - 1]]
        return cls(
            np.array([first[pattern] for pattern in patterns], np.int64),
            np.array([second[pattern] for pattern in patterns], np.int64),
            np.array([owner for _, owner in carried], np.int64),
            np.array(starts, np.int64),
        )

    def carried(self, times: _Places) -> _Places:
        """Dialogues that carry each topic; shape (draws, patterns) to (draws, topics)."""
        return np.add.reduceat(times[:, self.owners], self.starts, axis=1)


def _by_chance(patterns: _Patterns, permutations: int, random: np.random.Generator) -> _Floats:
    """Distances when the dialogues of both are dealt out again: a draw of patterns without replacement."""
    all_of_them = patterns.mine + patterns.theirs
    size = int(patterns.mine.sum())
    step = max(1, _AT_A_TIME // max(len(patterns.owners), len(all_of_them)))
    found = [np.empty(0)]
    for start in range(0, permutations, step):
        dealt = random.multivariate_hypergeometric(
            all_of_them, size, size=min(step, permutations - start), method="marginals"
        )
        found.append(_distance(patterns.carried(dealt), patterns.carried(all_of_them - dealt)))
    return np.concatenate(found)


def _distance(counts: _Places, others: _Places) -> _Floats:
    """The distance of each row of counts from the same row of the others."""
    p = counts / counts.sum(axis=1, keepdims=True)
    q = others / others.sum(axis=1, keepdims=True)
    between = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return np.sqrt(np.clip(between, 0.0, 1.0))


def _entropy(shares: _Floats) -> _Floats:
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=1), dtype=np.float64)


def _used(dialogues: Sequence[Sequence[str]]) -> frozenset[str]:
    return frozenset(label for labels in dialogues for label in labels)


def _restricted(dialogues: Sequence[Sequence[str]], common: frozenset[str]) -> list[frozenset[str]]:
    return [kept for labels in dialogues if (kept := common.intersection(labels))]


def _left_out(
    dialogues: Sequence[Sequence[str]],
    mine: Sequence[frozenset[str]],
    reference: Sequence[Sequence[str]],
    theirs: Sequence[frozenset[str]],
) -> str:
    shares = []
    for labels, kept in ((dialogues, mine), (reference, theirs)):
        total = sum(len(set(one)) for one in labels)
        shares.append(1 - sum(map(len, kept)) / total if total else 0.0)
    if not any(shares):
        return ""
    return f"Left out for not being common: {shares[0]:.0%} of the corpus's labels, {shares[1]:.0%} of the reference's."


def _comparison(
    corpus: str,
    reference: str,
    n: int,
    n_reference: int,
    *,
    effect: float | None = None,
    p: float | None = None,
    remark: str,
) -> Comparison:
    return Comparison(
        metric=DISTANCE.key,
        corpus=corpus,
        reference=reference,
        difference=None,
        interval=None,
        effect=effect,
        effect_name="Jensen-Shannon distance",
        p=p,
        p_corrected=None,
        test="permutation of dialogues" if p is not None else "",
        n=n,
        n_reference=n_reference,
        remark=remark,
    )
