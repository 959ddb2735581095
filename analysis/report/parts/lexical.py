"""Lexical diversity: distinct-n as SMILE's Table 1 has it, at matched size, and its companions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.figures import Comparison, Figure, Group, Metric
from analysis.lexical import richness, self_repetition
from analysis.lexical.difference import difference
from analysis.lexical.distinct import ORDERS, Distinct, distinct_metrics, distinct_of_orders, tokenizer_label
from analysis.lexical.matched import Matched, matched_distinct
from analysis.lexical.tokens import Bounds, Tokens
from analysis.report.parts.means import Resampling, compared, measured
from analysis.report.sections import Pair, Prepared, Section, joined

SAMPLE = 5_000
"""Dialogues of a corpus that MATTR, MTLD and 4-grams look at: their intervals are then a percent or two wide."""
FEWEST_TOKENS = 1_000
"""Tokens of the smallest corpus that others are cut down to: below, distinct-n is near 1 for any text."""
EFFECT = "difference over the deviation between corpora of this size"
_EAD = "ead"


class MatchedSize(NamedTuple):
    """To how many tokens the corpora of one tokenizer are cut, and which of them set the number."""

    tokenizer: str
    tokens: int
    corpus: str


def lexical(
    corpora: Sequence[Prepared], pairs: Sequence[Pair], resampling: Resampling
) -> tuple[Section, list[MatchedSize]]:
    """Every tokenizer's distinct-n, and once, on words, what does not depend on size."""
    tokenizers = list(dict.fromkeys(name for corpus in corpora for name in corpus.tokens))
    sizes = [size for name in tokenizers if (size := matched_size(corpora, name)) is not None]
    by_name = {size.tokenizer: size for size in sizes}
    parts = [_distinct(corpora, pairs, name, by_name.get(name), resampling) for name in tokenizers]
    return joined([*parts, _richness(corpora, pairs, resampling), _repetition(corpora, pairs, resampling)]), sizes


def matched_size(corpora: Sequence[Prepared], tokenizer: str) -> MatchedSize | None:
    """The smallest corpus that has `FEWEST_TOKENS`; None where fewer than two corpora have."""
    totals = [
        (corpus.tokens[tokenizer].total, corpus.name)
        for corpus in corpora
        if tokenizer in corpus.tokens and corpus.tokens[tokenizer].total >= FEWEST_TOKENS
    ]
    if len(totals) < 2:  # noqa: PLR2004 - nothing to match
        return None
    tokens, name = min(totals)
    return MatchedSize(tokenizer, tokens, name)


def _distinct(
    corpora: Sequence[Prepared], pairs: Sequence[Pair], tokenizer: str, size: MatchedSize | None, resampling: Resampling
) -> Section:
    label = tokenizer_label(tokenizer)
    holding = [corpus for corpus in corpora if tokenizer in corpus.tokens]
    figures: list[Figure] = []
    whole: dict[str, list[Distinct]] = {}
    for corpus in holding:
        whole[corpus.name] = distinct_of_orders(corpus.tokens[tokenizer])
        figures += _whole(corpus.name, corpus.tokens[tokenizer], whole[corpus.name], label)
    figures += _expected(whole, label)
    comparisons: list[Comparison] = []
    if size is not None:
        cut = {
            corpus.name: matched_distinct(corpus.tokens[tokenizer], size.tokens, seed=resampling.seed)
            for corpus in holding
            if corpus.tokens[tokenizer].total >= size.tokens
        }
        for corpus in holding:
            figures += _matched(corpus, tokenizer, size, label, cut.get(corpus.name, ()))
        for pair in pairs:
            if pair.corpus.name in cut and pair.reference.name in cut:
                comparisons += _differences(pair, tokenizer, size, label, cut, resampling)
    metrics = [*_count_metrics(tokenizer, label), *distinct_metrics(tokenizer), *_ead_metrics(label)]
    if size is None:
        metrics = [metric for metric in metrics if not metric.key.endswith("_matched")]
    return Section(metrics=metrics, figures=figures, comparisons=comparisons)


def _whole(corpus: str, tokens: Tokens, found: Sequence[Distinct], label: str) -> Iterator[Figure]:
    dialogues = int(np.count_nonzero(tokens.lengths))
    for each in found:
        for key, value in (("unique", float(each.unique)), ("total", float(each.total)), ("distinct", each.value)):
            remark = each.remark if key == "distinct" else ""
            yield Figure(corpus=corpus, metric=f"{key}_{each.n}_{label}", value=value, n=dialogues, remark=remark)


def _count_metrics(tokenizer: str, label: str) -> list[Metric]:
    which = {"unique": "Different", "total": "All"}
    return [
        Metric(
            key=f"{key}_{n}_{label}",
            name=f"{words} {n}-grams ({label})",
            group=Group.LEXICAL,
            unit=f"{n}-grams",
            definition=f"{words} {n}-grams of the corpus; tokens: {tokenizer_label(tokenizer)}.",
            source="SMILE (Qiu et al. 2024), Table 1",
        )
        for n in ORDERS
        for key, words in which.items()
    ]


def _expected(whole: Mapping[str, Sequence[Distinct]], label: str) -> Iterator[Figure]:
    """EAD of single tokens, V = the kinds of the corpus that has most."""
    kinds = max((found[0].unique for found in whole.values()), default=0)
    for name, found in whole.items():
        value = richness.expected_distinct(found[0].unique, found[0].total, max(kinds, 1))
        yield Figure(
            corpus=name,
            metric=f"{_EAD}_{label}",
            value=value,
            n=0 if value is None else 1,
            remark=f"V = {kinds:,}." if value is not None else "No token.",
        )


