"""From dialogues to `Tokens`: a stream cut into chunks, large corpora by several processes while the caller goes on reading."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice, pairwise
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import NamedTuple

import numpy as np

from analysis.lexical.tokenizers import CHARACTERS, JIEBA, SEPARATOR, cutter
from analysis.lexical.tokenizers import code_points as code_points_of
from analysis.lexical.tokens import Bounds, Ids, Tokens
from analysis.processors import processors
from filters.dialogue import Dialogue

PARALLEL_FROM = 4_000
"""Dialogues from which processes are started. Measured: two of them are ready after about a second, in which one process
cuts some 4,000 dialogues of SMILECHAT's length with jieba."""
CHUNK_DIALOGUES = 500
"""Dialogues that are cut at a time: about 0.3 million tokens of SMILECHAT's length, 1.2 MB a result."""
CHUNK_CODE_POINTS = 2_000_000
"""A chunk ends early where its dialogues are this long, so that a corpus of giants is held in pieces too."""
_WAITING = 8
"""Chunks in flight for each process: one at work, one on its way back, the others to be at hand when it has started, which takes as
long as cutting them."""


class _Chunk(NamedTuple):
    """Dialogues as one text, which goes to another process and through a tokenizer faster than a million short ones."""

    text: str
    """The utterances, each with `SEPARATOR` after it; an utterance may hold that sign too."""
    lengths: bytes
    """Code points of each utterance, the separator among them, int32."""
    dialogues: list[int]
    """Utterances of each dialogue."""

    @property
    def bounds(self) -> Bounds:
        """Where the utterances begin in the text, and where the last one ends."""
        return np.concatenate(([0], np.cumsum(np.frombuffer(self.lengths, np.int32), dtype=np.int64)))


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
    count = processes or processors()
    if count == 1:
        return _merged(map(_cut_here(tokenizer), chunks), tokenizer)
    first = list(islice(chunks, PARALLEL_FROM // CHUNK_DIALOGUES))
    if sum(len(chunk.dialogues) for chunk in first) < PARALLEL_FROM and processes is None:
        return _merged(map(_cut_here(tokenizer), chain(first, chunks)), tokenizer)
    return _merged(_cut_elsewhere(chain(first, chunks), tokenizer, count), tokenizer)


def _chunks(dialogues: Iterable[Dialogue]) -> Iterator[_Chunk]:
    texts: list[str] = []
    counts: list[int] = []
    size = 0
    for dialogue in dialogues:
        said = [utterance.text for utterance in dialogue.utterances]
        texts += said
        counts.append(len(said))
        size += sum(map(len, said))
        if len(counts) == CHUNK_DIALOGUES or size >= CHUNK_CODE_POINTS:
            yield _chunk(texts, counts)
            texts, counts, size = [], [], 0
    if counts:
        yield _chunk(texts, counts)


def _chunk(texts: list[str], counts: list[int]) -> _Chunk:
    lengths = np.fromiter(map(len, texts), np.int32, len(texts)) + np.int32(1)
    return _Chunk(SEPARATOR.join([*texts, ""]), lengths.tobytes(), counts)


def _cut_here(tokenizer: str) -> Callable[[_Chunk], _Cut]:
    cut = cutter(tokenizer)

    def cut_chunk(chunk: _Chunk) -> _Cut:
        bounds = chunk.bounds
        if tokenizer == JIEBA and chunk.text.count(SEPARATOR) == len(bounds) - 1:
            return _by_jieba(chunk, bounds)
        places = _numbering()
        said = [cut(chunk.text[start : end - 1]) for start, end in pairwise(bounds.tolist())]
        ids = np.fromiter(map(places.__getitem__, chain.from_iterable(said)), np.int32)
        lengths = np.fromiter(map(len, said), np.int64, len(said))
        return _without_white_space(ids, list(places), lengths, chunk.dialogues)

    return cut_chunk


def _by_jieba(chunk: _Chunk, bounds: Bounds) -> _Cut:
    """No utterance holds a separator, so that each separator among the tokens ends one."""
    from analysis.lexical import fast_jieba

    places = _numbering()
    separator = places[SEPARATOR]
    tokens = chain.from_iterable(fast_jieba.cut_joined(chunk.text, bounds.tolist()))
    ids = np.fromiter(map(places.__getitem__, tokens), np.int32)
    ends = np.flatnonzero(ids == separator) + 1
    return _without_white_space(ids, list(places), np.diff(ends, prepend=0), chunk.dialogues)


def _numbering() -> defaultdict[str, int]:
    """Each new key gets the next number, from 0."""
    places: defaultdict[str, int] = defaultdict()
    places.default_factory = places.__len__
    return places


def _without_white_space(ids: Ids, vocabulary: list[str], lengths: Bounds, dialogues: list[int]) -> _Cut:
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
    codes = code_points_of(chunk.text)
    # Written backwards, so that the place that stays is the first.
    first = np.full(0x110000, -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    found = np.flatnonzero(first >= 0)
    found = found[np.argsort(first[found])]
    places = np.empty(0x110000, np.int32)
    places[found] = np.arange(len(found))
    return _without_white_space(places[codes], [*map(chr, found.tolist())], np.diff(chunk.bounds), chunk.dialogues)


def _merged(chunks: Iterable[_Cut], tokenizer: str) -> Tokens:
    places = _numbering()
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
            with _no_interrupt_for_children():
                waiting.append(pool.submit(_cut_in_child, chunk, tokenizer))
            while len(waiting) >= count * _WAITING or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()  # nobody wants what it is at, and whoever pressed Ctrl-C would wait for it
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_cutter_in_child = cache(_cut_here)


def _cut_in_child(chunk: _Chunk, tokenizer: str) -> _Cut:
    return _cutter_in_child(tokenizer)(chunk)


@contextmanager
def _no_interrupt_for_children() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C: it would end them with a traceback before `_end_with_parent` runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would let signals through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
