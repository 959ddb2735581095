"""What is left of a dialogue when only its words count: the text that deduplication compares."""

from __future__ import annotations

import hashlib
import unicodedata

from filters.dialogue import Dialogue

DIGEST_BYTES = 16

# Punctuation, separators, accents and skin tones that stand alone; controls, format characters, surrogates.
_DROPPED = ("P", "Z", "Sk", "Cc", "Cf", "Cs")
# ～ ends Chinese sentences though Unicode counts it as mathematics; the others choose how an emoji is drawn.
_DROPPED_SIGNS = frozenset("~\ufe0e\ufe0f")


class _Folding(dict[int, int | None]):
    """A table for str.translate that learns each character when it first comes."""

    def __missing__(self, code: int) -> int | None:
        sign = chr(code)
        kept = None if sign in _DROPPED_SIGNS or unicodedata.category(sign).startswith(_DROPPED) else code
        self[code] = kept
        return kept


_FOLDING = _Folding()


def folded_text(dialogue: Dialogue) -> str:
    """The utterances as one text without labels, in Unicode NFKC, lower case, without white space and punctuation.

    Letters, digits and symbols (emoji) stay. Where nothing stays, the text as it was, so that …… and ？！ differ.
    """
    text = "".join(said for _, said in dialogue.utterances)
    return unicodedata.normalize("NFKC", text).casefold().translate(_FOLDING) or text


def digest(folded: str) -> bytes:
    """16 bytes that two texts share only if they are equal, but for one chance in 2**64 at four billion texts."""
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