def _ead_metrics(label: str) -> list[Metric]:
    return [
        Metric(
            key=f"{_EAD}_{label}",
            name=f"Expectation-adjusted distinct ({label})",
            group=Group.LEXICAL,
            unit="unique tokens an expected unique token",
            definition=(
                "Unique tokens over those that as many uniform draws from V kinds would show; V is the number of different "
                "tokens of the corpus here that has most."
            ),
            source="Liu, Sabour, Zheng et al. 2022, equation 4",
            caveat=(
                "It takes words for equally frequent and V for known; neither holds, so it still depends on size. "
                "Prefer matched size."
            ),
        )
    ]


def _matched(
    corpus: Prepared, tokenizer: str, size: MatchedSize, label: str, found: Sequence[Matched]
) -> Iterator[Figure]:
    keys = [f"distinct_{n}_{label}_matched" for n in ORDERS]
    if not found:
        tokens = corpus.tokens[tokenizer]
        remark = f"It has {tokens.total:,} tokens: too few to compare at {size.tokens:,}."
        for key in keys:
            yield Figure(corpus=corpus.name, metric=key, value=None, n=tokens.count_of_dialogues, remark=remark)
    for key, each in zip(keys, found, strict=False):
        yield Figure(
            corpus=corpus.name,
            metric=key,
            value=each.value,
            n=each.dialogues,
            interval=each.interval,
            remark=f"At {size.tokens:,} tokens. {each.remark}".strip(),
        )


def _differences(
    pair: Pair,
    tokenizer: str,
    size: MatchedSize,
    label: str,
    cut: Mapping[str, Sequence[Matched]],
    resampling: Resampling,
) -> Iterator[Comparison]:
    one, other = (side.tokens[tokenizer] for side in (pair.corpus, pair.reference))
    held = cut[pair.corpus.name], cut[pair.reference.name]
    for found in difference(one, other, target=size.tokens, seed=resampling.seed, held=held):
        spreads = [side.deviation for side in (found.first, found.second) if side.deviation]
        spread = float(np.sqrt(np.mean(np.square(spreads)))) if len(spreads) == 2 else 0.0  # noqa: PLR2004 - both sides
        yield Comparison(
            metric=f"distinct_{found.n}_{label}_matched",
            corpus=pair.corpus.name,
            reference=pair.reference.name,
            difference=found.value,
            interval=found.interval,
            effect=found.value / spread if found.value is not None and spread > 0 else None,
            effect_name=EFFECT,
            p=found.p,
            p_corrected=None,
            test=found.test,
            n=found.first.dialogues,
            n_reference=found.second.dialogues,
            remark=f"At {size.tokens:,} tokens. {found.remark}".strip(),
        )


def _richness(corpora: Sequence[Prepared], pairs: Sequence[Pair], resampling: Resampling) -> Section:
    numbers = {corpus.name: sampled(corpus.words, SAMPLE, resampling.seed) for corpus in corpora}
    frames = {corpus.name: richness.richness_of(corpus.words, numbers[corpus.name]) for corpus in corpora}
    means = measured(corpora, frames, richness.RATIOS, resampling)
    return Section(
        metrics=means.metrics,
        figures=means.figures,
        comparisons=compared(pairs, frames, richness.RATIOS, resampling, rows=numbers),
    )


def _repetition(corpora: Sequence[Prepared], pairs: Sequence[Pair], resampling: Resampling) -> Section:
    """On as many dialogues of each corpus: the more dialogues, the more has been said before."""
    numbers = {}
    for corpus in corpora:
        sizes = [
            other.words.count_of_dialogues
            for other in corpora
            if other.tokenizer == corpus.tokenizer and other.words.total >= FEWEST_TOKENS
        ]
        numbers[corpus.name] = sampled(corpus.words, min([*sizes, SAMPLE]), resampling.seed)
    found = {
        corpus.name: self_repetition.self_repetition(corpus.words, numbers[corpus.name], corpus.name)
        for corpus in corpora
    }
    frames = {name: each.dialogues for name, each in found.items()}
    repeating = (self_repetition.REPEATING,)
    means = measured(corpora, frames, repeating, resampling)
    return Section(
        metrics=[self_repetition.HOLDING.metric, *means.metrics],
        figures=[*(_holding(name, frame) for name, frame in frames.items()), *means.figures],
        comparisons=compared(pairs, frames, repeating, resampling, rows=numbers),
        rankings=[each.ranking for each in found.values()],
    )


def _holding(corpus: str, frame: pd.DataFrame) -> Figure:
    """The share that holds a listed 4-gram; without interval, for the list is chosen from these dialogues."""
    ratio = self_repetition.HOLDING
    count = float(frame[ratio.denominator].sum())
    value = float(frame[ratio.numerator].sum()) / count if count else None
    return Figure(
        corpus=corpus, metric=ratio.metric.key, value=value, n=int(count), remark="" if count else "No dialogue."
    )


def sampled(tokens: Tokens, most: int, seed: int) -> Bounds:
    """Numbers of at most so many dialogues, in order; all of them where there are no more."""
    count = tokens.count_of_dialogues
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
