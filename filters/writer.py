"""The project's own writer: a dialogue as labelled text, one utterance a line."""

from __future__ import annotations

from filters.dialogue import Dialogue, DialogueFormat, Role
from filters.quoting import quote
from filters.reply import reads_plainly


def write_dialogue(dialogue: Dialogue, fmt: DialogueFormat) -> str:
    """`dialogue` in the format's first labels: `求助者：…` for a Chinese label, `Client: …` for one in ASCII.

    `read_reply` gives the same dialogue back, without a repair, if its speakers alternate and no utterance is empty or
    starts or ends with white space. An utterance that a bare line cannot carry (it holds a line break, another label
    after the end of a sentence, invisible characters, quotation marks around all of it) is written as a JSON string.
    """
    labels = {Role.CLIENT: _with_colon(fmt.client_labels[0]), Role.COUNSELOR: _with_colon(fmt.counselor_labels[0])}
    return "\n".join(
        labels[role] + (text if not text or reads_plainly(text, fmt) else quote(text))
        for role, text in dialogue.utterances
    )


def _with_colon(label: str) -> str:
    return f"{label}: " if label.isascii() else f"{label}："
