"""What is asked about: a dialogue or a pair of them, as it is sent. A subject is a post to the engine and the store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from expander.post import Place, Post, Redaction, content_id
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from filters.privacy import redact
from prompts.annotation import Language

SPEAKERS: dict[Language, dict[Role, str]] = {
    "zh": {Role.CLIENT: "求助者", Role.COUNSELOR: "支持者"},
    "en": {Role.CLIENT: "Help-seeker", Role.COUNSELOR: "Supporter"},
}
"""The speakers as SMILE's prompts call them (Figure 2)."""

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN = re.compile("[A-Za-z]")
_LETTERS_A_CHARACTER = 3  # Latin letters that say about as much as one Chinese character


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject(Post):
    """One dialogue, or two to hold against each other.

    As a post: `answer` is the dialogue's text as sent (of a pair: `description` the corpus's, `answer` the other's), and
    `keywords` are the dialogues' ids in their corpora. `id` is a hash of what was said, before anything was redacted.
    """

    dialogues: tuple[Dialogue, ...]
    """As sent: redacted."""
    redactions: tuple[Redaction, ...]
    language: Language
    paired_by: str = ""
    """Of a pair: `post`, `question`, or `chance`."""


def dialogue_subject(entry: CorpusEntry, place: Place, *, redacts: bool) -> Subject:
    """A dialogue to ask about."""
    dialogue, redactions = _redacted(entry.dialogue, "utterance", redacts=redacts)
    language = _language(entry.dialogue)
    return Subject(
        id=_id(entry.dialogue),
        title="",
        description="",
        answer="\n".join(lines(dialogue, language)),
        question_id=entry.question_id or entry.id,
        keywords=(entry.id,),
        place=place,
        dialogues=(dialogue,),
        redactions=redactions,
        language=language,
    )


def pair_subject(one: CorpusEntry, other: CorpusEntry, place: Place, *, paired_by: str, redacts: bool) -> Subject:
    """A pair to compare; Chinese words ask about it where either dialogue is Chinese."""
    first, taken = _redacted(one.dialogue, "corpus utterance", redacts=redacts)
    second, taken_too = _redacted(other.dialogue, "against utterance", redacts=redacts)
    language: Language = "zh" if "zh" in {_language(one.dialogue), _language(other.dialogue)} else "en"
    return Subject(
        id=content_id(_id(one.dialogue), _id(other.dialogue)),
        title="",
        description="\n".join(lines(first, language)),
        answer="\n".join(lines(second, language)),
        question_id=one.question_id or one.id,
        keywords=(one.id, other.id),
        place=place,
        dialogues=(first, second),
        redactions=(*taken, *taken_too),
        language=language,
        paired_by=paired_by,
    )


def lines(dialogue: Dialogue, language: Language) -> Iterator[str]:
    """A line an utterance, speaker first. Line breaks inside become spaces: no utterance can look like another, or end
    what surrounds the dialogue in a prompt.
    """
    speakers = SPEAKERS[language]
    return (f"{speakers[role]}: {' '.join(text.split())}" for role, text in dialogue.utterances)


def numbered(dialogue: Dialogue, language: Language, start: int = 0) -> str:
    """The same with a number before each, counted from 1; from `start` on."""
    return "\n".join(f"[{number}] {line}" for number, line in enumerate(lines(dialogue, language), 1) if number > start)


def _redacted(dialogue: Dialogue, field: str, *, redacts: bool) -> tuple[Dialogue, tuple[Redaction, ...]]:
    if not redacts:
        return dialogue, ()
    redactions: list[Redaction] = []
    said: list[Utterance] = []
    for number, (role, text) in enumerate(dialogue.utterances, 1):
        clean = redact(text)
        said.append(Utterance(role, clean.text))
        redactions += [Redaction(f"{field} {number}", kind, *span) for kind, span in clean.findings]
    return (Dialogue(tuple(said)), tuple(redactions)) if redactions else (dialogue, ())


def _language(dialogue: Dialogue) -> Language:
    text = "".join(text for _, text in dialogue.utterances)
    return "zh" if len(_HAN.findall(text)) * _LETTERS_A_CHARACTER >= len(_LATIN.findall(text)) else "en"


def _id(dialogue: Dialogue) -> str:
    return content_id(*(part for role, text in dialogue.utterances for part in (str(role), text)))
