"""What each post cost in an arm, and why its replies were refused: from the arm's store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from expander.endpoint import read_reply
from expander.store import Outcome, post_of, read_only
from expander.stored_run import stored_judge


class Account(NamedTuple):
    """One row of an arm's run: a post and a sample."""

    post: str
    sample: int
    outcome: Outcome
    replies: int
    prompt_tokens: int | None
    """Of all its replies; None where the endpoint did not count those of one."""
    completion_tokens: int | None
    refused: tuple[str, ...]
    """The rule that rejected each reply that was rejected, oldest first."""


_ROWS = """
SELECT row.id, row.post_id, row.sample, row.post, row.outcome, row.rule, count(reply.id) AS replies,
       sum(reply.prompt_tokens) AS prompt, count(reply.prompt_tokens) AS prompts_counted,
       sum(reply.completion_tokens) AS completion, count(reply.completion_tokens) AS completions_counted
FROM row LEFT JOIN reply ON reply.row_id = row.id
GROUP BY row.id ORDER BY row.position, row.sample
"""
_BODIES = "SELECT row_id, body FROM reply WHERE row_id IN (SELECT row_id FROM reply GROUP BY row_id HAVING count(*) > 1) ORDER BY id"


def accounts(folder: Path) -> Iterator[Account]:
    """In the order of the input. Replies that were asked for anew are judged once more: only a row's last verdict is stored."""
    judge = stored_judge(folder)
    with closing(read_only(folder)) as connection:
        bodies: dict[str, list[bytes]] = {}
        for row_id, body in connection.execute(_BODIES):
            bodies.setdefault(row_id, []).append(body)
        for found in connection.execute(_ROWS):
            outcome = Outcome(found["outcome"])
            if found["id"] in bodies:
                post = post_of(found["post"]).post
                verdicts = [judge.verdict(post, read_reply(body)) for body in bodies[found["id"]]]
                refused = tuple(each.rejection.rule for each in verdicts if each.rejection is not None)
            else:
                refused = (found["rule"],) if outcome is Outcome.REJECTED else ()
            whole = found["replies"] == found["prompts_counted"] == found["completions_counted"]
            yield Account(
                post=found["post_id"],
                sample=found["sample"],
                outcome=outcome,
                replies=found["replies"],
                prompt_tokens=(found["prompt"] or 0) if whole else None,
                completion_tokens=(found["completion"] or 0) if whole else None,
                refused=refused,
            )
