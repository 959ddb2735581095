"""Training sessions after SMILE §6.1: a dialogue is split at every counselor utterance, which is to be predicted from what came before it.

SMILECHAT's 310,087 sessions are its counselor utterances as published, one session each: a counselor who speaks twice
in a row ends two sessions (merged first, there would be 309,698), and dialogues without a counselor (54) give none.
Within a session one speaker's consecutive utterances are merged, so that trainers skip none of the 310,087.
"""

from __future__ import annotations

from collections.abc import Iterator

from expander.export.alternate import merged, says_something
from filters.dialogue import Dialogue, Role, Utterance


def sessions(dialogue: Dialogue) -> Iterator[Dialogue]:
    """One dialogue for each counselor utterance with a client utterance before it: all that was said up to its end.

    Each alternates, begins with the client and ends with the counselor; it equals `alternating` of that beginning
    of the dialogue. Where the counselor speaks twice in a row, the second session ends with both utterances, joined.
    """
    said: tuple[Utterance, ...] = ()
    for utterance in dialogue.utterances:
        if not says_something(utterance.text):
            continue
        if utterance.role is Role.COUNSELOR and not said:
            continue  # SMILE §6.3.1 discards cases with an empty history
        said = (*said[:-1], *merged((*said[-1:], utterance)))
        if utterance.role is Role.COUNSELOR:
            yield Dialogue(said)
