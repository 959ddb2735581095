"""`prompt show`: what would be sent for a post."""

from __future__ import annotations

from pathlib import Path

from expander.errors import UsageError
from expander.job import OFFLINE_MODEL, printable
from expander.post import Unreadable
from expander.rows import RowMaker, selected_posts
from expander.settings import EndpointSettings, InputSettings, SamplingSettings
from prompts import load


def preview(template_name: str, posts: Path | None, wanted: str | None, inputs: InputSettings) -> str:
    """The template itself, or the prompt it makes of the wanted post (of the first one, where none is named)."""
    template = load(template_name)
    if posts is None:
        return template.prompt
    maker = RowMaker(template, OFFLINE_MODEL, SamplingSettings(), EndpointSettings(), inputs)
    for position, post in enumerate(selected_posts(posts, inputs, template)):
        if isinstance(post, Unreadable):
            continue
        if wanted is None or post.id.startswith(wanted) or post.question_id == wanted:
            for row in maker.rows(position, post):
                if not isinstance(row, Unreadable):
                    return printable(row.prompt)
    raise UsageError(f"{posts}: no post's id begins with {wanted!r}, and no question has that id.")
