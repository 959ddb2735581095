"""A ranking of three or more arms from duels between them: the Bradley-Terry model.

P(a beats b) = w_a / (w_a + w_b). Bradley and Terry (1952), "Rank analysis of incomplete block designs", Biometrika 39;
ties are half a win for each. Strengths are log w, centred at 0 over the arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, stdtrit

from analysis.agreement.pairwise import PairJudging, Winner
from analysis.figures import LEVEL, Interval

METHOD = "sandwich variance clustered by post, Student's t"
_STEPS = 100  # Newton's steps; a likelihood that is concave and has a maximum needs about ten
_NEAR = 1e-10  # largest step that counts as arrived

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """One arm's place."""

    arm: str
    strength: float
    """log w; the arms' mean is 0."""
    interval: Interval | None
    wins: float
    """Share of its judgings that it won, ties as half: depends on whom it met, unlike `strength`."""
    judgings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRanking:
    """The arms of one criterion, strongest first; empty where the model has no maximum, and `remark` says why."""

    criterion: str
    strengths: tuple[Strength, ...]
    posts: int
    remark: str = ""


def arm_ranking(judgings: Sequence[PairJudging], *, criterion: str) -> ArmRanking:
    """Rank the arms by all readable judgings on the criterion. All judgings of one post (`pair`) are one cluster.

    An arm that never lost a point to some others, or never met them, has no finite strength against them (Ford 1957):
    then there is no ranking, and the remark names such arms.
    """
    read = [one for one in judgings if one.criterion == criterion and one.winner is not None]
    arms = sorted({arm for one in read for arm in (one.first, one.second)})
    posts = list(dict.fromkeys(one.pair for one in read))
    if len(arms) < 2:  # noqa: PLR2004 - nothing to rank
        return ArmRanking(
            criterion=criterion, strengths=(), posts=len(posts), remark="Fewer than two arms were judged."
        )
    place, post = {arm: at for at, arm in enumerate(arms)}, {name: at for at, name in enumerate(posts)}
    first = np.array([place[one.first] for one in read])
    second = np.array([place[one.second] for one in read])
    points = np.array([{Winner.FIRST: 1.0, Winner.SECOND: 0.0}.get(one.winner or Winner.TIE, 0.5) for one in read])
    cluster = np.array([post[one.pair] for one in read])
    won = np.zeros((len(arms), len(arms)))
    np.add.at(won, (first, second), points)
    np.add.at(won, (second, first), 1 - points)
    parts, component = connected_components(won > 0, connection="strong")
    if parts > 1:
        return ArmRanking(
            criterion=criterion, strengths=(), posts=len(posts), remark=_unranked(arms, component.tolist())
        )
    strengths = _fitted(won)
    errors = _errors(strengths, first, second, points, cluster)
    met = won.sum(axis=1) + won.sum(axis=0)
    reach = float(stdtrit(max(1, len(posts) - 1), (1 + LEVEL) / 2))
    found = [
        Strength(
            arm=arm,
            strength=float(strengths[at]),
            interval=None
            if errors is None
            else Interval(float(strengths[at] - reach * errors[at]), float(strengths[at] + reach * errors[at]), METHOD),
            wins=float(won[at].sum() / met[at]),
            judgings=round(float(met[at])),
        )
        for at, arm in enumerate(arms)
    ]
    return ArmRanking(
        criterion=criterion,
        strengths=tuple(sorted(found, key=lambda one: (-one.strength, one.arm))),
        posts=len(posts),
        remark="" if errors is not None else "One post: no interval.",
    )


def _unranked(arms: Sequence[str], component: Sequence[int]) -> str:
    groups = [[arm for arm, part in zip(arms, component, strict=True) if part == one] for one in sorted(set(component))]
    listed = "; ".join(sorted(", ".join(group) for group in groups))
    return f"Between these groups of arms one always wins, or they never met, so no finite strength fits: {listed}."


def _fitted(won: _Floats) -> _Floats:
    """Strengths of largest likelihood, mean 0, by Newton's method with halved steps; `won` is strongly connected."""
    met = won + won.T

    def likelihood(at: _Floats) -> float:
        return float((won * -np.logaddexp(0, at[None, :] - at[:, None])).sum())

    strengths = np.zeros(len(won))
    for _ in range(_STEPS):
        chance = expit(strengths[:, None] - strengths[None, :])
        slope = (won - met * chance).sum(axis=1)
        step = np.linalg.pinv(_information(met * chance * (1 - chance))) @ slope
        while likelihood(strengths + step) < likelihood(strengths) and np.abs(step).max() > _NEAR:
            step /= 2
        strengths = strengths + step
        if np.abs(step).max() <= _NEAR:
            break
    return np.asarray(strengths - strengths.mean(), dtype=np.float64)


def _information(weights: _Floats) -> _Floats:
    return np.asarray(np.diag(weights.sum(axis=1)) - weights, dtype=np.float64)


def _errors(
    strengths: _Floats,
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    points: _Floats,
    cluster: npt.NDArray[np.int64],
) -> _Floats | None:
    """Standard errors; None for one cluster. White (1982), "Maximum likelihood estimation of misspecified models"."""
    clusters, arms = int(cluster.max()) + 1, len(strengths)
    if clusters < 2:  # noqa: PLR2004 - nothing varies
        return None
    chance = expit(strengths[first] - strengths[second])
    scores = np.zeros((clusters, arms))
    np.add.at(scores, (cluster, first), points - chance)
    np.add.at(scores, (cluster, second), chance - points)
    weights = np.zeros((arms, arms))
    np.add.at(weights, (first, second), chance * (1 - chance))
    np.add.at(weights, (second, first), chance * (1 - chance))
    # The pseudo-inverse is the inverse among strengths of mean 0.
    inverse = np.linalg.pinv(_information(weights))
    middle = scores.T @ scores * (clusters / (clusters - 1))
    return np.asarray(np.sqrt(np.maximum(np.diag(inverse @ middle @ inverse), 0.0)), dtype=np.float64)
