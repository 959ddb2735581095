"""What an ablation would send, from its posts alone."""

from __future__ import annotations

from typing import NamedTuple

from expander.ablation.arms import Arm
from expander.errors import UsageError
from expander.post import Unreadable
from expander.tokens import TYPICAL_REPLY, estimate_tokens


class Estimate(NamedTuple):
    """An arm before it runs, without regenerations. Tokens are estimates (`tokens.estimate_tokens`)."""

    posts: int
    rows: int
    unreadable: int
    prompt_tokens: int
    completion_tokens: int


def estimate(arm: Arm) -> Estimate:
    """Reads the input and renders every prompt. Raises UsageError where no post can be used."""
    maker = arm.job.maker()
    posts = rows = unreadable = prompt_tokens = 0
    for position, post in enumerate(arm.job.selected()):
        before = rows
        for row in (post,) if isinstance(post, Unreadable) else maker.rows(position, post):
            if isinstance(row, Unreadable):
                unreadable += 1
                continue
            rows += 1
            prompt_tokens += estimate_tokens(row.prompt)
        posts += rows > before
    if not rows:
        raise UsageError("No post to expand: every row of the input was unreadable.")
    each = min(TYPICAL_REPLY, arm.job.sampling.max_tokens or TYPICAL_REPLY)
    return Estimate(posts, rows, unreadable, prompt_tokens, rows * each)
