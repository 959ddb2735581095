"""JSON files to records, one a dialogue: JSON Lines, a top-level array, or a file that is one dialogue. Streamed."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import orjson

from analysis.corpora.byte_chunks import COMPRESSIONS, LINE_LIMIT_BYTES, chunks_of, lines_of
from analysis.corpora.entries import BrokenEntry, CorpusError

_LINE_ENDINGS = (".jsonl", ".ndjson")
_BLANK = " \t\r\n"


class Record(NamedTuple):
    """One JSON value with where it stands; `stem` is the file's name without endings where the file is one dialogue."""

    place: str
    value: object
    stem: str | None = None


def bare_suffix(path: Path) -> str:
    """The ending that says what the file holds, in lower case, compression aside: `.jsonl` for `a.jsonl.xz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def records_of(path: Path) -> Iterator[Record | BrokenEntry]:
    """The file's records in order. A line that is not JSON is a BrokenEntry; raises CorpusError for a damaged file.

    A file of one dialogue, an array of messages, is one record. An array that stops being JSON ends the reading there:
    what comes after the fault cannot be told apart.
    """
    chunks = chunks_of(path)
    opening = next(chunks, b"")
    whole = chain((opening,), chunks)
    if bare_suffix(path) in _LINE_ENDINGS or (opening.lstrip()[:1] == b"{" and bare_suffix(path) != ".json"):
        yield from _line_records(path, whole)
        return
    values = _values(path, whole)
    first = next(values, None)
    if first is None:
        return
    if opening.lstrip()[:1] == b"[" and _is_message(first[1]):
        messages = [first[1], *(value for _, value in values)]
        yield Record(str(path), messages, path.name.split(".", 1)[0])
        return
    second = next(values, None)
    if second is None:
        yield Record(_numbered(path, 1), first[1], path.name.split(".", 1)[0])
        return
    for number, value in chain((first, second), values):
        yield Record(_numbered(path, number), value)


def _numbered(path: Path, number: int) -> str:
    return f"{path} record {number}"


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and (value.keys() >= {"role", "content"} or value.keys() >= {"from", "value"})


def _line_records(path: Path, chunks: Iterable[bytes]) -> Iterator[Record | BrokenEntry]:
    for number, line in lines_of(chunks):
        place = f"{path}:{number}"
        if line is None:
            yield BrokenEntry(place, f"the line is longer than {LINE_LIMIT_BYTES} bytes")
            continue
        try:
            yield Record(place, orjson.loads(line))
        except orjson.JSONDecodeError as error:
            yield BrokenEntry(place, f"not JSON in UTF-8: {error.msg}, column {error.colno}")


def _values(path: Path, chunks: Iterable[bytes]) -> Iterator[tuple[int, object]]:
    """Elements of a top-level array, or values one after another, numbered from 1; a few chunks are held at a time.

    Bytes that are no UTF-8 become lone surrogates, so that only the dialogue that holds them is broken.
    """
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    texts = chain((decode(chunk) for chunk in chunks), (decode(b"", final=True),))
    parse = json.JSONDecoder().raw_decode
    buffer, at, number, in_array, needs_comma = "", 0, 0, False, False
    while True:
        at = _skip(buffer, at, _BLANK)
        if at < len(buffer):
            sign = buffer[at]
            if number == 0 and not in_array and sign == "[":
                in_array, at = True, at + 1
                continue
            if in_array and sign == "]":
                _nothing_after(path, chain((buffer[at + 1 :],), texts))
                return
            if needs_comma and sign == ",":
                needs_comma, at = False, at + 1
                continue
            if needs_comma:
                raise _fault(path, number, "a comma or the array's end is missing")
            try:
                value, end = parse(buffer, at)
            except RecursionError as error:
                raise _fault(path, number, "JSON nested too deeply to be read") from error
            except ValueError as error:
                if len(buffer) - at > LINE_LIMIT_BYTES:
                    raise _fault(
                        path, number, f"the next one is no JSON within {LINE_LIMIT_BYTES} characters"
                    ) from error
            else:
                # A number at the buffer's end may go on in the next chunk; an object or a string may not.
                if end < len(buffer) or sign in '{["':
                    number, at, needs_comma = number + 1, end, in_array
                    yield number, value
                    continue
        more = next(texts, None)
        if more is None:
            if at < len(buffer) or in_array:
                raise _fault(path, number, "the file ends or stops being JSON there")
            return
        buffer, at = buffer[at:] + more, 0


def _skip(text: str, at: int, signs: str) -> int:
    while at < len(text) and text[at] in signs:
        at += 1
    return at


def _nothing_after(path: Path, texts: Iterable[str]) -> None:
    if any(text.strip(_BLANK) for text in texts):
        raise CorpusError(f"{path} goes on after the end of its array. Give one array, or JSON Lines as .jsonl.")


def _fault(path: Path, number: int, what: str) -> CorpusError:
    return CorpusError(f"{path} is damaged after record {number}: {what}. Make or copy the file again.")
