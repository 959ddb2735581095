"""Targets: corpora of any kind as the audit and the report load them."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable

import orjson
import zstandard

from analysis.corpora import KINDS, BrokenEntry, CorpusError, detect_kind, read_corpus
from analysis.folding import folded_text
from filters.dialogue import CorpusEntry
from tests.campaigns.fuzz import scratch
from tests.campaigns.fuzz.contract import Target, chosen, held
from tests.campaigns.fuzz.nasties import BYTES, LABELS, PSYQA, REPLY, line
from tests.campaigns.fuzz.replies import exported

_KINDS = (None, *KINDS)
_ENDINGS = (".json", ".jsonl", ".txt", "", ".jsonl.gz", ".jsonl.zst", ".jsonl.xz")
_PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 1, mtime=0),
    ".zst": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
    ".xz": lambda data: lzma.compress(data, preset=0),
}


def corpus(data: bytes) -> None:
    """The first byte chooses the name's ending and the kind; packed ones are packed whole, or damaged if the byte says so."""
    choice, content = (data[0] if data else 0), data[1:]
    ending, kind = _ENDINGS[choice % len(_ENDINGS)], _KINDS[choice // len(_ENDINGS) % len(_KINDS)]
    pack = _PACK.get(ending[-4:] if ending.endswith((".zst",)) else ending[-3:])
    if pack is not None:
        content = pack(content)[: None if choice < 200 else -7]
    path = scratch.file(f"corpus{ending}", content)
    try:
        if kind is None:
            held(detect_kind(path) in KINDS, "a corpus's kind is one of those that are listed")
        found = list(read_corpus(path, kind=kind))
    except CorpusError as error:
        held(bool(str(error)), "an error says what is wrong")
        return
    places = [entry.place for entry in found]
    held(len(set(places)) == len(places), "a place is a row's own")
    for entry in found:
        if isinstance(entry, BrokenEntry):
            held(bool(entry.reason), "a broken entry says why")
            continue
        _whole(entry)


def _whole(entry: CorpusEntry) -> None:
    held(bool(entry.id) and bool(entry.dialogue.utterances), "an entry has an id and says something")
    orjson.dumps([text for _, text in entry.dialogue.utterances])
    folded_text(entry.dialogue)
    if chosen(entry.id.encode()):
        exported(entry)


_MESSAGES = {
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好，请说"}],
    "id": "a1",
}
_SMILE = {"id": 3, "messages": [{"role": "client", "content": "你好"}, {"role": "counselor", "content": "请说"}]}
_INSIGHT = {
    "dialog_id": 1,
    "dialog": [
        {"speaker": "Seeker", "content": "Hi", "emotional label": "sad"},
        {"speaker": "Supporter", "content": "Tell me", "strategy": "Question"},
    ],
    "topic": "x, y",
}
_SHARED = {
    "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
}
_RUN = {**_MESSAGES, "provenance": {"question_id": 1, "post_id": "p"}}
_ROWS = tuple(map(line, (_MESSAGES, _SMILE, _INSIGHT, _SHARED, PSYQA, _RUN)))

TARGETS = (
    Target(
        name="corpus",
        promise="CorpusError, or entries of valid text with places of their own, the same when read back from an export.",
        run=corpus,
        seeds=(
            *(bytes([1]) + row + b"\n" + row for row in _ROWS),
            *(bytes([0]) + b"[" + row + b"," + row + b"]" for row in _ROWS),
            *(bytes([4 + number % 3]) + row for number, row in enumerate(_ROWS)),
            b"\x00" + line(_SMILE["messages"]),
            b"\x02" + REPLY.encode(),
            b"\x03" + REPLY.encode(),
        ),
        words=(
            *BYTES,
            *LABELS[:24],
            *(
                f'"{key}"'.encode()
                for key in (
                    "messages",
                    "role",
                    "content",
                    "dialog",
                    "speaker",
                    "conversations",
                    "from",
                    "value",
                    "id",
                    "answers",
                    "provenance",
                    "question_id",
                )
            ),
        ),
    ),
)
