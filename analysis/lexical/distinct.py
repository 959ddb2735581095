"""distinct-n: unique n-grams over all n-grams of a corpus (Li et al. 2016, "A Diversity-Promoting Objective Function for
Neural Conversation Models", who divide by tokens; Table 1 of SMILE, Qiu et al. 2024, divides by n-grams, and so does this)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.figures import Group, Metric
from analysis.lexical.ngrams import NO_CODE, codes_of, count_kinds
from analysis.lexical.tokens import Tokens
from analysis.processors import processors

ORDERS = (1, 2, 3)
"""The n that are reported, as in Table 1 of SMILE (Qiu et al. 2024)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """distinct-n of a corpus."""

    n: int
    unique: int
    total: int
    value: float | None
    """unique / total; None for a corpus without n-grams."""

    @property
    def remark(self) -> str:
        """Why there is no value; empty where there is one."""
        return "" if self.total else f"No dialogue is as long as {self.n} tokens."


def distinct(tokens: Tokens, n: int) -> Distinct:
    """distinct-n over the corpus as one: n-grams run across the utterances of a dialogue and never across dialogues.

    So there are n - 1 n-grams fewer than tokens for each dialogue that has n - 1 or more. Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; an n-gram has at least one token.")
    if n == 1:
        return _distinct(n, _kinds_of_tokens(tokens), tokens.total)
    codes, whole = codes_of(tokens.ids, tokens.dialogues, n, len(tokens.vocabulary))
    total = int(np.count_nonzero(whole))
    if total == len(codes):
        return _distinct(n, count_kinds(codes), total)
    # One more kind, to be taken off again, spares a copy of what may be hundreds of megabytes.
    codes[~whole] = NO_CODE
    return _distinct(n, count_kinds(codes) - 1, total)


def distinct_of_orders(tokens: Tokens) -> list[Distinct]:
    """`distinct` for each of `ORDERS`, at the same time as far as there are processors: most of it is sorting."""
    with ThreadPoolExecutor(min(processors(), len(ORDERS))) as pool:
        return list(pool.map(partial(distinct, tokens), ORDERS))


def _kinds_of_tokens(tokens: Tokens) -> int:
    found = np.zeros(len(tokens.vocabulary), bool)
    for start in range(0, tokens.total, _IDS_AT_A_TIME):
        found[tokens.ids[start : start + _IDS_AT_A_TIME]] = True
    return int(np.count_nonzero(found))


def distinct_metrics(tokenizer: str) -> tuple[Metric, ...]:
    """The metrics of `ORDERS` for a tokenizer: each for the whole corpus, then each at matched token counts.

    Keys: distinct_<n>_<tokenizer> and distinct_<n>_<tokenizer>_matched; a folder gives its own name.
    """
    label = tokenizer_label(tokenizer)
    whole = tuple(
        Metric(
            key=f"distinct_{n}_{label}",
            name=f"distinct-{n} ({label})",
            group=Group.LEXICAL,
            unit="unique n-grams an n-gram",
            definition=f"Unique {n}-grams divided by all {n}-grams of the corpus. {_GRAMS} Tokens: {label}.",
            source="Li et al. 2016; over n-grams of a whole corpus as in SMILE (Qiu et al. 2024), Table 1",
            caveat=(
                "Falls as a corpus grows, whatever its diversity: compare corpora of different size at matched token counts. "
                "SMILE's Table 1 counts ChatGLM2-6B tokens of 500 dialogues; under another tokenizer or size its values differ."
            ),
        )
        for n in ORDERS
    )
    matched = tuple(
        Metric(
            key=f"distinct_{n}_{label}_matched",
            name=f"distinct-{n} at matched size ({label})",
            group=Group.LEXICAL,
            unit="unique n-grams an n-gram",
            definition=(
                f"distinct-{n} of equally many tokens from each corpus: whole dialogues drawn at random without "
                f"replacement until the smallest corpus's token count is reached, the last one cut there; mean over the draws. "
                f"{_GRAMS} Tokens: {label}."
            ),
            source="Li et al. 2016, at matched token counts; draws and interval are this project's own",
            caveat=(
                "Holds for this token count only. The interval is that of one corpus of this size; it takes dialogues for "
                "independent, so several sessions of one client make it too narrow."
            ),
        )
        for n in ORDERS
    )
    return whole + matched


def tokenizer_label(tokenizer: str) -> str:
    """The tokenizer's name as part of a key: lower case, letters, digits and underscores; of a folder its last part."""
    name = tokenizer.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    return "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in name).strip("_") or "tokenizer"


_IDS_AT_A_TIME = 2**20  # numpy copies them as 64-bit places: 8 MiB
_GRAMS = "N-grams run across the utterances of a dialogue and never across dialogues."


def _distinct(n: int, unique: int, total: int) -> Distinct:
    return Distinct(n=n, unique=unique, total=total, value=unique / total if total else None)
