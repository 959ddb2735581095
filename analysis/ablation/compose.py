"""A report of arms made a report of an ablation: kept rates and costs join its figures, and one correction covers all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.ablation.diffs import prompt_diff
from analysis.ablation.inputs import ArmInput, account_frame
from analysis.ablation.model import Ablation, Arm, PromptDiff, Refusals, Settling
from analysis.ablation.outcomes import outcomes, refusals
from analysis.ablation.pareto import paretos
from analysis.corrections import corrected
from analysis.figures import Comparison
from analysis.power import detectable, needed
from analysis.report.answers import answers
from analysis.report.model import Answer, Report
from analysis.report.parts.means import Resampling

HEADLINE = (
    "kept_posts",
    "kept_replies",
    "replies_per_kept",
    "tokens_per_kept",
    "money_per_1000_kept",
    "distinct_2_jieba_matched",
    "distinct_2_words_matched",
    "pairwise_cosine_mean",
    "self_repetition",
    "cosine_own_post",
    "topic_entropy_normalised_limited",
    "turns_per_dialogue",
    "characters_per_dialogue",
    "counselor_characters_per_utterance",
    "counselor_ask",
    "counselor_advise",
    "counselor_reflect",
    "last_client_thanks",
)
"""What the first table has: kept and spent; SMILE's diversity, likeness and transformation; length; what experts named as
the gap (Psy-Insight §2.2)."""
_SHARED = (
    "Arms are held against the baseline post by post, over posts that gave both a dialogue. Where many were rejected, that is a "
    "choice of posts: look at the kept rates first."
)


def with_ablation(report: Report, arms: Sequence[ArmInput], *, baseline: str, currency: str, seed: int) -> Report:
    """The report with its arms' outcomes and everything that rests on them.

    Each arm's name is a corpus of the report. The p values of all comparisons, old and new, are corrected together. Raises
    ValueError where the baseline is no arm.
    """
    if baseline not in {arm.name for arm in arms}:
        raise ValueError(f"The baseline {baseline!r} is no arm.")
    resampling = Resampling(seed=seed)
    frames = {arm.name: account_frame(arm) for arm in arms}
    priced = all(arm.price_in is not None for arm in arms)
    section = outcomes(frames, baseline, currency, resampling, priced=priced)
    comparisons = corrected([*report.comparisons, *section.comparisons])
    metrics = (*section.metrics, *report.metrics)
    figures = (*section.figures, *report.figures)
    human = [corpus.name for corpus in report.corpora if corpus.human]
    names = [arm.name for arm in arms]
    tested = sum(each.p is not None for each in comparisons)
    posts = max((frame.index.get_level_values("post").nunique() for frame in frames.values()), default=0)
    valued = {each.metric for each in figures if each.value is not None and each.corpus in names}
    headline = tuple(key for key in HEADLINE if key in valued)
    compared, refused = tuple(_arm(arm, frames[arm.name]) for arm in arms), refusals(arms, resampling)
    return replace(
        report,
        answers=(_what_is_kept(compared, refused), *answers(report.corpora, metrics, figures, comparisons)),
        metrics=metrics,
        figures=figures,
        comparisons=comparisons,
        settings={**report.settings, "baseline": baseline, "correction": f"Holm over {tested} comparisons"},
        ablation=Ablation(
            baseline=baseline,
            posts=posts,
            currency=currency,
            arms=compared,
            headline=headline,
            diffs=_diffs(arms, baseline),
            refusals=refused,
            paretos=paretos(names, metrics, figures, comparisons, human),
            detectable=detectable(posts, comparisons=max(tested, 1)).sentence if posts else "",
            settling=_settling(comparisons, headline, names, baseline, max(tested, 1)),
            remarks=(_SHARED,) if len(arms) > 1 else (),
        ),
    )


def _what_is_kept(arms: Sequence[Arm], refused: Sequence[Refusals]) -> Answer:
    """Each arm's dialogues of the rows that got a reply; of an arm that has none, which rule refused most of its replies."""
    shares = [f"{arm.name} {arm.kept:,} of {arm.rows - arm.failed:,}" for arm in arms]
    sentences = [f"Dialogues kept, of the rows that got a reply: {', '.join(shares)}."]
    for arm in arms:
        if arm.kept:
            continue
        rules = [each for each in refused if each.arm == arm.name and each.replies]
        most = max(rules, key=lambda each: each.replies, default=None)
        why = f" The rule {most.rule} refused {most.replies:,} of its {arm.replies:,} replies." if most else ""
        sentences.append(f"{arm.name} kept nothing, so it has no figures of dialogues.{why}")
    return Answer(question="What is kept?", sentences=tuple(sentences))


def _arm(arm: ArmInput, frame: pd.DataFrame) -> Arm:
    def whole(column: str) -> float | None:
        total = float(np.sum(frame[column].to_numpy()))
        return total if np.isfinite(total) else None

    prompt, completion = whole("prompt_tokens"), whole("completion_tokens")
    return Arm(
        name=arm.name,
        settings=arm.settings,
        rows=len(frame),
        kept=int(frame["kept"].sum()),
        failed=len(frame) - int(frame["answered"].sum()),
        replies=int(frame["replies"].sum()),
        prompt_tokens=None if prompt is None else int(prompt),
        completion_tokens=None if completion is None else int(completion),
        money=whole("money") if arm.price_in is not None else None,
    )


def _diffs(arms: Sequence[ArmInput], baseline: str) -> tuple[PromptDiff, ...]:
    base = next(arm for arm in arms if arm.name == baseline)
    return tuple(
        PromptDiff(arm=arm.name, baseline=baseline, lines=prompt_diff(base.prompt, arm.prompt))
        for arm in arms
        if arm is not base
    )


def _settling(
    comparisons: Sequence[Comparison], headline: Sequence[str], arms: Sequence[str], baseline: str, tested: int
) -> tuple[Settling, ...]:
    """For every arm and headline metric, in that order."""
    found = []
    for each in sorted(
        (
            each
            for each in comparisons
            if each.reference == baseline and each.corpus in arms and each.metric in headline
        ),
        key=lambda each: (arms.index(each.corpus), headline.index(each.metric)),
    ):
        if each.p is None:
            continue
        settled = needed(each, paired="partners swapped" in each.test, comparisons=tested)
        found.append(
            Settling(
                arm=each.corpus,
                metric=each.metric,
                settled=settled.settled,
                total=settled.total,
                sentence=settled.sentence,
            )
        )
    return tuple(found)
