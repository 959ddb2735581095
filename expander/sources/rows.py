"""From one record of any format to its posts: which fields are meant, and what each of them must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from expander.post import Content, Place, Post, Unreadable
from expander.sources.errors import SourceError

Record = dict[str, object]
"""One row by column name, as JSON, CSV or Parquet hold it."""


class Fault(NamedTuple):
    """Why a row could not be read as a record at all."""

    reason: str


class Columns(NamedTuple):
    """For each of the project's names the column names it may have in a file, in order of preference."""

    question: tuple[str, ...] = ("question", "title")
    description: tuple[str, ...] = ("description", "content")
    answer: tuple[str, ...] = ("answer", "answer_text")
    keywords: tuple[str, ...] = ("keywords",)
    question_id: tuple[str, ...] = ("questionID", "question_id", "qid")
    mapped: frozenset[str] = frozenset()
    """The column names that the user gave."""
    flat: bool = False
    """The user named a column for `answer`, so a record is one answer even where it has a field `answers`."""

    @classmethod
    def of(cls, columns: Mapping[str, str]) -> Columns:
        """The defaults with the user's own names in place of them; SourceError for a key that is none of ours."""
        known = cls._fields[:5]
        unknown = sorted(set(columns) - set(known))
        if unknown:
            raise SourceError(f"No column is called {', '.join(unknown)} here. Name columns by: {', '.join(known)}.")
        given = {name: (column,) for name, column in columns.items()}
        return cls()._replace(**given, mapped=frozenset(columns.values()), flat="answer" in columns)

    def wanted(self) -> frozenset[str]:
        """Every column name that may be read."""
        return frozenset(name for names in self[:5] for name in names) | {_ANSWERS}

    def check_header(self, header: list[str], where: str) -> None:
        """SourceError where a file with a header lacks a named column, a question or an answer, or has one twice."""
        has = f"It has: {', '.join(header)}."
        missing = sorted(self.mapped - set(header))
        if missing:
            raise SourceError(f"{where} has no column {', '.join(missing)}. {has} Correct the name given for it.")
        nested = not self.flat and _ANSWERS in header
        for field, names in (("question", self.question), ("answer", self.answer)):
            if not set(names) & set(header) and not (field == "answer" and nested):
                raise SourceError(f"{where} has no {field} column ({' or '.join(names)}). {has} Name the one to use.")
        twice = sorted({name for name in self.wanted() if header.count(name) > 1})
        if twice:
            raise SourceError(f"{where} has more than one column {', '.join(twice)}. Rename all but one.")


_ANSWERS: Final = "answers"
"""PsyQA's list of answers to one question, each an object with `answer_text`."""

_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_KEYWORD_COMMA: Final = re.compile("[,，]")
_EXACT_FLOATS: Final = 2**53
"""Up to here a double holds every whole number, so an id that some tool turned into a float is still itself."""


class _FieldError(Exception):
    """A field does not hold what it must; the message names the field and never its text."""


def posts_of(record: object, columns: Columns, place: Place) -> Iterator[Post | Unreadable]:
    """One post an answer; a bad answer leaves the others whole, a bad question takes the whole record."""
    if not isinstance(record, dict):
        yield Unreadable(place, f"a row must be an object with a question and an answer; this is {_kind(record)}")
        return
    try:
        title = _text(record, columns.question, "question")
        description = _text(record, columns.description, None)
        keywords = _keywords(record, columns.keywords)
        question = Content(title, description)
        question_id = _question_id(record, columns.question_id) or question.id
        answers = None if columns.flat else record.get(_ANSWERS)
        if answers is None and (columns.flat or _ANSWERS not in record or set(columns.answer) & record.keys()):
            answers = [record]
            several = False
        else:
            answers = _answers(answers)
            several = True
    except _FieldError as error:
        yield Unreadable(place, str(error))
        return
    for number, item in enumerate(answers, 1):
        try:
            if not isinstance(item, dict):
                raise _FieldError(f"must be an object with {columns.answer[-1]}; this is {_kind(item)}")  # noqa: TRY301
            answer = _text(item, columns.answer, "answer")
        except _FieldError as error:
            yield Unreadable(place, f"answer {number}: {error}" if several else str(error))
            continue
        yield Post(
            id=question.id_with(answer),
            title=title,
            description=description,
            answer=answer,
            question_id=question_id,
            keywords=keywords,
            place=place,
        )


def _find(record: Record, names: tuple[str, ...]) -> tuple[str, object]:
    for name in names:
        if name in record:
            return name, record[name]
    return names[0], None


def _text(record: Record, names: tuple[str, ...], needed_as: str | None) -> str:
    """The text without white space at its ends; empty only where it is not needed."""
    name, value = _find(record, names)
    if value is None:
        if needed_as is None:
            return ""
        if name in record:
            raise _FieldError(f"{name} is null")
        raise _FieldError(f"no {needed_as}: none of the fields {', '.join(names)} is there")
    text = _checked(name, value).strip()
    if needed_as is not None and not text:
        raise _FieldError(f"{name} is empty")
    return text


def _checked(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _FieldError(f"{name} must be text; this is {_kind(value)}")
    if (unfit := _unfit(value)) is not None:
        what = "a NUL character" if unfit[0] == "\x00" else "half of a surrogate pair, which is no character,"
        raise _FieldError(f"{name} holds {what} at character {unfit.start() + 1}")
    return value


def _unfit(value: str) -> re.Match[str] | None:
    """What no text may hold. The search takes longer than all else that is done to a post as it is read."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return _UNFIT.search(value)
    return _UNFIT.search(value) if "\x00" in value else None


def _keywords(record: Record, names: tuple[str, ...]) -> tuple[str, ...]:
    name, value = _find(record, names)
    if value is None:
        return ()
    if isinstance(value, list):
        words = [_checked(f"{name}[{index}]", word) for index, word in enumerate(value)]
    else:
        words = _KEYWORD_COMMA.split(_checked(name, value))
    return tuple(stripped for word in words if (stripped := word.strip()))


def _question_id(record: Record, names: tuple[str, ...]) -> str:
    name, value = _find(record, names)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        if abs(value) < _EXACT_FLOATS:
            return str(int(value))
        raise _FieldError(f"{name} is a number too large to be kept exactly; write it as text")
    return _checked(name, value).strip()


def _answers(value: object) -> list[object]:
    if value is None:
        raise _FieldError(f"{_ANSWERS} is null")
    if not isinstance(value, list):
        raise _FieldError(f"{_ANSWERS} must be a list; this is {_kind(value)}")
    if not value:
        raise _FieldError(f"{_ANSWERS} is empty: the question has no answer")
    return value


def _kind(value: object) -> str:
    """JSON's word for what a value is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"
