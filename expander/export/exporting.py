"""One pass over a corpus: each dialogue goes into its part's file, or is left out with a reason; then the card is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson

from expander.errors import UsageError
from expander.export.alternate import Alternating, alternating
from expander.export.card import card, data_file
from expander.export.facts import CardFacts
from expander.export.formats import FORMATS, Format, Source, dataset_info, format_named, question_of
from expander.export.markdown import one_line
from expander.export.report import ExportReport, LeftOut, SplitSize
from expander.export.row_files import JsonLines, Row, RowFile
from expander.export.split import Shares, Split, assign
from expander.export.system_prompt import SystemPrompt
from expander.export.writing import named, whole_folder
from filters.dialogue import CorpusEntry

CARD = "README.md"
CHANGES = "changes.jsonl"
DATASET_INFO = "dataset_info.json"

# Every name an export may have: only a folder of nothing else is ever replaced.
OWN = frozenset(
    [
        CARD,
        CHANGES,
        DATASET_INFO,
        *(f"{split}.{suffix}" for split in Split for suffix in {form.suffix for form in FORMATS.values()}),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What may be asked of an export beside its format."""

    shares: Shares = field(default_factory=Shares)
    seed: int = 0
    system: SystemPrompt | None = None
    overwrite: bool = False
    """Replace an earlier export in the same folder; nothing else is ever replaced."""


def export(
    entries: Iterable[CorpusEntry], *, to: str, out: Path, options: ExportOptions | None = None, facts: CardFacts
) -> ExportReport:
    """Write `entries` into the folder `out`, one file a split, with changes.jsonl and the card; whole or not at all.

    Entries are taken one at a time and none is kept. changes.jsonl has a line for each dialogue that was changed or
    left out: its id and counts, never its text.
    Raises UsageError for an unknown format, a system prompt where the format has no place for one, a folder that must not
    be replaced, and a corpus of which nothing is left; ExportError where the disk refuses. Errors of `entries` pass through.
    """
    options = options or ExportOptions()
    form = format_named(to)
    if options.system and not form.takes_system:
        raise UsageError(
            f"{to}: this format has no place for a system prompt. Leave it away, or choose another format."
        )
    with whole_folder(out, replace=options.overwrite, marker=CHANGES, own=OWN) as draft, ExitStack() as files:
        pass_ = _Pass(draft, to, form, options, files)
        for entry in entries:
            pass_.take(entry)
        report = pass_.finish(out)
        if not report.rows:
            why = ", ".join(f"{count} {reason}" for reason, count in report.left_out.items()) or "it has no dialogue"
            raise UsageError(f"{out}: nothing of this corpus can be exported ({why}). Nothing was written.")
        with named(out):
            if to == "llama-factory":
                written = {str(split): data_file(to, split) for split in Split if report.sizes[split].rows}
                info = dataset_info(_slug(facts.name), written, system=options.system is not None)
                (draft / DATASET_INFO).write_bytes(
                    orjson.dumps(info, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
                )
            (draft / CARD).write_bytes(card(facts, report).encode("utf-8", "replace"))
    return report


class _Pass:
    """The open files of one export and what was counted so far."""

    def __init__(self, draft: Path, to: str, form: Format, options: ExportOptions, files: ExitStack) -> None:
        self._draft, self._to, self._form, self._options, self._stack = draft, to, form, options, files
        self._system = options.system.text if options.system else None
        self._files: dict[str, tuple[RowFile, IO[bytes]]] = {}
        self._dialogues: Counter[Split] = Counter()
        self._rows: Counter[Split] = Counter()
        self._left_out: Counter[LeftOut] = Counter()
        self._changes: Counter[str] = Counter()
        self._open(CHANGES, JsonLines)

    def take(self, entry: CorpusEntry) -> None:
        """Write the entry's rows, or count why there are none."""
        form, as_it_should = self._form, alternating(entry.dialogue)
        if not _is_unicode(entry):
            self._leave_out(entry, LeftOut.NOT_UNICODE)
        elif form.for_trainers and as_it_should is None:
            self._leave_out(entry, LeftOut.NO_EXCHANGE)
        elif not entry.dialogue.utterances:
            self._leave_out(entry, LeftOut.NO_UTTERANCE)
        else:
            split = assign(question_of(entry), self._options.shares, self._options.seed)
            dialogue = as_it_should.dialogue if as_it_should else entry.dialogue
            name = data_file(self._to, split)
            self._open(name, form.open)
            for row in form.rows(Source(entry=entry, dialogue=dialogue, system=self._system)):
                self._write(name, row)
                self._rows[split] += 1
            self._dialogues[split] += 1
            self._changes["without_question"] += entry.question_id is None
            if form.for_trainers and as_it_should and as_it_should.changed:
                self._note_changes(entry, split, as_it_should)

    def finish(self, out: Path) -> ExportReport:
        """Close the data files and say what they hold."""
        for name, (rows, file) in self._files.items():
            with named(self._draft / name):
                rows.finish()
                file.close()
        extra = [DATASET_INFO] if self._to == "llama-factory" else []
        return ExportReport(
            to=self._to,
            out=out,
            files=(*sorted(self._files), *extra, CARD),
            sizes={split: SplitSize(self._dialogues[split], self._rows[split]) for split in Split},
            left_out=dict(self._left_out),
            changed=self._changes["changed"],
            merged=self._changes["merged"],
            trimmed_start=self._changes["trimmed_start"],
            trimmed_end=self._changes["trimmed_end"],
            empty=self._changes["empty"],
            without_question=self._changes["without_question"],
            shares=self._options.shares,
            seed=self._options.seed,
            system_source=self._options.system.source if self._options.system else None,
        )

    def _leave_out(self, entry: CorpusEntry, why: LeftOut) -> None:
        self._left_out[why] += 1
        self._write(CHANGES, {"id": _writable(entry.id), "place": _writable(entry.place), "left_out": why})

    def _note_changes(self, entry: CorpusEntry, split: Split, changed: Alternating) -> None:
        counts = {
            "merged": changed.merged,
            "trimmed_start": changed.trimmed_start,
            "trimmed_end": changed.trimmed_end,
            "empty": changed.empty,
        }
        self._changes.update(counts)
        self._changes["changed"] += 1
        self._write(CHANGES, {"id": entry.id, "split": split, **counts})

    def _open(self, name: str, kind: Callable[[IO[bytes]], RowFile]) -> None:
        if name not in self._files:
            with named(self._draft / name):
                file = (self._draft / name).open("wb", buffering=1 << 20)
                rows = kind(file)
                self._stack.callback(_close_at_last, rows, file)
                self._files[name] = (rows, file)

    def _write(self, name: str, row: Row) -> None:
        with named(self._draft / name):
            self._files[name][0].write(row)


def _close_at_last(rows: RowFile, file: IO[bytes]) -> None:
    rows.abandon()
    # Closing writes what is buffered, which a full disk refuses again: the first refusal is the one to report.
    with suppress(OSError):
        file.close()


def _is_unicode(entry: CorpusEntry) -> bool:
    texts = (entry.id, entry.question_id or "", *(text for _, text in entry.dialogue.utterances))
    try:
        for text in texts:
            text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _slug(name: str) -> str:
    # LLaMA-Factory reads a list of names parted by commas, so a name keeps to letters, digits and underscores.
    return re.sub(r"\W+", "_", one_line(name)).strip("_").lower() or "corpus"
