"""What a dialogue looks like in each format: one entry gives one row, or one for each session or utterance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

import orjson

from expander.errors import UsageError
from expander.export.row_files import Csv, JsonLines, Parquet, Row, RowFile
from expander.export.sessions import sessions
from filters.dialogue import CorpusEntry, Dialogue, Role

OPENAI: Mapping[Role, str] = MappingProxyType({Role.CLIENT: "user", Role.COUNSELOR: "assistant"})
SHAREGPT: Mapping[Role, str] = MappingProxyType({Role.CLIENT: "human", Role.COUNSELOR: "gpt"})
SOULCHAT: Mapping[Role, str] = MappingProxyType({Role.CLIENT: "用户：", Role.COUNSELOR: "心理咨询师："})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a row is made from: the entry as it came, its alternating form, and the system prompt if there is one."""

    entry: CorpusEntry
    dialogue: Dialogue
    system: str | None

    @property
    def question_id(self) -> str:
        """What the split went by. Never null: a column of nulls that turns into text breaks readers that guess types from the first rows."""
        return question_of(self.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to hand a corpus on."""

    suffix: str
    rows: Callable[[Source], Iterator[Row]]
    open: Callable[[IO[bytes]], RowFile]
    for_trainers: bool = True
    """Its dialogues are made to alternate, and one without an exchange is left out."""
    takes_system: bool = True
    loading: str
    """How a trainer reads it; English Markdown for the card, in our words."""


def question_of(entry: CorpusEntry) -> str:
    """The question that an entry was made from; its own id where the corpus names none."""
    return entry.question_id or entry.id


def format_named(name: str) -> Format:
    """Raises UsageError with the names there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UsageError(f"{name}: no such export format; there are {', '.join(FORMATS)}.") from None


def dataset_info(name: str, files: Mapping[str, str], *, system: bool) -> dict[str, Any]:
    """LLaMA-Factory's description of the files (split to file name); one data set a split, `NAME_train` and so on.

    Its `sharegpt` form is used and not its `openai` one, whose converter adds words of its own to the system prompt.
    Every tag is named: LLaMA-Factory sets a tag that `tags` leaves out to none, not to its default.
    """
    columns = {"messages": "conversations"} | ({"system": "system"} if system else {})
    tags = {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": SHAREGPT[Role.CLIENT],
        "assistant_tag": SHAREGPT[Role.COUNSELOR],
        "observation_tag": "observation",
        "function_tag": "function_call",
        "system_tag": "system",
    }
    return {
        f"{name}_{split}": {"file_name": file, "formatting": "sharegpt", "columns": columns, "tags": tags}
        for split, file in files.items()
    }


def _messages(dialogue: Dialogue, system: str | None) -> list[dict[str, str]]:
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": OPENAI[role], "content": text} for role, text in dialogue.utterances]


def _messages_rows(source: Source) -> Iterator[Row]:
    yield {
        "id": source.entry.id,
        "question_id": source.question_id,
        "messages": _messages(source.dialogue, source.system),
    }


def _sharegpt_rows(source: Source) -> Iterator[Row]:
    said = [{"from": SHAREGPT[role], "value": text} for role, text in source.dialogue.utterances]
    system = {"system": source.system} if source.system else {}
    yield {"id": source.entry.id, "question_id": source.question_id, "conversations": said, **system}


def _parquet_rows(source: Source) -> Iterator[Row]:
    for row in _messages_rows(source):
        yield {**row, "turns": source.dialogue.turns, "provenance": _json(source.entry.extra)}


def _session_rows(source: Source) -> Iterator[Row]:
    for number, session in enumerate(sessions(source.entry.dialogue), 1):
        yield {
            "id": f"{source.entry.id}#{number}",
            "dialogue_id": source.entry.id,
            "question_id": source.question_id,
            "messages": _messages(session, source.system),
        }


def _soulchat_rows(source: Source) -> Iterator[Row]:
    for number, session in enumerate(sessions(source.entry.dialogue), 1):
        *history, last = session.utterances
        lines = [f"{SOULCHAT[role]}{_one_line(text)}" for role, text in history]
        yield {
            "id": f"{source.entry.id}#{number}",
            "dialogue_id": source.entry.id,
            "question_id": source.question_id,
            "input": "\n".join([*lines, SOULCHAT[Role.COUNSELOR]]),
            "target": last.text,
        }


def _csv_rows(source: Source) -> Iterator[Row]:
    for number, (role, text) in enumerate(source.entry.dialogue.utterances, 1):
        yield {
            "id": source.entry.id,
            "question_id": source.question_id,
            "number": number,
            "role": str(role),
            "text": text,
        }


def _one_line(text: str) -> str:
    # A newline is what parts speakers in SoulChat's string: one inside an utterance could begin a line with a label.
    return " ".join(filter(None, (line.strip() for line in text.splitlines())))


def _json(extra: Mapping[str, object]) -> str:
    try:
        return orjson.dumps(dict(extra), default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # whole numbers beyond 64 bits, lone surrogates: the slower writer has an escape for them
        return json.dumps(dict(extra), default=str)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "messages": Format(
            suffix="jsonl",
            rows=_messages_rows,
            open=JsonLines,
            loading="Each line has `messages`, a list of `role` (`user`, `assistant`) and `content`. TRL's `SFTTrainer` takes it as it is.",
        ),
        "sharegpt": Format(
            suffix="jsonl",
            rows=_sharegpt_rows,
            open=JsonLines,
            loading="Each line has `conversations`, a list of `from` (`human`, `gpt`) and `value`; a system prompt stands in `system`.",
        ),
        "llama-factory": Format(
            suffix="jsonl",
            rows=_sharegpt_rows,
            open=JsonLines,
            loading="Give this folder as `dataset_dir`; `dataset_info.json` names the data sets.",
        ),
        "parquet": Format(
            suffix="parquet",
            rows=_parquet_rows,
            open=Parquet,
            loading="Columns: `id`, `question_id`, `messages` (a list of `role` and `content`), `turns`, `provenance` (JSON).",
        ),
        "sft-sessions": Format(
            suffix="jsonl",
            rows=_session_rows,
            open=JsonLines,
            loading="One row for each counselor utterance: `messages` ends with it, after all that was said before it (SMILE §6.1). "
            "It alone is to be predicted: set `mask_history` in LLaMA-Factory, or give TRL the last message as `completion` and the others "
            "as `prompt`; otherwise earlier replies are learnt once for every session that they stand in. A counselor who speaks twice in a row "
            "ends two sessions, the second with both utterances, joined.",
        ),
        "soulchat": Format(
            suffix="jsonl",
            rows=_soulchat_rows,
            open=JsonLines,
            takes_system=False,
            loading="One row for each counselor utterance: `input` holds one line an utterance and ends at `心理咨询师：` (SoulChat §2.2); "
            "`target` is what comes next. Newlines inside an utterance of `input` are spaces.",
        ),
        "csv": Format(
            suffix="csv",
            rows=_csv_rows,
            open=Csv,
            for_trainers=False,
            takes_system=False,
            loading="One row for each utterance, as it stands in the corpus: nothing is merged or trimmed. Cells that a spreadsheet could take for a "
            "formula, and cells that begin with an apostrophe, have an apostrophe put before them; take it off to have the text back.",
        ),
    }
)
