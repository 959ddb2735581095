"""`dedup`: what says the same as what, and the dialogues that stay."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.dedup import Deduplication, DedupSettings, deduplicate
from expander.commands.options import DedupOptions
from expander.commands.reading import Reader, entries
from expander.commands.writing import keep_inputs, output_file, write_json
from expander.consoles import printable
from expander.errors import UsageError
from expander.judging import messages
from filters.dialogue import CorpusEntry

_CLUSTERS = 10  # shown, the largest; --json has all
_IDS = 5  # shown of each


def dedup_corpora(corpora: tuple[Path, ...], options: DedupOptions, console: Console, status: Console) -> int:
    """Print counts and clusters, write what was asked for, and give the exit code."""
    if not corpora:
        raise UsageError("Name a corpus, or several.")
    named = _named((*corpora, *options.against))
    keep_inputs([options.out, options.json], named.values())
    try:
        settings = DedupSettings(threshold=options.threshold, seed=options.seed, near=not options.exact_only)
    except ValueError as error:
        raise UsageError(f"{error}.") from error
    reader = Reader(status)
    reading = {name: reader.entries(path) for name, path in named.items()}
    result = deduplicate(
        {str(path): reading[str(path)] for path in corpora},
        reference={str(path): reading[str(path)] for path in options.against},
        settings=settings,
    )
    _print(result, corpora, console)
    if options.out is not None:
        _write_kept(options.out, corpora, result)
    if options.json is not None:
        write_json(options.json, result.to_json())
    return reader.exit_code


def _named(paths: tuple[Path, ...]) -> Mapping[str, Path]:
    """Paths by the names that the report has for them."""
    twice = [path for path, times in Counter(path.resolve() for path in paths).items() if times > 1]
    if twice:
        raise UsageError(f"{twice[0]}: is named twice, so all of it would be its own duplicate. Name it once.")
    return {str(path): path for path in paths}


def _write_kept(out: Path, corpora: tuple[Path, ...], result: Deduplication) -> None:
    """Read the corpora once more and write what stays: texts were not kept in memory for this."""
    with output_file(out) as file:
        for corpus in corpora:
            kept = result.kept_places(str(corpus))
            for entry in entries(corpus):
                if isinstance(entry, CorpusEntry) and entry.place in kept:
                    file.write(_line(_row(entry, str(corpus))))


def _row(entry: CorpusEntry, corpus: str) -> dict[str, object]:
    """The dialogue as OpenAI messages, with everything else that its corpus says of it under the corpus's names."""
    extra = dict(entry.extra)
    said: list[dict[str, object]] = [{**message} for message in messages(entry.dialogue)]
    others = extra.pop("utterances", None)
    if isinstance(others, tuple):  # what the corpus has beside speaker and text, an utterance each
        said = [{**other, **message} for other, message in zip(others, said, strict=True)]
    if isinstance(system := extra.get("system"), str):
        del extra["system"]
        said.insert(0, {"role": "system", "content": system})
    question = {} if entry.question_id is None else {"question_id": entry.question_id}
    own = {"id": entry.id, "corpus": corpus, **question, "messages": said}
    return {**own, **extra, **own}  # its own keys first, and never another's value


def _line(row: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # whole numbers beyond 64 bits; half a surrogate pair, which no UTF-8 can hold, becomes `?`
        return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _print(result: Deduplication, corpora: tuple[Path, ...], console: Console) -> None:
    kept = Counter(member.corpus for member in result.kept)
    exact = Counter(one.member.corpus for one in result.dropped if one.how == "exact" and not one.in_reference)
    near = Counter(one.member.corpus for one in result.dropped if one.how == "near" and not one.in_reference)
    known = Counter(one.member.corpus for one in result.dropped if one.in_reference)
    table = Table(box=None, pad_edge=False)
    table.add_column("corpus", overflow="fold")
    for column in ("dialogues", "kept", "equal words", "near", "in a reference"):
        table.add_column(column, justify="right")
    for name in map(str, corpora):
        counts = kept[name], exact[name], near[name], known[name]
        table.add_row(Text(printable(name)), *(f"{count:,}" for count in (sum(counts), *counts)))
    console.print(table)
    clusters = result.clusters()
    if not clusters:
        return
    listing = Table("stays", "dropped for it", box=None, pad_edge=False, title_justify="left")
    listing.title = f"{len(clusters):,} clusters" + (", the largest:" if len(clusters) > _CLUSTERS else ":")
    for cluster in clusters[:_CLUSTERS]:
        ids = [f"{one.member.id} ({one.similarity:.2f})" for one in cluster.dropped[:_IDS]]
        more = len(cluster.dropped) - len(ids)
        stays = f"{cluster.stays.id}{' (reference)' if cluster.in_reference else ''}"
        listing.add_row(
            Text(printable(stays)), Text(printable("  ".join(ids) + (f"  and {more:,} more" if more else "")))
        )
    console.print()
    console.print(listing)
