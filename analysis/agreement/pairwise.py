"""Two arms side by side: who wins, how often it is a tie, and how much of it is the place on the page.

The unit is the pair of dialogues (those of one post), with all judgings of it: usually two, one in each order. A judging
gives 1 to the winner, 1/2 to both for a tie; a pair gives the mean of its judgings, so a verdict that turns with the order
is half a win for each. Both orders are asked because judges favour a place: Zheng et al. (2023), "Judging LLM-as-a-judge
with MT-Bench and Chatbot Arena", §3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.figures import Comparison, Figure, Group, Interval, Metric
from analysis.permutation import HOW, p_value
from analysis.ratios import Ratio
from analysis.resampling import bootstrap

PERMUTATIONS = 20_000
"""They cost little here, and put a p value of 0.01 within a tenth of itself."""
NET = "win rate minus loss rate"
TURNED = "difference between orders"

_Floats = npt.NDArray[np.float64]


class Winner(StrEnum):
    """What a judge said of the dialogue in the first place and that in the second."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudging:
    """One answer of a judge on one criterion."""

    pair: str
    """What the two dialogues have in common: the post's id."""
    first: str
    """The arm in the first place."""
    second: str
    criterion: str
    winner: Winner | None
    """None where the answer could not be read: such a judging counts nowhere but in the share that could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two arms on one criterion. A figure has no value where no pair has what it needs, and its remark says why."""

    arm: str
    reference: str
    criterion: str
    pairs: int
    """Pairs with a judging that could be read."""
    both_orders: int
    """Those judged in both orders: position and consistency rest on them."""
    unread: int
    """Judgings that could not be read."""
    wins: Figure
    """Win rate of `arm`, ties as half."""
    ties: Figure
    first_place: Figure
    """Share won by the first place, ties as half; 0.5 without favour."""
    consistency: Figure
    """Share of pairs with the same verdict in both orders."""
    comparison: Comparison
    """Win rate minus loss rate, -1 to 1, by a test that lets arms of a pair change names; not corrected yet."""
    position: Comparison
    """`arm`'s points when first minus when second, -1 to 1, by a test that lets orders of a pair change names."""


def duel_metrics(criterion: str, group: Group) -> tuple[Metric, Metric, Metric, Metric]:
    """Win rate, ties, first place, consistency: the metrics of a `Duel`'s figures; their keys start with `criterion`."""
    own = "this project's own"
    both = "Of pairs that were judged in both orders."
    return (
        Metric(
            key=f"{criterion}_win_rate",
            name=f"Win rate, {criterion}",
            group=group,
            unit="share of pairs",
            definition="Pairs of dialogues that the arm wins, ties and verdicts that turn with the order as half.",
            source="Psy-Insight, Table 7, counts wins and losses; ties as half are this project's own",
            caveat="Against the named other arm only. A model's judgement favours length and its own style.",
        ),
        Metric(
            key=f"{criterion}_tie_rate",
            name=f"Ties, {criterion}",
            group=group,
            unit="share of pairs",
            definition="Judgings of a pair that call it a tie, mean over pairs.",
            source=own,
        ),
        Metric(
            key=f"{criterion}_first_place",
            name=f"Won by the first place, {criterion}",
            group=group,
            unit="share of pairs",
            definition=f"Verdicts for the dialogue that is read first, ties as half; 0.5 without favour. {both}",
            source="Zheng et al. (2023), section 3.3",
        ),
        Metric(
            key=f"{criterion}_consistency",
            name=f"Same verdict in both orders, {criterion}",
            group=group,
            unit="share of pairs",
            definition=f"Pairs where both orders name the same arm, or both a tie. {both}",
            source="Zheng et al. (2023), section 3.3",
            caveat="A judge that always says tie is fully consistent: read it beside the ties.",
        ),
    )


