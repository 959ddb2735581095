"""Agreement label by label: whether annotators agree on where each one stands, whatever else they say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.agreement.krippendorff import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAgreement:
    """One label, taken as a yes or no to each unit that has two answers or more."""

    label: str
    given: tuple[int, ...]
    """Units that each annotator gave it, in their order."""
    alpha: float | None
    """None where it stands in every answer, or nothing else varies."""


def by_label(units: Sequence[Sequence[Answer]]) -> tuple[LabelAgreement, ...]:
    """Each label of the units (shaped as for `krippendorff.agreement`), the most frequent first.

    For a yes or no alpha has a closed form (Krippendorff 2004, §11.3.1): with k of m answers saying yes to a unit, the
    unit's disagreeing pairs are 2k(m - k) / (m - 1); with K of N in all, those that chance gives are 2K(N - K) / (N - 1).
    """
    kept = [unit for unit in units if sum(answer is not None for answer in unit) > 1]
    annotators = max(map(len, kept), default=0)
    answers = sum(answer is not None for unit in kept for answer in unit)
    given: list[Counter[str]] = [Counter() for _ in range(annotators)]
    apart: defaultdict[str, float] = defaultdict(float)
    for unit in kept:
        said = [frozenset(answer) for answer in unit if answer is not None]
        yes = Counter(label for answer in said for label in answer)
        for label, times in yes.items():
            apart[label] += 2 * times * (len(said) - times) / (len(said) - 1)
        for counter, answer in zip(given, unit, strict=True):
            counter.update(frozenset(answer or ()))
    total: Counter[str] = sum(given, Counter())
    return tuple(
        LabelAgreement(
            label=label,
            given=tuple(counter[label] for counter in given),
            alpha=_alpha(apart[label], times, answers),
        )
        for label, times in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    )


def _alpha(apart: float, times: int, answers: int) -> float | None:
    by_chance = 2 * times * (answers - times) / (answers - 1) if answers > 1 else 0.0
    return 1 - apart / by_chance if by_chance else None
