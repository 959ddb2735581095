"""From posts to rows: which posts are taken, what is sent for each, and who it is.

A row's identity is the hash of its post, the template's words, the model, the sampling and the sample's number. It does
not depend on where the post stood, so a moved or longer input resumes the same run.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import orjson

from expander.cleaning import HUG, QA_LIMIT, REPLACEMENTS, clean
from expander.errors import UsageError
from expander.post import Place, Post, Redaction, Unreadable, content_id
from expander.sampling import in_shard, sample_posts
from expander.settings import EndpointSettings, InputSettings, SamplingSettings
from expander.sources import read_posts
from expander.sources.ahead import read_posts_ahead
from filters.privacy import redact
from prompts import Template, Values, topics

if TYPE_CHECKING:
    from expander.structured.constraint import Constraint

CLEANING = (REPLACEMENTS, HUG, QA_LIMIT)
"""What cleaning does to a post; part of a row's identity, since it decides what is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One dialogue to be made."""

    id: str
    position: int
    """Place in the input, counted from 0; results are written in this order."""
    post: Post
    """As sent: redacted and cleaned."""
    changes: Mapping[str, int]
    """What cleaning changed, by name."""
    redactions: tuple[Redaction, ...]
    sample: int
    topic: str | None
    prompt: str

    def request_seed(self, base: int | None, generation: int) -> int | None:
        """A seed of 31 bits that differs between rows and generations, so that equal prompts get different replies."""
        if base is None:
            return None
        digest = hashlib.sha256(f"{base}\x1f{self.id}\x1f{generation}".encode()).digest()
        return int.from_bytes(digest[:4]) >> 1


class Maker(Protocol):
    """Whatever turns posts into rows: a template that has them rewritten, or a task that asks about them."""

    @property
    def same_as(self) -> str:
        """What a post that stood before is called: "the same ... as"."""
        ...

    def rows(self, position: int, post: Post) -> Iterator[Row | Unreadable]:
        """The post's rows, none or more, always the same ones; or why it can be none."""
        ...

    def ids(self, post: Post) -> Sequence[str]:
        """The ids that the post's rows have, without a word of them made where that is possible."""
        ...


class RowMaker:
    """Turns posts into rows under one template, model and sampling."""

    same_as = "the same question and answer as"

    def __init__(
        self,
        template: Template,
        model: str,
        sampling: SamplingSettings,
        endpoint: EndpointSettings,
        inputs: InputSettings,
        constraint: Constraint | None = None,
    ) -> None:
        self._template = template
        self._samples = sampling.samples
        self._seed = inputs.seed
        self._cleans = not inputs.no_clean
        self._redacts = not inputs.no_redact
        self._condition = hashlib.sha256(
            orjson.dumps(
                [
                    condition(template, model, sampling, endpoint, constraint),
                    CLEANING if self._cleans else None,
                    self._redacts,
                ],
                option=orjson.OPT_SORT_KEYS,
            )
        ).hexdigest()
        self._topics = [topic.name for topic in topics()] if template.needs == "topic" else []

    def rows(self, position: int, post: Post) -> Iterator[Row | Unreadable]:
        """The post's rows, one a sample; or why it can be none."""
        redacted, redactions = _redact(post) if self._redacts else (post, ())
        sent, changes = redacted, {}
        if self._cleans and post.answer:
            cleaned = clean(redacted)
            if cleaned.empty is not None:
                yield Unreadable(post.place, f"nothing is left of its {cleaned.empty} after cleaning")
                return
            if cleaned.changes:
                changes = dict(cleaned.changes)
                sent = _with_texts(post, cleaned.title, cleaned.description, cleaned.answer)
        question = join_question(sent.title, sent.description)
        for sample, row_id in enumerate(self.ids(post)):
            topic = self._topic(post.id, sample)
            prompt = self._template.render(Values(question=question, answer=sent.answer, topic=topic or ""))
            yield Row(
                id=row_id,
                position=position,
                post=sent,
                changes=changes,
                redactions=redactions,
                sample=sample,
                topic=topic,
                prompt=prompt,
            )

    def ids(self, post: Post) -> Sequence[str]:
        """One a sample; also for a post of which cleaning leaves nothing, which makes no row."""
        return [content_id(post.id, self._condition, str(sample)) for sample in range(self._samples)]

    def _topic(self, post_id: str, sample: int) -> str | None:
        """Uniform over the topics; a function of seed, post and sample, so that resuming draws the same."""
        if not self._topics:
            return None
        return random.Random(f"{self._seed}\x1f{post_id}\x1f{sample}").choice(self._topics)


