from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from analysis.lexical.tokenizers import TokenizerError, code_points, cutter, language_of, tokenizer_for
from filters.dialogue import Dialogue
from tests.analysis.making import dialogue, sound


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I don't know.", ["I", "don't", "know", "."]),
        ("self-care, isn’t it?", ["self-care", ",", "isn’t", "it", "?"]),
        ("--well... 'so'", ["-", "-", "well", ".", ".", ".", "'", "so", "'"]),
        ("3 a_b\n\t", ["3", "a", "_", "b"]),
        ("\ud800é 你好", ["\ud800", "é", "你好"]),
        ("", []),
    ],
)
def test_words_keep_inner_apostrophes_and_hyphens(text: str, tokens: list[str]) -> None:
    assert cutter("words")(text) == tokens


def test_code_points_keep_lone_surrogates() -> None:
    assert code_points("a\ud800\U0001f600").tolist() == [0x61, 0xD800, 0x1F600]


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ([sound()], "zh"),
        ([dialogue("How are you?", "Fine, thank you.")], "en"),
        ([sound(1), dialogue("How have you been sleeping since we talked?", "Not well.")], "mixed"),
        ([dialogue("12 …", "\ud800 😀")], ""),
        ([], ""),
        ([dialogue("最近总用手机刷TikTok", "嗯")], "mixed"),
        ([dialogue("最近总是用手机刷很久的视频，比如TikTok这些", "嗯")], "zh"),
    ],
    ids=["chinese", "english", "both", "no letters", "no dialogue", "half", "one foreign name"],
)
def test_language_follows_the_share_of_han(said: list[Dialogue], language: str) -> None:
    assert language_of(said) == language


@pytest.mark.parametrize(("language", "name"), [("zh", "jieba"), ("en", "words"), ("mixed", "jieba"), ("", "jieba")])
def test_each_language_has_a_tokenizer(language: str, name: str) -> None:
    assert tokenizer_for(language) == name


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer 'jeiba'.*jieba, characters, words"):
        cutter("jeiba")


WORD_LEVEL: dict[str, object] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "good": 1, "day": 2, "\ufffd": 3}, "unk_token": "[UNK]"},
}


@pytest.mark.skipif(find_spec("tokenizers") is not None, reason="the package is installed")
def test_a_folder_without_the_package_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORD_LEVEL))
    with pytest.raises(TokenizerError, match=r"dialogue-expander\[tokenizers\]"):
        cutter(str(tmp_path))


@pytest.mark.skipif(find_spec("tokenizers") is None, reason="the package tokenizers is absent")
def test_a_folder_gives_its_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORD_LEVEL))
    assert cutter(str(tmp_path))("good day \ud800 sir") == ["good", "day", "\ufffd", "[UNK]"]


@pytest.mark.skipif(find_spec("tokenizers") is None, reason="the package tokenizers is absent")
def test_a_damaged_tokenizer_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json cannot be read"):
        cutter(str(tmp_path))
