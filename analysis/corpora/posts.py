"""PsyQA posts as single-turn dialogues: a question and one answer, two utterances. SMILE's reference point, PsyQA*."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.corpora.entries import BrokenEntry
from analysis.corpora.messages import SURROGATE, content_id
from analysis.corpora.records import Record
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance

LISTED = "answers"
"""PsyQA's list of answers to one question."""
_ANSWER = "answer_text"
_QUESTION = ("question", "description")
_ID = "questionID"


def holds_posts(value: object) -> bool:
    """Whether a record is a question with its answers."""
    return (
        isinstance(value, dict)
        and isinstance(value.get(_QUESTION[0]), str)
        and isinstance(value.get(LISTED), list)
        and any(isinstance(answer, dict) and _ANSWER in answer for answer in value[LISTED])
    )


def post_entries(record: Record) -> Iterator[CorpusEntry | BrokenEntry]:
    """A question with k answers is k dialogues; the client's utterance is the title with the description on a line below.

    `extra` keeps the question's other fields, such as PsyQA's `keywords`.
    """
    value = record.value
    if not isinstance(value, dict) or not isinstance(value.get(LISTED), list):
        yield BrokenEntry(record.place, f"it is no question with `{LISTED}`")
        return
    asked = [value.get(name) or "" for name in _QUESTION]
    if not all(isinstance(part, str) for part in asked) or not any(part.strip() for part in asked):
        yield BrokenEntry(record.place, f"`{_QUESTION[0]}` is missing, or no text")
        return
    question = "\n".join(part for part in asked if part)
    extra = {key: field for key, field in value.items() if key not in {*_QUESTION, LISTED, _ID}}
    question_id = value.get(_ID)
    for number, answer in enumerate(value[LISTED], 1):
        text = answer.get(_ANSWER) if isinstance(answer, dict) else None
        place = f"{record.place}, answer {number}"
        if not isinstance(text, str) or not text.strip():
            yield BrokenEntry(place, f"`{_ANSWER}` is missing, empty, or no text")
            continue
        dialogue = Dialogue((Utterance(Role.CLIENT, question), Utterance(Role.COUNSELOR, text)))
        if any(SURROGATE.search(said) for _, said in dialogue.utterances):
            yield BrokenEntry(place, "its text is not UTF-8, or holds half a surrogate pair")
            continue
        yield CorpusEntry(
            id=content_id(dialogue),
            dialogue=dialogue,
            place=place,
            question_id=str(question_id) if isinstance(question_id, int | str) and question_id != "" else None,
            extra=extra,
        )