def _redact(post: Post) -> tuple[Post, tuple[Redaction, ...]]:
    """The post without the personal data that could be found in it."""
    redactions: list[Redaction] = []
    texts: list[str] = []
    for name, text in (("title", post.title), ("description", post.description), ("answer", post.answer)):
        redacted = redact(text)
        texts.append(redacted.text)
        redactions += [Redaction(name, kind, *span) for kind, span in redacted.findings]
    if not redactions:
        return post, ()
    return _with_texts(post, *texts), tuple(redactions)


def _with_texts(post: Post, title: str, description: str, answer: str) -> Post:
    return Post(
        id=post.id,
        title=title,
        description=description,
        answer=answer,
        question_id=post.question_id,
        keywords=post.keywords,
        place=post.place,
    )


def condition(
    template: Template,
    model: str,
    sampling: SamplingSettings,
    endpoint: EndpointSettings,
    constraint: Constraint | None = None,
) -> dict[str, object]:
    """What makes two replies to one post comparable: the template's words, the model, the sampling, the constraint."""
    settings = asdict(sampling)
    del settings["samples"]  # more samples of the same condition extend a run
    forced = {"constrained": constraint.provenance()} if constraint else {}
    return {"template": template.sha256, "model": model, **settings, "extra_body": endpoint.body(), **forced}


def selected_posts(
    posts: Path | None, inputs: InputSettings, template: Template, *, ahead: bool = False
) -> Generator[Post | Unreadable]:
    """The posts that the input settings select, as a stream, with the rows that could not be read among them.

    `ahead`: another process reads the file.

    Raises UsageError for settings that contradict each other, SourceError for a file that cannot be read.
    """
    if posts is None:
        yield from _numbered(inputs, template)
        return
    if inputs.count is not None:
        raise UsageError("--count makes rows without posts: leave out POSTS, or take --limit.")
    if inputs.sample is not None and inputs.limit is not None:
        raise UsageError("--sample and --limit contradict each other: --sample-first bounds what --sample reads.")
    read = read_posts_ahead if ahead else read_posts
    stream: Iterator[Post | Unreadable] = read(posts, columns=inputs.columns())
    if inputs.sample is not None:
        stream = iter(sample_posts(stream, n=inputs.sample, first=inputs.sample_first, seed=inputs.seed))
    shard = inputs.shard_of()
    taken = 0
    for post in stream:
        if isinstance(post, Post):
            if inputs.limit is not None and taken >= inputs.limit:
                return
            taken += 1
            if shard and not in_shard(post.id, *shard):
                continue
        yield post


def _numbered(inputs: InputSettings, template: Template) -> Iterator[Post]:
    """Rows without a post, for templates that need none."""
    if inputs.count is None:
        raise UsageError("Name a file of posts, or give --count with a template that needs none (standard, standardT).")
    if template.needs == "qa":
        raise UsageError(f"Template {template.name} rewrites posts: name a file of posts instead of --count.")
    for number in range(inputs.count):
        name = f"row {number + 1}"
        place = Place("(generated)", number + 1)
        yield Post(id=content_id(name), title="", description="", answer="", question_id=name, place=place)


def join_question(title: str, description: str) -> str:
    """Title and description as one question; a title that the description repeats is not said twice."""
    if not description or description.startswith(title):
        return description or title
    if not title:
        return description
    return title + ("" if title[-1] in "。！？!?…～~，,；;：:" else "。") + description