def duel(
    judgings: Sequence[PairJudging],
    *,
    arm: str,
    reference: str,
    criterion: str,
    group: Group,
    seed: int,
    permutations: int = PERMUTATIONS,
) -> Duel:
    """Two arms on one criterion; judgings of other arms and criteria are passed over.

    A dialogue should stand in one pair: pairs are taken for independent.
    """
    own = [one for one in judgings if one.criterion == criterion and {one.first, one.second} == {arm, reference}]
    frame = _frame([one for one in own if one.winner is not None], arm)
    unread = sum(one.winner is None for one in own)
    metrics = duel_metrics(criterion, group)
    ratios = [
        Ratio(metric=metric, numerator=top, denominator=bottom)
        for metric, top, bottom in zip(
            metrics, ("points", "ties", "first", "same"), ("pairs", "pairs", "both", "both"), strict=True
        )
    ]
    wins, ties, first, same = (_of_pairs(figure) for figure in bootstrap(frame, ratios, corpus=arm, seed=seed))
    rng = np.random.default_rng(seed)
    both = frame[frame["both"] > 0]
    net = (2 * frame["points"] - frame["pairs"]).to_numpy(dtype=np.float64)
    turned = (2 * both["first"] - both["both"]).to_numpy(dtype=np.float64)
    return Duel(
        arm=arm,
        reference=reference,
        criterion=criterion,
        pairs=len(frame),
        both_orders=len(both),
        unread=unread,
        wins=wins,
        ties=ties,
        first_place=first,
        consistency=same,
        comparison=_signed(net, wins, effect_name=NET, reference=reference, permutations=permutations, rng=rng),
        position=_signed(turned, first, effect_name=TURNED, reference=reference, permutations=permutations, rng=rng),
    )


def _frame(judgings: Sequence[PairJudging], arm: str) -> pd.DataFrame:
    """A row a pair. `points`, `ties` are shares of its judgings; `first`, `same` of pairs judged in both orders."""
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for one in judgings:
        place = one.first == arm
        points = 0.5 if one.winner is Winner.TIE else float((one.winner is Winner.FIRST) == place)
        pairs.setdefault(one.pair, ([], []))[0 if place else 1].append(points)
    rows = []
    for leading, trailing in pairs.values():
        # Each order weighs the same, however often it was asked.
        orders = [float(np.mean(points)) for points in (leading, trailing) if points]
        tied = [float(np.mean([point == 0.5 for point in points])) for points in (leading, trailing) if points]  # noqa: PLR2004
        both = len(orders) == 2  # noqa: PLR2004
        first = (orders[0] + 1 - orders[1]) / 2 if both else 0.0
        same = float(both and orders[0] == orders[1])
        rows.append((1.0, float(np.mean(orders)), float(np.mean(tied)), float(both), first, same))
    return pd.DataFrame(rows, columns=["pairs", "points", "ties", "both", "first", "same"], dtype=np.float64)


def _of_pairs(figure: Figure) -> Figure:
    """A bootstrap's figure, in words for pairs."""
    remark = figure.remark.replace("dialogues", "pairs").replace("dialogue", "pair")
    if figure.value is None:
        remark = "No pair was judged as this needs."
    interval = figure.interval and figure.interval._replace(method=figure.interval.method.replace("dialogues", "pairs"))
    return replace(figure, interval=interval, remark=remark)


def _signed(
    values: _Floats,
    share: Figure,
    *,
    effect_name: str,
    reference: str,
    permutations: int,
    rng: np.random.Generator,
) -> Comparison:
    """A mean in -1 to 1 that is 0 where nothing differs, from the share it doubles, by a test that turns signs."""
    value = None if share.value is None else 2 * share.value - 1
    interval = share.interval and Interval(
        2 * share.interval.low - 1, 2 * share.interval.high - 1, share.interval.method
    )
    telling = values[values != 0]
    p, remark = None, share.remark
    if len(values) > 1:
        # Pairs without a winner say 0 under every sign, so those with one alone make the test: the sign test's rule.
        p = p_value(float(telling.sum()), _turned_sums(telling, permutations, rng), fewest=len(telling))
        if not len(telling):
            p, remark = 1.0, "No pair has a winner."
    return Comparison(
        metric=share.metric,
        corpus=share.corpus,
        reference=reference,
        difference=value,
        interval=interval,
        effect=value,
        effect_name=effect_name,
        p=p,
        p_corrected=None,
        test=f"permutation test, signs of pairs turned, {permutations} permutations; {HOW}" if p is not None else "",
        n=len(values),
        n_reference=len(values),
        remark=remark,
    )


def _turned_sums(values: _Floats, times: int, rng: np.random.Generator) -> _Floats:
    """Sums of the values under random signs. Pairs of one size are exchangeable, so how many of them keep theirs is drawn."""
    sums = np.zeros(times)
    for size, pairs in zip(*np.unique(np.abs(values), return_counts=True), strict=True):
        sums += size * (2 * rng.binomial(pairs, 0.5, times) - pairs)
    return sums
