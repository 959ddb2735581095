from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jieba
import numpy as np
import pytest

from analysis.lexical import tokenizing
from analysis.lexical.tokenizers import TokenizerError, cutter
from analysis.lexical.tokenizing import tokens_of
from analysis.lexical.tokens import Tokens
from filters.dialogue import Dialogue
from tests.analysis.lexical.making import read, rows_of
from tests.analysis.making import dialogue, sound

REPOSITORY = Path(__file__).resolve().parents[3]
MIXED = [
    sound(),
    dialogue("你好 吗\n", " ", "", "\u3000", "好。"),
    Dialogue(()),
    dialogue("", "  "),
    dialogue("a-1 \ud800 OK", "\U0001f600\ufe0f"),
    dialogue("好\x1f的", "\x1f", "累"),
    sound(3),
]


def same(first: Tokens, second: Tokens) -> bool:
    return (
        np.array_equal(first.ids, second.ids)
        and np.array_equal(first.dialogues, second.dialogues)
        and np.array_equal(first.utterances, second.utterances)
        and first.vocabulary == second.vocabulary
    )


@pytest.mark.parametrize("name", ["jieba", "characters", "words"])
def test_bounds_and_ids_say_what_was_said(name: str) -> None:
    tokens = tokens_of(MIXED, name)
    cut = {"jieba": jieba.lcut, "characters": list, "words": cutter("words")}[name]
    said = [[[token for token in cut(one.text) if token.strip()] for one in it.utterances] for it in MIXED]
    assert rows_of(tokens) == [[token for utterance in one for token in utterance] for one in said]
    assert np.diff(tokens.utterances).tolist() == [len(utterance) for one in said for utterance in one]
    assert list(tokens.vocabulary) == list(dict.fromkeys(token for row in rows_of(tokens) for token in row))
    assert tokens.tokenizer == name
    assert (tokens.total, tokens.count_of_dialogues) == (sum(map(len, rows_of(tokens))), len(MIXED))


def test_a_sign_that_parts_utterances_inside_one_changes_bounds() -> None:
    plain = [dialogue("好 的", "a-1", "累"), sound()]
    with_sign = [dialogue("好\x1f的", "a-1", "累"), sound()]
    assert same(tokens_of(plain, "jieba"), tokens_of(with_sign, "jieba"))


def test_no_dialogue_gives_no_token() -> None:
    for name in ("jieba", "characters"):
        tokens = tokens_of(iter(()), name)
        assert (tokens.total, tokens.dialogues.tolist(), tokens.utterances.tolist()) == (0, [0], [0])
        assert tokens.vocabulary == ()


@pytest.mark.parametrize("name", ["jieba", "characters"])
def test_chunks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tokens_of(MIXED, name)
    for dialogues, points in ((1, 10**9), (4, 10**9), (500, 30)):
        monkeypatch.setattr(tokenizing, "CHUNK_DIALOGUES", dialogues)
        monkeypatch.setattr(tokenizing, "CHUNK_CODE_POINTS", points)
        assert same(tokens_of(MIXED, name), whole)


def test_processes_change_nothing_on_real_dialogues(data: Path) -> None:
    said = list(read(data / "smilechat.jsonl.xz", 1_600))
    alone = tokens_of(said, "jieba", processes=1)
    assert alone.total > 500_000
    assert same(tokens_of(iter(said), "jieba", processes=2), alone)


def test_an_unknown_tokenizer_is_told_before_anything_is_read() -> None:
    def never() -> Iterator[Dialogue]:
        pytest.fail("the corpus was read")
        yield sound()

    with pytest.raises(TokenizerError):
        tokens_of(never(), "jeiba")


def test_what_reading_raises_comes_through_and_leaves_no_process() -> None:
    def cut_short() -> Iterator[Dialogue]:
        for _ in range(700):
            yield sound()
        raise OSError("the file ends early")

    with pytest.raises(OSError, match="the file ends early"):
        tokens_of(cut_short(), "words", processes=2)
    assert children_of(os.getpid()) == set()


def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(
        "from itertools import repeat\n"
        "from analysis.lexical.tokenizing import tokens_of\n"
        "from tests.analysis.making import sound\n"
        "if __name__ == '__main__':\n"
        "    tokens_of(repeat(sound()), 'words', processes=2)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    try:
        patiently = time.monotonic() + 30
        # Two workers and the tracker of shared resources.
        while len(started := children_of(parent.pid)) < 3 and time.monotonic() < patiently:
            time.sleep(0.05)
        assert len(started) >= 3
        time.sleep(1)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    patiently = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in started) and time.monotonic() < patiently:
        time.sleep(0.05)
    assert not [child for child in started if Path(f"/proc/{child}").exists()]


def children_of(parent: int) -> set[int]:
    """Processes that were started by this one and do work; trackers that Python keeps for itself are its own."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == parent and (parent != os.getpid() or "spawn_main" in command):
            found.add(int(stat.parent.name))
    return found
