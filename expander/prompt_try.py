"""`prompt try`: one post through a template, shown from the prompt to the verdict. Nothing is stored."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from expander import event_loop
from expander.consoles import printable
from expander.endpoint import Endpoint, Reply, Request
from expander.errors import EndpointError
from expander.exits import Exit
from expander.job import Job
from expander.judging import Judge
from expander.prompt_preview import chosen_row
from expander.retry import RetryPolicy, retrying
from expander.rows import Row
from expander.service import serving
from expander.session import constrained
from expander.tokens import estimate_tokens
from filters.dialogue import Span, Verdict

EXAMPLES = Path(__file__).parent / "examples" / "posts.json"
_ATTEMPTS = 3  # somebody sits and waits: enough for a hiccup
_PATIENCE = 120.0  # seconds over all attempts and the waits between them
_EXCERPT = 80  # code points of the place that a rule objects to


class _Tried(NamedTuple):
    reply: Reply
    attempts: int


def try_prompt(job: Job, post: str | None, *, console: Console, status: Console) -> Exit:
    """Send the post's prompt once and print prompt, reply, reading and verdict; `status` hears of attempts that failed.

    Exit codes: COMPLETE where the reply is kept, ROWS_FAILED where it is rejected, PROVIDER where no reply came.
    Raises UsageError and TemplateError as `expand` does.
    """
    job = _with_posts(job, post)
    template = job.loaded_template()
    job.check()
    row = chosen_row(job.maker(), template, job.posts, post, job.inputs)
    _heading(console, "prompt")
    _say(console, f"post {row.post.id} ({row.post.place}); about {estimate_tokens(row.prompt):,} tokens\n")
    if template.system:
        _say(console, f"system: {template.system}\n")
    _say(console, row.prompt)
    try:
        tried = event_loop.run(_ask(job, row, status))
    except EndpointError as error:
        _say(status, f"No reply: {error}. {error.hint}".rstrip())
        return Exit.PROVIDER
    content = tried.reply.content
    _heading(console, f"reply of {content.model or job.model}")
    _say(console, content.text or "(an empty reply)")
    verdict = Judge(template, job.rule_set()).verdict(row.post, content)
    _heading(console, "reading")
    _say(console, _reading(verdict))
    _heading(console, "verdict")
    _say(console, _verdict(verdict, content.text or ""))
    _say(console, _cost(tried))
    return Exit.COMPLETE if verdict.kept else Exit.ROWS_FAILED


def _with_posts(job: Job, post: str | None) -> Job:
    """Without a file: the project's own posts, or one generated row where the template needs no post and none is named."""
    if job.posts is not None or job.inputs.count is not None:
        return job
    if job.loaded_template().needs == "qa" or post is not None:
        return replace(job, posts=EXAMPLES)
    return replace(job, inputs=replace(job.inputs, count=1))


async def _ask(job: Job, row: Row, status: Console) -> _Tried:
    attempts = 0
    request = Request(row.prompt, row.request_seed(job.settled_sampling().request_seed, 0))
    async with _endpoint(job, partial(_say, status)) as endpoint:

        async def attempt() -> Reply:
            nonlocal attempts
            attempts += 1
            try:
                return await endpoint.complete(request)
            except EndpointError as error:
                _say(status, f"attempt {attempts}: {error}")
                raise

        policy = RetryPolicy(max_attempts=_ATTEMPTS, max_wait=_PATIENCE, chance=random.Random())
        reply = await retrying(attempt, policy, asyncio.sleep)
    return _Tried(reply, attempts)


@asynccontextmanager
async def _endpoint(job: Job, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
    """The endpoint of a run with these settings, for one request."""
    async with serving(job.where, log=Path(os.devnull), told=say) as service:
        job = await constrained(job, service, say)
        async with service.connected(
            model=job.model,
            endpoint=job.endpoint,
            sampling=job.sampling,
            system=job.loaded_template().system,
            connections=1,
            constrained=job.constraint.body() if job.constraint else None,
            told=say,
        ) as endpoint:
            yield endpoint


def _reading(verdict: Verdict) -> str:
    said = verdict.dialogue.utterances if verdict.dialogue is not None else ()
    lines = [f"{place:>3} {role:<9} {text}" for place, (role, text) in enumerate(said, 1)]
    repairs = ", ".join(f"{repair.name} x {repair.times}" for repair in verdict.repairs) or "none"
    turns = verdict.dialogue.turns if verdict.dialogue is not None else 0
    return "\n".join([*(lines or ["(no utterance could be read)"]), f"\nturns: {turns}; repairs: {repairs}"])


def _verdict(verdict: Verdict, text: str) -> str:
    if verdict.rejection is None:
        return "kept"
    rule, reason, span = verdict.rejection
    return f"rejected by {rule}: {reason}" + (f"\n{_where(span, text)}" if span is not None else "")


def _where(span: Span, text: str) -> str:
    """The place in the reply: line, range of code points, and its first words."""
    line = text.count("\n", 0, span.start) + 1
    found = text[span.start : span.end].replace("\n", " ⏎ ")
    excerpt = found if len(found) <= _EXCERPT else f"{found[:_EXCERPT]} ..."
    return f"line {line} of the reply, code points {span.start} to {span.end}: {excerpt}".rstrip(": ")


def _cost(tried: _Tried) -> str:
    content = tried.reply.content
    counted = [
        f"{'an unknown number of' if tokens is None else f'{tokens:,}'} {which} tokens"
        for tokens, which in ((content.prompt_tokens, "prompt"), (content.completion_tokens, "completion"))
    ]
    attempts = "1 attempt" if tried.attempts == 1 else f"{tried.attempts} attempts"
    finish = f"finish_reason {content.finish_reason or 'unknown'}"
    return f"{', '.join(counted)}; {tried.reply.seconds:.2f} s; {attempts}; {finish}. Nothing was stored."


def _heading(console: Console, text: str) -> None:
    console.rule(printable(text), align="left", characters="─")


def _say(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
