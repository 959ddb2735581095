"""From dialogues to `Tokens`: a stream cut into chunks, large corpora by several processes while the caller goes on reading."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from itertools import chain, islice
from multiprocessing.connection import wait
from typing import NamedTuple

import numpy as np

from analysis.lexical.tokenizers import CHARACTERS, cutter
from analysis.lexical.tokenizers import code_points as code_points_of
from analysis.lexical.tokens import Ids, Tokens
from filters.dialogue import Dialogue

PARALLEL_FROM = 4_000
"""Dialogues from which processes are started. Measured: two of them are ready after about a second, in which one process
cuts some 4,000 dialogues of SMILECHAT's length with jieba."""
CHUNK_DIALOGUES = 500
"""Dialogues that are cut at a time: about 0.3 million tokens of SMILECHAT's length, 1.2 MB a result."""
CHUNK_CODE_POINTS = 2_000_000
"""A chunk ends early where its dialogues are this long, so that a corpus of giants is held in pieces too."""
_WAITING = 3
"""Chunks in flight for each process: one at work, one waiting, one on its way back."""

_Chunk = list[tuple[str, ...]]


class _Cut(NamedTuple):
    """A chunk's tokens. Ids are places in its own vocabulary, which stands in order of first occurrence."""

    ids: bytes
    vocabulary: list[str]
    utterances: bytes
    """Tokens of each utterance, int32."""
    dialogues: list[int]
    """Utterances of each dialogue."""


def tokens_of(dialogues: Iterable[Dialogue], tokenizer: str, *, processes: int | None = None) -> Tokens:
    """The corpus under a tokenizer of `analysis.lexical.tokenizers`, each utterance cut alone; white space makes no token.

    Ids follow the order of first occurrence, whatever the number of processes. `processes` None means as many as there are
    cores, once there are `PARALLEL_FROM` dialogues; 1 means none besides this one. Raises TokenizerError, and whatever the
    iterable raises.
    """
    chunks = _chunks(dialogues)
    if tokenizer == CHARACTERS:
        return _merged(map(_characters, chunks), tokenizer)
    cutter(tokenizer)  # A name or folder that will not do is told before anything is read.
    count = processes or _cores()
    if count == 1:
        return _merged(map(_cut_here(tokenizer), chunks), tokenizer)
    first = list(islice(chunks, PARALLEL_FROM // CHUNK_DIALOGUES))
    if sum(map(len, first)) < PARALLEL_FROM and processes is None:
        return _merged(map(_cut_here(tokenizer), chain(first, chunks)), tokenizer)
    return _merged(_cut_elsewhere(chain(first, chunks), tokenizer, count), tokenizer)


def _cores() -> int:
    # What this process may use, where the system tells: a container's share, not the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunks(dialogues: Iterable[Dialogue]) -> Iterator[_Chunk]:
    chunk: _Chunk = []
    size = 0
    for dialogue in dialogues:
        texts = tuple(utterance.text for utterance in dialogue.utterances)
        chunk.append(texts)
        size += sum(map(len, texts))
        if len(chunk) == CHUNK_DIALOGUES or size >= CHUNK_CODE_POINTS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _cut_here(tokenizer: str) -> Callable[[_Chunk], _Cut]:
    cut = cutter(tokenizer)

    def cut_chunk(chunk: _Chunk) -> _Cut:
        places: defaultdict[str, int] = defaultdict()
        places.default_factory = places.__len__
        ids: list[Ids] = []
        lengths: list[int] = []
        for texts in chunk:
            said = [cut(text) for text in texts]
            lengths += map(len, said)
            ids.append(np.fromiter(map(places.__getitem__, chain.from_iterable(said)), np.int32))
        return _without_white_space(np.concatenate(ids), list(places), np.array(lengths), [*map(len, chunk)])

    return cut_chunk


def _without_white_space(ids: Ids, vocabulary: list[str], lengths: np.ndarray, dialogues: list[int]) -> _Cut:
    kept = np.array([not token.isspace() for token in vocabulary], bool)
    if kept.all():
        return _Cut(ids.tobytes(), vocabulary, lengths.astype(np.int32).tobytes(), dialogues)
    stays = kept[ids]
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    counted = np.concatenate(([0], np.cumsum(stays)))
    left = np.diff(counted[bounds])
    renumbered = (np.cumsum(kept) - 1).astype(np.int32)[ids[stays]]
    words = [token for token, keeps in zip(vocabulary, kept, strict=True) if keeps]
    return _Cut(renumbered.tobytes(), words, left.astype(np.int32).tobytes(), dialogues)


def _characters(chunk: _Chunk) -> _Cut:
    texts = list(chain.from_iterable(chunk))
    codes = code_points_of("".join(texts))
    # Written backwards, so that the place that stays is the first.
    first = np.full(0x110000, -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    found = np.flatnonzero(first >= 0)
    found = found[np.argsort(first[found])]
    places = np.empty(0x110000, np.int32)
    places[found] = np.arange(len(found))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return _without_white_space(places[codes], [*map(chr, found.tolist())], lengths, [*map(len, chunk)])


def _merged(chunks: Iterable[_Cut], tokenizer: str) -> Tokens:
    places: defaultdict[str, int] = defaultdict()
    places.default_factory = places.__len__
    ids = [np.empty(0, np.int32)]
    lengths = [np.empty(0, np.int32)]
    utterances: list[int] = []
    for chunk in chunks:
        known = np.fromiter(map(places.__getitem__, chunk.vocabulary), np.int32, len(chunk.vocabulary))
        ids.append(known[np.frombuffer(chunk.ids, np.int32)])
        lengths.append(np.frombuffer(chunk.utterances, np.int32))
        utterances += chunk.dialogues
    spoken = np.concatenate(([0], np.cumsum(np.concatenate(lengths), dtype=np.int64)))
    return Tokens(
        ids=np.concatenate(ids),
        dialogues=spoken[np.concatenate(([0], np.cumsum(np.array(utterances, np.int64))))],
        utterances=spoken,
        vocabulary=tuple(places),
        tokenizer=tokenizer,
    )


def _cut_elsewhere(chunks: Iterator[_Chunk], tokenizer: str, count: int) -> Iterator[_Cut]:
    """The chunks' tokens in order, never more than `_WAITING` chunks a process ahead of the one that is asked for."""
    # "spawn": a copy of this process would take its threads' locks along.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent)
    try:
        waiting: deque[Future[_Cut]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_cut_in_child, chunk, tokenizer))
            while len(waiting) >= count * _WAITING or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


_cutter_in_child = cache(_cut_here)


def _cut_in_child(chunk: _Chunk, tokenizer: str) -> _Cut:
    return _cutter_in_child(tokenizer)(chunk)


def _end_with_parent() -> None:
    """An interrupt is the parent's to answer; a parent that was killed answers nothing, so its end is watched."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinels: Sequence[int] = [parent.sentinel]

    def watch() -> None:
        wait(sentinels)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
