"""The files of a corpus, in an order that people expect: 2.json before 10.json."""

from __future__ import annotations

import re
from pathlib import Path

from analysis.corpora.byte_chunks import chunks_of
from analysis.corpora.entries import CorpusError
from analysis.corpora.labelled_text import ENDINGS as TEXT_ENDINGS
from analysis.corpora.records import bare_suffix

RUN_DIALOGUES = "dialogues.jsonl"
_JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
_DIGITS = re.compile(r"(\d+)")


def dialogue_files(path: Path) -> list[Path]:
    """The file itself, or a folder's JSON files, or, where it has none, its text files; never an empty list.

    Raises CorpusError for a path that is not there and for a folder without such files.
    """
    if not path.exists():
        raise CorpusError(f"{path} does not exist. Check the name and the folder you start from.")
    if not path.is_dir():
        return [path]
    if (path / RUN_DIALOGUES).is_file():
        return [path / RUN_DIALOGUES]
    try:
        files = sorted((file for file in path.iterdir() if _counts(file)), key=_natural)
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}. Check its rights.") from error
    for endings in (_JSON_ENDINGS, TEXT_ENDINGS):
        if chosen := [file for file in files if bare_suffix(file) in endings]:
            return chosen
    raise CorpusError(
        f"{path} is a folder without dialogues: no {RUN_DIALOGUES}, no {', '.join(_JSON_ENDINGS)} and no "
        f"{', '.join(TEXT_ENDINGS)}. A folder is not searched below its first level."
    )


def holds_json(file: Path) -> bool:
    """By the name's ending, else by the first sign."""
    ending = bare_suffix(file)
    if ending in _JSON_ENDINGS:
        return True
    if ending in TEXT_ENDINGS:
        return False
    return next(chunks_of(file), b"").lstrip()[:1] in {b"{", b"["}


def _counts(file: Path) -> bool:
    return not file.name.startswith(".") and file.is_file()


def _natural(file: Path) -> tuple[tuple[int, str], ...]:
    parts = _DIGITS.split(file.name)
    return tuple((int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts))
