"""What is handed in of each arm beside its dialogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd


class RowAccount(NamedTuple):
    """A post and a sample in one arm: what came of it and what it took."""

    post: str
    sample: int
    kept: bool
    failed: bool
    replies: int
    prompt_tokens: int | None
    completion_tokens: int | None
    refused: tuple[str, ...]
    """The rule of each reply that was rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmInput:
    """An arm as it is handed in; `name` is also the name of the corpus with its dialogues."""

    name: str
    settings: Mapping[str, str]
    prompt: str
    """As the template has it, its system message first."""
    rows: Sequence[RowAccount]
    price_in: float | None = None
    """Of a million prompt tokens."""
    price_out: float | None = None


def account_frame(arm: ArmInput) -> pd.DataFrame:
    """A row a post and sample, indexed by them: `answered`, `kept` (1 or 0), `replies`, `refused`, `tokens`, `money`;
    `money_1000` is the money a thousand times.

    A row without a reply has 0 in each. Tokens that were not counted, and money without prices, are NaN.
    """
    counted = list(arm.rows)
    prompt = np.array([np.nan if row.prompt_tokens is None else row.prompt_tokens for row in counted], dtype=float)
    completion = np.array(
        [np.nan if row.completion_tokens is None else row.completion_tokens for row in counted], dtype=float
    )
    if arm.price_in is None or arm.price_out is None:
        money = np.full(len(counted), np.nan)
    else:
        money = (prompt * arm.price_in + completion * arm.price_out) / 1_000_000
    frame = pd.DataFrame(
        {
            "post": [row.post for row in counted],
            "sample": [row.sample for row in counted],
            "answered": [int(not row.failed) for row in counted],
            "kept": [int(row.kept) for row in counted],
            "replies": [row.replies for row in counted],
            "refused": [len(row.refused) for row in counted],
            "tokens": prompt + completion,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "money": money,
            "money_1000": money * 1000,
        }
    )
    return frame.set_index(["post", "sample"])


def paired_rows(one: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of what both arms were given, in the order of the first."""
    places = other.index.get_indexer(one.index)
    mine = np.flatnonzero(places >= 0)
    return mine, places[mine]
