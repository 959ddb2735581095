"""A stored reply's verdict: the rules applied to a row. Pure, so it can be had again at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import orjson

from expander.endpoint import ReplyContent
from expander.post import Post
from expander.rows import Row
from expander.structured.json_reply import labelled_text
from filters.dialogue import Dialogue, Rejection, Role, Verdict
from filters.risk import find_risk, find_risk_in, kinds, points_to_help
from filters.rules import Context, RuleSet, judge
from prompts import Template


class Answer(NamedTuple):
    """What a reply comes to: a reading to keep, or why there is none."""

    rejection: Rejection | None
    reading: bytes | None
    """What was read, as JSON; there where nothing was rejected."""


class Reader(Protocol):
    """Whoever reads replies: the rules of a run, or a task that asks for labels."""

    def answer(self, row: Row, reply: ReplyContent, generation: int) -> Answer:
        """A pure function of its arguments, so that it can be had again from the stored reply. Never raises."""
        ...


OPENAI_ROLES: Mapping[Role, str] = {Role.CLIENT: "user", Role.COUNSELOR: "assistant"}


def reading_of(verdict: Verdict, reply: ReplyContent, generation: int) -> bytes | None:
    """What a kept reply says, as JSON for the corpus; None for a reply that is not kept."""
    if verdict.rejection is not None or verdict.dialogue is None:
        return None
    return orjson.dumps(
        {
            "messages": messages(verdict.dialogue),
            "model_reported": reply.model,
            "finish_reason": reply.finish_reason,
            "generation": generation,
            "risk": _risk(verdict.dialogue),
            "repairs": {repair.name: repair.times for repair in verdict.repairs},
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }
    )


def _risk(dialogue: Dialogue) -> dict[str, object]:
    """What is flagged: the kinds of risk content, and whether the counselor then never points to help."""
    findings = find_risk(dialogue)
    if not findings:
        return {}
    return {"kinds": [str(kind) for kind in kinds(findings)], "lacks_help": not points_to_help(dialogue)}


def messages(dialogue: Dialogue) -> list[dict[str, str]]:
    """The dialogue as OpenAI messages: the client is the user, the counselor the assistant."""
    return [{"role": OPENAI_ROLES[role], "content": text} for role, text in dialogue.utterances]


class Judge:
    """The rules of one run: its template's format and its rule set."""

    def __init__(self, template: Template, rules: RuleSet) -> None:
        self._template = template
        self._rules = rules
        find_risk_in("")  # compiles the word lists now, rather than while the first replies wait

    def verdict(self, post: Post, reply: ReplyContent) -> Verdict:
        said_in_post = f"{post.title}\n{post.description}\n{post.answer}"
        context = Context(answer=post.answer or None, template_text=self._template.prompt, post=said_in_post)
        fmt = self._template.format
        said = labelled_text(reply.text, fmt)
        return judge(said, fmt, finish_reason=reply.finish_reason, context=context, rules=self._rules)

    def answer(self, row: Row, reply: ReplyContent, generation: int) -> Answer:
        verdict = self.verdict(row.post, reply)
        return Answer(verdict.rejection, reading_of(verdict, reply, generation))
