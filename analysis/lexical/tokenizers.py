"""Tokenizers by name, and which one a corpus's language asks for.

Each cuts an utterance on its own, drops tokens that are white space alone, keeps punctuation and folds no case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from filters.dialogue import Dialogue

JIEBA = "jieba"
CHARACTERS = "characters"
WORDS = "words"
NAMES = (JIEBA, CHARACTERS, WORDS)
"""Every name; anything else is the folder of a Hugging Face tokenizer."""

SEPARATOR = "\x1f"
"""Between utterances that are cut together: white space, and no part of any word to jieba or its port."""

HAN_FROM = 0.7
"""Share of Han among the letters from which a corpus counts as Chinese. Measured: 0.996 and more in Chinese counselling corpora;
0.38 for 400 Chinese and 400 English sessions together, as a letter says less than a Han character."""
HAN_UP_TO = 0.05
"""Share of Han among the letters up to which a corpus counts as English; a Chinese name or greeting here and there."""

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|\S")
_SURROGATE = re.compile("[\ud800-\udfff]")

Cut = Callable[[str], list[str]]


class TokenizerError(ValueError):
    """A tokenizer that cannot be used: which one, what is wrong, what to do."""


def cutter(name: str) -> Cut:
    """The function that cuts one utterance into tokens; tokens of white space alone may be among them.

    "jieba": words of jieba 0.42.1, accurate mode with the hidden Markov model. "characters": code points. "words": runs of
    letters and digits, with apostrophes and hyphens inside a run kept in it ("don't", "self-care"); each other sign that is
    no white space is a token of its own. Else the tokenizer in that folder, without special tokens, where a lone surrogate
    is read as U+FFFD. Raises TokenizerError.
    """
    if name == JIEBA:
        from analysis.lexical import fast_jieba

        return fast_jieba.cut
    if name == CHARACTERS:
        return list
    if name == WORDS:
        return cast("Cut", _WORD.findall)
    return _from_folder(Path(name))


def tokenizer_for(language: str) -> str:
    """The tokenizer for a language as `language_of` names it: words for English, else jieba, which keeps ASCII words whole."""
    return WORDS if language == "en" else JIEBA


def language_of(dialogues: Iterable[Dialogue]) -> str:
    """ "zh" where at least `HAN_FROM` of the letters are Han, "en" where at most `HAN_UP_TO` are, else "mixed"; "" without letters.

    Letters are code points that `str.isalpha` accepts, so that a script other than Han counts as not Chinese.
    """
    han = letters = 0
    for dialogue in dialogues:
        codes = code_points("".join(utterance.text for utterance in dialogue.utterances))
        kinds = _kinds()[codes]
        letters += int(np.count_nonzero(kinds))
        han += int(np.count_nonzero(kinds == _HAN))
    if not letters:
        return ""
    if han >= HAN_FROM * letters:
        return "zh"
    return "en" if han <= HAN_UP_TO * letters else "mixed"


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The text's code points, lone surrogates among them; shape (code points,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


_LETTER, _HAN = 1, 2


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.fromiter(map(str.isalpha, map(chr, range(0x110000))), np.uint8, 0x110000)
    for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)):
        kinds[first : last + 1] *= _HAN
    return kinds


def _from_folder(folder: Path) -> Cut:
    if not folder.is_dir():
        raise TokenizerError(
            f"There is no tokenizer {str(folder)!r}: it is none of {', '.join(NAMES)}, and no folder of that name exists."
        )
    file = folder / "tokenizer.json"
    if file.is_file():
        library = _library("tokenizers", folder)
        try:
            fast = library.Tokenizer.from_file(str(file))
        except Exception as error:
            # The library raises plain Exception for whatever it cannot read.
            raise TokenizerError(f"{file} cannot be read as a tokenizer: {error}") from error
        # A model's file may say to cut and fill up every text to the model's length (all-MiniLM-L6-v2: 128).
        fast.no_truncation()
        fast.no_padding()

        @cache
        def is_said(token: int) -> bool:
            # White space has a sign of its own in a vocabulary, such as Ġ, Ċ or ▁.
            return bool(fast.decode([token], skip_special_tokens=False).strip())

        def cut(text: str) -> list[str]:
            found = fast.encode(_SURROGATE.sub("\ufffd", text), add_special_tokens=False)
            return [token for place, token in zip(found.ids, found.tokens, strict=True) if is_said(place)]

        return cut
    library = _library("transformers", folder)
    try:
        slow = library.AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # The library raises whatever its parts raise: AttributeError, TypeError, ImportError.
        raise TokenizerError(
            f"{folder} holds no tokenizer.json and none that transformers can read: {error}"
        ) from error
    if len(slow) <= len(slow.all_special_tokens):  # transformers 5 makes an empty one where the vocabulary is absent
        raise TokenizerError(f"{folder} holds no tokenizer: transformers found no vocabulary in it.")

    @cache
    def says(token: str) -> bool:
        return bool(slow.convert_tokens_to_string([token]).strip())

    def tokenize(text: str) -> list[str]:
        return list(filter(says, slow.tokenize(_SURROGATE.sub("\ufffd", text), add_special_tokens=False)))

    return tokenize


def _library(name: str, folder: Path) -> Any:  # noqa: ANN401  optional packages, absent where the types are checked
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise TokenizerError(
            f"The tokenizer in {folder} needs the package {name}. Install it with: "
            'pip install "dialogue-expander[tokenizers]"'
        ) from error
