"""What arms keep and what that takes: metrics, figures, comparisons with the baseline, and why replies were refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.ablation.inputs import ArmInput, paired_rows
from analysis.ablation.model import Refusals
from analysis.ablation.per_kept import Spent, comparison, figure
from analysis.figures import Comparison, Figure, Group, Metric
from analysis.ratios import Ratio
from analysis.report.parts.means import FEWEST_SHARED_POSTS, Resampling
from analysis.report.sections import Section
from analysis.resampling import bootstrap, compare

_OWN = "this project's own"
_ANEW = "Where replies are asked for anew, every post has a dialogue in the end: then look at the share of replies."
KEPT_POSTS = Metric(
    key="kept_posts",
    name="Posts that gave a dialogue",
    group=Group.COST,
    unit="share of posts",
    definition="Rows (posts, times the samples of each) with a kept dialogue, of those that got a reply.",
    source=_OWN,
    caveat=_ANEW,
)
KEPT_REPLIES = Metric(
    key="kept_replies",
    name="Replies that were kept",
    group=Group.COST,
    unit="share of replies",
    definition="Replies that passed the rules, of all replies; those asked for anew among them.",
    source=f"{_OWN}; the rules are SMILE's Appendix B and more",
)
_RATIOS = (
    Ratio(metric=KEPT_POSTS, numerator="kept", denominator="answered"),
    Ratio(metric=KEPT_REPLIES, numerator="kept", denominator="replies"),
)
TOKENS = Metric(
    key="tokens_per_kept",
    name="Tokens a kept dialogue",
    group=Group.COST,
    unit="tokens a kept dialogue",
    definition="Tokens of all prompts and replies, as the endpoint counted them, divided by the dialogues kept.",
    source=_OWN,
    caveat="Tokens of different models are not the same thing.",
)
REPLIES = Metric(
    key="replies_per_kept",
    name="Replies a kept dialogue",
    group=Group.COST,
    unit="replies a kept dialogue",
    definition="All replies, divided by the dialogues kept; requests without a reply are not counted.",
    source=_OWN,
)


def money_metric(currency: str) -> Metric:
    """Its unit is the currency that prices are in."""
    return Metric(
        key="money_per_1000_kept",
        name=f"{currency} for 1,000 kept dialogues",
        group=Group.COST,
        unit=f"{currency} for 1,000 kept dialogues",
        definition="What all prompts and replies cost at the prices given, divided by the dialogues kept, times 1,000.",
        source=_OWN,
    )


def outcomes(
    frames: Mapping[str, pd.DataFrame], baseline: str, currency: str, resampling: Resampling, *, priced: bool
) -> Section:
    """By the frames of `account_frame`, an arm each. Comparisons are post by post; without shared posts there are none."""
    costs = [(REPLIES, "replies"), (TOKENS, "tokens"), *([(money_metric(currency), "money_1000")] if priced else [])]
    figures: list[Figure] = []
    comparisons: list[Comparison] = []
    for name, frame in frames.items():
        clusters = frame.index.get_level_values("post").to_numpy() if _repeats(frame) else None
        figures += bootstrap(
            frame, _RATIOS, corpus=name, resamples=resampling.resamples, seed=resampling.seed, clusters=clusters
        )
        figures += [
            figure(_spent(frame, column), metric, corpus=name, resamples=resampling.resamples, seed=resampling.seed)
            for metric, column in costs
        ]
    base = frames[baseline]
    for name, frame in frames.items():
        pairs = paired_rows(frame, base)
        if name == baseline or len(pairs[0]) < FEWEST_SHARED_POSTS:
            continue
        comparisons += compare(
            frame,
            base,
            _RATIOS,
            corpus=name,
            reference=baseline,
            permutations=resampling.permutations,
            resamples=resampling.resamples,
            seed=resampling.seed,
            pairs=pairs,
        )
        comparisons += [
            comparison(
                _spent(frame.iloc[pairs[0]], column),
                _spent(base.iloc[pairs[1]], column),
                metric,
                corpus=name,
                reference=baseline,
                resamples=resampling.resamples,
                permutations=resampling.permutations,
                seed=resampling.seed,
            )
            for metric, column in costs
        ]
    metrics = [*(ratio.metric for ratio in _RATIOS), *(metric for metric, _ in costs)]
    return Section(metrics=metrics, figures=figures, comparisons=comparisons)


def refusals(arms: Sequence[ArmInput], resampling: Resampling) -> tuple[Refusals, ...]:
    """Every rule that rejected a reply of any arm, the most frequent first, for every arm."""
    seen = Counter(rule for arm in arms for row in arm.rows for rule in row.refused)
    rules = sorted(seen, key=lambda rule: (-seen[rule], rule))
    found = []
    for arm in arms:
        frame = pd.DataFrame({rule: [row.refused.count(rule) for row in arm.rows] for rule in rules})
        frame["replies"] = [row.replies for row in arm.rows]
        ratios = [
            Ratio(
                metric=Metric(
                    key=rule, name=rule, group=Group.COST, unit="share of replies", definition="", source=_OWN
                ),
                numerator=rule,
                denominator="replies",
            )
            for rule in rules
        ]
        figures = bootstrap(frame, ratios, corpus=arm.name, resamples=resampling.resamples, seed=resampling.seed)
        found += [
            Refusals(
                arm=arm.name,
                rule=each.metric,
                replies=int(frame[each.metric].sum()),
                share=each.value,
                interval=each.interval,
            )
            for each in figures
        ]
    return tuple(found)


def _repeats(frame: pd.DataFrame) -> bool:
    return bool(frame.index.get_level_values("post").duplicated().any())


def _spent(frame: pd.DataFrame, column: str) -> Spent:
    return Spent(frame[column].to_numpy(dtype=float), frame["kept"].to_numpy(dtype=float))
