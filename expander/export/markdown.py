"""Text from data inside Markdown: shown as it is, never as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARKUP = re.compile(r"([\\`*_\[\]|~#$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def plain(value: object) -> str:
    """One line that Markdown shows letter by letter: what has a meaning there is escaped, line breaks and
    unprintable characters become one space. HTML characters become entities, for viewers that pass HTML through.
    """
    line = one_line(str(value))
    return _MARKUP.sub(r"\\\1", "".join(_ENTITIES.get(character, character) for character in line))


def one_line(text: str) -> str:
    """The text without line breaks, control characters and invisible ones that turn the direction of reading."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def table(heading: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table. The heading is ours; every cell is data."""
    lines = [_line(heading), _line(("---",) * len(heading))]
    lines += [_line(tuple(plain(cell) for cell in row)) for row in rows]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
