"""A reply before it is text: what is said first, and who says what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from filters.dialogue import Role


class Line(NamedTuple):
    """One line of the reply. `label` is what opens it, colon and space included; it may be empty in a spoilt reply."""

    role: Role
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """`preamble` stands before the first line, apart from it by an empty line, where there is one."""

    preamble: str
    lines: tuple[Line, ...]

    def text(self) -> str:
        spoken = "\n".join([label + text for _, label, text in self.lines])
        return f"{self.preamble}\n\n{spoken}" if self.preamble else spoken
