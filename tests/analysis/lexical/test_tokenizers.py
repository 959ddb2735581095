from __future__ import annotations

import json
import sys
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


def test_a_folder_without_the_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # as if it were not installed
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORD_LEVEL))
    with pytest.raises(TokenizerError, match=r"dialogue-expander\[tokenizers\]"):
        cutter(str(tmp_path))


def test_a_folder_gives_its_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORD_LEVEL))
    assert cutter(str(tmp_path))("good day \ud800 sir") == ["good", "day", "\ufffd", "[UNK]"]


def test_a_damaged_tokenizer_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json cannot be read"):
        cutter(str(tmp_path))


def byte_level(*words: str) -> dict[str, object]:
    """A file as models publish them: every text cut and filled up to four tokens, white space a letter of its own."""
    # In a byte-level vocabulary a space is written as this sign, and a line's end as the other.
    tokens = ["[PAD]", "\u0120", "\u010a", *words]
    return {
        **WORD_LEVEL,
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 4},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: place for place, token in enumerate(tokens)},
            "merges": [],
        },
    }


def test_a_model_cuts_or_fills_up_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(byte_level("a", "b", "\u0120a")))
    cut = cutter(str(tmp_path))
    assert cut("ab") == ["a", "b"]
    assert cut("abababab") == list("abababab")


def test_white_space_of_a_vocabulary_counts_as_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(byte_level("a", "b")))
    assert cutter(str(tmp_path))("a b\n a") == ["a", "b", "a"]


@pytest.mark.parametrize("config", [{"model_type": "bert"}, []], ids=["no vocabulary", "a list"])
def test_a_folder_without_a_vocabulary_cuts_all_the_same(tmp_path: Path, config: object) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(json.dumps(config))
    with pytest.raises(TokenizerError, match="holds no tokenizer"):
        cutter(str(tmp_path))
