"""`prompt show`: what would be sent for a post."""

from __future__ import annotations

from pathlib import Path

from expander.consoles import printable
from expander.errors import UsageError
from expander.post import Unreadable
from expander.rows import Row, RowMaker, selected_posts
from expander.service import OFFLINE_MODEL
from expander.settings import EndpointSettings, InputSettings, SamplingSettings
from prompts import Template, load


def preview(template_name: str, posts: Path | None, wanted: str | None, inputs: InputSettings) -> str:
    """The template itself, or the prompt it makes of the wanted post (of the first one, where none is named)."""
    template = load(template_name)
    if posts is None:
        return template.prompt
    maker = RowMaker(template, OFFLINE_MODEL, SamplingSettings(), EndpointSettings(), inputs)
    return printable(chosen_row(maker, template, posts, wanted, inputs).prompt)


def chosen_row(
    maker: RowMaker, template: Template, posts: Path | None, wanted: str | None, inputs: InputSettings
) -> Row:
    """The first row of the post whose id, or whose question's id, begins as wanted; of the first post where none is named.

    Raises UsageError: no such post, or nothing of it to send.
    """
    unreadable: Unreadable | None = None
    for position, post in enumerate(selected_posts(posts, inputs, template)):
        if isinstance(post, Unreadable):
            unreadable = unreadable or post
            continue
        if wanted is None or post.id.startswith(wanted) or post.question_id == wanted:
            row = next(maker.rows(position, post))
            if isinstance(row, Row):
                return row
            if wanted is not None:
                raise UsageError(f"{row.place}: this post cannot be sent: {row.reason}.")
            unreadable = unreadable or row
    if wanted is not None:
        raise UsageError(f"{posts}: no post's id begins with {wanted!r}, and no question has that id.")
    why = f" The first: {unreadable.place}: {unreadable.reason}." if unreadable is not None else ""
    raise UsageError(f"{posts}: holds no post to send.{why}")
