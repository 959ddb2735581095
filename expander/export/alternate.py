"""The form that trainers take: speakers alternate, the client begins, the counselor ends.

LLaMA-Factory's converters skip a row in which an odd message is not the user's or an even one not the assistant's,
or whose messages (system apart) are odd in number (src/llamafactory/data/converter.py, "Invalid role tag" and
"Invalid message count"); its processor drops one without messages (data/processor/supervised.py). TRL takes any
non-empty list of role and content, and leaves the rest to the chat template, where many raise on roles that do not alternate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from filters.dialogue import Dialogue, Role, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternating:
    """A dialogue that every trainer takes, and how many of its utterances changed on the way."""

    dialogue: Dialogue
    merged: int
    """Joined to the utterance before them, because the same speaker went on."""
    trimmed_start: int
    """Counselor utterances before the client's first: there is nothing that they answer."""
    trimmed_end: int
    """Client utterances after the counselor's last: nothing answers them."""
    empty: int
    """Utterances without a visible character."""

    @property
    def changed(self) -> bool:
        return bool(self.merged or self.trimmed_start or self.trimmed_end or self.empty)


def alternating(dialogue: Dialogue) -> Alternating | None:
    """The dialogue with empty utterances left out, both ends trimmed, and one speaker's consecutive utterances joined by a newline.

    None when no client utterance is followed by a counselor's: nothing is left to learn from.
    """
    spoken = [utterance for utterance in dialogue.utterances if says_something(utterance.text)]
    start = next((place for place, said in enumerate(spoken) if said.role is Role.CLIENT), len(spoken))
    end = next((place for place in range(len(spoken), start, -1) if spoken[place - 1].role is Role.COUNSELOR), start)
    if start == end:
        return None
    whole = merged(spoken[start:end])
    return Alternating(
        dialogue=Dialogue(whole),
        merged=end - start - len(whole),
        trimmed_start=start,
        trimmed_end=len(spoken) - end,
        empty=len(dialogue.utterances) - len(spoken),
    )


def merged(utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
    """Consecutive utterances of one speaker as one, joined by a newline."""
    whole: list[Utterance] = []
    for utterance in utterances:
        if whole and whole[-1].role is utterance.role:
            whole[-1] = Utterance(utterance.role, f"{whole[-1].text}\n{utterance.text}")
        else:
            whole.append(utterance)
    return tuple(whole)


def says_something(text: str) -> bool:
    """Whether the text has a visible character: white space and zero-width characters alone train a model to be silent."""
    return any(character.isprintable() and not character.isspace() for character in text)
