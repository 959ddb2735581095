"""What a report is made of, read from files and runs: corpora, the posts of a run, a codebook of topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import yaml

from analysis.corpora import BrokenEntry
from analysis.lexical.tokenizers import language_of, tokenizer_for
from analysis.lexical.tokenizing import PARALLEL_FROM, tokens_of
from analysis.lexical.tokens import Tokens
from analysis.report.inputs import CorpusInput
from expander.commands.reading import Reader
from expander.errors import UsageError
from expander.store import post_of, read_only
from filters.dialogue import CorpusEntry, Dialogue
from prompts import topics
from prompts.small_file import read_small
from prompts.yaml_errors import FILE_ERRORS


def corpus_input(path: Path, name: str, kind: str, reader: Reader, *, human: bool) -> CorpusInput:
    """All of a corpus's dialogues, in memory; without the posts they were made from."""
    entries: list[CorpusEntry] = []
    broken: list[BrokenEntry] = []

    def dialogues() -> Iterator[Dialogue]:
        for entry in reader.entries(path, kind):
            if isinstance(entry, BrokenEntry):
                broken.append(entry)
            else:
                entries.append(entry)
                yield entry.dialogue

    cut = _cut_as_read(dialogues())
    return CorpusInput(
        name=name, file=path.name or str(path), kind=kind, human=human, entries=entries, broken=len(broken), cut=cut
    )


def _cut_as_read(dialogues: Iterator[Dialogue]) -> dict[str, Tokens]:
    """Takes all dialogues, and gives the words of a large corpus, cut by other processes while this one goes on reading.

    The tokenizer is the one for the language of the first thousands; the report cuts anew where that of all is another.
    """
    first = list(islice(dialogues, PARALLEL_FROM))
    if len(first) < PARALLEL_FROM:
        return {}
    tokenizer = tokenizer_for(language_of(first))
    return {tokenizer: tokens_of(chain(first, dialogues), tokenizer)}


def posts_of_run(folder: Path) -> Mapping[str, str]:
    """The posts of a run as they were sent, by id, in the order of its input."""
    with closing(read_only(folder)) as connection:
        rows = connection.execute("SELECT post FROM row ORDER BY position, sample")
        stored = (post_of(text).post for (text,) in rows)
        return {
            post.id: "\n".join(part for part in (post.title, post.description, post.answer) if part) for post in stored
        }


def codebook_names(path: Path | None) -> dict[str, str]:
    """Each spelling of a topic's name, with the name itself: Chinese and English name one topic.

    None is SMILE's codebook. Raises UsageError for a file that is no list of topics.
    """
    if path is None:
        return {spelling: topic.name for topic in topics() for spelling in (topic.name, topic.name_en)}
    try:
        document = yaml.safe_load(read_small(path))
    except FILE_ERRORS as error:
        raise UsageError(f"{path}: this codebook cannot be read. Give a YAML file in UTF-8.") from error
    listed = document.get("topics") if isinstance(document, dict) else document
    found: dict[str, str] = {}
    for entry in listed if isinstance(listed, list) else []:
        name = entry if isinstance(entry, str) else entry.get("name") if isinstance(entry, dict) else None
        other = entry.get("name_en") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name.strip():
            found.clear()
            break
        found[name.strip()] = name.strip()
        if isinstance(other, str) and other.strip():
            found.setdefault(other.strip(), name.strip())
    if not found:
        raise UsageError(f"{path}: a codebook is a list of topics, each a name or an object with `name`.")
    return found
