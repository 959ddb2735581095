"""A template's format as one shape, which the three notations write down: an opening, exchanges, a last exchange.

A reply is `opening? exchange{least - 1, most - 1} last`. Where one speaker both opens and closes, that speaker's first
utterance is the opening; everywhere else there is none.
"""

from __future__ import annotations

from typing import NamedTuple

from expander.structured.alphabet import FIRST, FIRST_AT_END, WITHIN, WITHIN_AT_END, Alphabet
from expander.structured.bounds import Bounds
from filters.dialogue import DialogueFormat, Role


class Words(NamedTuple):
    """The characters of one kind of utterance: its first, and those after it."""

    first: Alphabet
    within: Alphabet


ANYWHERE = Words(FIRST, WITHIN)
_AT_END = Words(FIRST_AT_END, WITHIN_AT_END)


class Form(NamedTuple):
    """What a constraint says: who speaks in which order (as labels), how long, and what the last utterance may hold."""

    opening: str | None
    first: str
    second: str
    last: Words
    bounds: Bounds

    def after_first(self) -> tuple[int, int | None]:
        """Least and most characters of an utterance behind its first."""
        longest = self.bounds.longest
        return self.bounds.shortest - 1, None if longest is None else longest - 1


def form_of(fmt: DialogueFormat, bounds: Bounds) -> Form:
    """The shape of a format's replies.

    Where the format does not say who opens, the client does: both papers' prompts begin with the one who seeks help. Where
    it does not say who closes, the other one does, so that turns are whole.
    """
    label = {Role.CLIENT: fmt.client_labels[0], Role.COUNSELOR: fmt.counselor_labels[0]}
    other = {Role.CLIENT: Role.COUNSELOR, Role.COUNSELOR: Role.CLIENT}
    opens = fmt.opens_with
    if opens is None:
        opens = Role.CLIENT if fmt.closes_with is None else other[fmt.closes_with]
    closes = fmt.closes_with or other[opens]
    return Form(
        opening=label[opens] if opens is closes else None,
        first=label[other[closes]],
        second=label[closes],
        last=ANYWHERE if fmt.english else _AT_END,
        bounds=bounds,
    )
