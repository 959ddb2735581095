"""What a task is, and how it meets the engine: it makes rows of a subject, and reads what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

from expander.annotation.subjects import Subject
from expander.endpoint import ReplyContent
from expander.judging import Answer
from expander.post import Post, Unreadable, content_id
from expander.rows import Row
from filters.dialogue import Rejection

UNPARSEABLE = "unparseable-answer"
"""The rule's name, for an answer that is empty, cut off, or in which nothing could be read."""

Reading = Mapping[str, Any]
"""What an answer says, ready for JSON."""


class Unparseable(NamedTuple):
    """Why nothing can be read; never quotes the answer."""

    reason: str


class Task(Protocol):
    """One thing to ask of each subject, in one request or several. Pure: the same arguments, the same result."""

    @property
    def name(self) -> str: ...

    @property
    def same_as(self) -> str:
        """What a subject that stood before is called."""
        ...

    def fingerprint(self) -> dict[str, object]:
        """What makes two answers comparable: the prompt's words, and what it offers to choose from."""
        ...

    def prompts(self, subject: Subject) -> Iterator[str]:
        """The requests, in order; none where there is nothing to ask."""
        ...

    def read(self, subject: Subject, number: int, text: str) -> Reading | Unparseable:
        """What an answer to the request of that number (from 0) says."""
        ...

    def record(self, subject: Subject, readings: Sequence[Reading | None]) -> dict[str, Any]:
        """What annotations.jsonl says of a subject; a reading a request, None where there is none."""
        ...


class AnnotationMaker:
    """Turns subjects into rows: a row is one request, and its `sample` the request's number."""

    def __init__(self, task: Task, condition: Mapping[str, object]) -> None:
        self._task = task
        self._condition = content_id(orjson.dumps(condition, option=orjson.OPT_SORT_KEYS).decode())
        self.same_as = task.same_as

    def rows(self, position: int, post: Post) -> Iterator[Row | Unreadable]:
        assert isinstance(post, Subject)
        for number, prompt in enumerate(self._task.prompts(post)):
            yield Row(
                id=self.row_id(post, number),
                position=position,
                post=post,
                changes={},
                redactions=post.redactions,
                sample=number,
                topic=None,
                prompt=prompt,
            )

    def ids(self, post: Post) -> Sequence[str]:
        """One a request. How many there are, the requests themselves tell."""
        assert isinstance(post, Subject)
        return [self.row_id(post, number) for number, _ in enumerate(self._task.prompts(post))]

    def row_id(self, subject: Subject, number: int) -> str:
        """A hash of what was said, the task with its words, the model, the sampling, and the request's number."""
        return content_id(subject.id, self._condition, str(number))


class AnnotationReader:
    """Reads replies as the task says."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def answer(self, row: Row, reply: ReplyContent, generation: int) -> Answer:
        assert isinstance(row.post, Subject)
        if not (reply.text or "").strip():
            return _unparseable("the answer is empty")
        if reply.finish_reason == "length":
            return _unparseable("the answer was cut off; raise --max-tokens")
        reading = self._task.read(row.post, row.sample, reply.text or "")
        if isinstance(reading, Unparseable):
            return _unparseable(reading.reason)
        return Answer(None, orjson.dumps({**reading, "model_reported": reply.model, "generation": generation}))


def _unparseable(reason: str) -> Answer:
    return Answer(Rejection(UNPARSEABLE, reason), None)
