from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import jieba
import pytest
import rjieba
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.lexical import fast_jieba
from analysis.lexical.fast_jieba import cut, cut_joined, goes_fast
from analysis.lexical.tokenizers import SEPARATOR
from tests.analysis.lexical.making import read

REPOSITORY = Path(__file__).resolve().parents[3]
SIGNS = st.one_of(
    st.sampled_from("我你他的了是在不很好想来心理咨询睡眠焦虑工作压力朋友家人两个月"),
    st.sampled_from("aZbc019+#&._%-"),
    st.sampled_from("，。！？、；：“”（）…—~ \n\r\t\u3000\u00a0"),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
    st.sampled_from("㐀䶵鿖鿿豈\U00020000\U0003134a〇々\ud800\udfff😀👍\ufe0f\u200d\x00éßω"),
)


@pytest.fixture(autouse=True)
def quiet() -> None:
    jieba.setLogLevel(logging.CRITICAL)


@given(st.text(SIGNS, max_size=60))
@settings(max_examples=1500, deadline=None)
def test_tokens_are_jiebas(text: str) -> None:
    assert cut(text) == jieba.lcut(text)


@given(st.lists(st.text(SIGNS, max_size=20), max_size=8), st.sampled_from([0, 1, 9, fast_jieba._PIECE]))
@settings(max_examples=300, deadline=None)
def test_texts_cut_together_differ_from_texts_cut_alone(texts: list[str], piece: int) -> None:
    bounds = [0]
    for text in texts:
        bounds.append(bounds[-1] + len(text) + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_jieba, "_PIECE", piece)
        tokens = list(chain.from_iterable(cut_joined(SEPARATOR.join([*texts, ""]), bounds)))
    assert tokens == [token for text in texts for token in (*jieba.lcut(text), SEPARATOR)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a_1",
        "版本1.2.3发布",
        "wi-fi很慢",
        "3-4天",
        "50%3",
        "WES-5.4.5",
        "c++和C#",
        "鿖鿿好",
        "丂丂丂好",
        "\ud800好a-1",
        "\r\n好",
    ],
)
def test_texts_that_part_the_two_come_out_as_jiebas(text: str) -> None:
    assert cut(text) == jieba.lcut(text)


@pytest.mark.parametrize(
    ("text", "fast"), [("今天心情不错，早睡了3.5小时。", False), ("今天不错。OK 100%", True), ("a-b", False)]
)
def test_plain_text_goes_the_fast_way(text: str, fast: bool) -> None:  # noqa: FBT001
    assert goes_fast(text) is fast


@pytest.mark.parametrize(
    ("name", "limit"), [("smilechat.jsonl.xz", 150), ("psy_insight_cn.json", 40), ("psy_insight_en.json", 40)]
)
def test_real_utterances_come_out_as_jiebas(data: Path, name: str, limit: int) -> None:
    texts = [utterance.text for dialogue in read(data / name, limit) for utterance in dialogue.utterances]
    assert len(texts) > limit
    assert [text for text in texts if cut(text) != jieba.lcut(text)] == []


@pytest.mark.parametrize("piece", ["的", "好a-1", "\u4e02", "㐀", "1.", "a_", "\ud800"], ids=ascii)
def test_a_giant_utterance_takes_seconds_at_most(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.monotonic()
    tokens = cut(text)
    assert time.monotonic() - began < 10
    assert "".join(tokens) == text


def test_nothing_is_logged_nor_cached_and_no_temporary_folder_is_needed(tmp_path: Path) -> None:
    code = (
        "import tempfile; tempfile.gettempdir = None\n"
        "from analysis.lexical.fast_jieba import cut\n"
        "print(len(cut('a_1')), len(cut('你好')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("3 1\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_near_tie_that_was_met_is_read_as_the_port_reads_it() -> None:
    text = "保持集中；常在和他人谈话时"
    assert rjieba.cut(text) != jieba.lcut(text)
    assert cut(text) == jieba.lcut(text)
