"""jieba's own tokens, most of them from its port to Rust, which is about 18 times faster.

The port (rjieba 0.2.2, jieba-rs 0.11) holds the same dictionary as jieba 0.42.1, entry by entry, and its hidden Markov model in
fewer digits, but not the same tokens for every text. So a text goes to the port only where nothing in it can part the two; the rest
goes to jieba, stretch by stretch. What parts them:

- ASCII letters or digits joined by one of + # & . _ % -, which the port may keep whole ("a_1", "1.2.3").
- Han outside U+4E00..U+9FD5: the port takes more of them for Han than jieba's pattern does.
- Han that the model knows no single-character probability for: every path is then equally unlikely, and the two break the
  tie differently. A stretch in which each character has one always has a path of finite probability, and no ties.
- Lone surrogates, which Rust cannot hold.

One difference no text tells beforehand: the port's model is right to about seven digits, so of two readings whose log
probabilities agree to seven digits it may take the other. In 641,144 utterances of four counselling corpora, 33,114,447 tokens, that
was so once; what was met stands in `NEAR_TIES` and goes to jieba, so that on those corpora the tokens are jieba's throughout. 0.19 %
of the utterances hold a stretch that goes to jieba. The port alone differs in 907.
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Protocol

import rjieba

from analysis.lexical.tokenizers import SEPARATOR

LONGEST_SLOW_STRETCH = 2_000
"""Code points that jieba is given at once. Its time grows faster than a stretch that no dictionary word divides: measured
0.03 s for 2,000 code points, 0.2 s for 8,000. The longest slow stretch of the corpora here has 85; one that is longer than this is
cut, which may add a seam."""

NEAR_TIES = ("常在和",)
"""Stretches whose two best readings lie 1.5e-7 apart in log probability, where the port takes the other one."""

_PIECE = 5_000
"""Code points that the port is given at once: their tokens stay in the processor's cache until they are numbered. Measured, from text
to ids: 0.65 s of processor time for 5,000 dialogues with 1,000 to 20,000 code points, 0.8 s with 50,000 or all at once."""


class _Search(Protocol):
    def __call__(self, text: str, start: int = 0, /) -> re.Match[str] | None: ...


_JOINED = r"[A-Za-z0-9][+#&._%\-]+[A-Za-z0-9]"
_BLOCK = re.compile(r"([\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]+)")
"""jieba's own division of a text (`re_han_default`): it segments each match alone, and each other sign is a token."""


def cut(text: str) -> list[str]:
    """What `jieba.lcut(text)` of jieba 0.42.1 gives: accurate mode, hidden Markov model on, dictionary as delivered.

    Two exceptions, both named in this file: a near-tie that was never met, and a seam in a slow stretch of thousands of code points.
    """
    if _parting()(text) is None:
        return rjieba.cut(text)
    return list(chain.from_iterable(map(_cut_stretch, _BLOCK.split(text))))


def cut_joined(text: str, bounds: Sequence[int]) -> Iterator[list[str]]:
    """The tokens of `cut` for each stretch of the text in order, and after each the sign that ends it as a token; in pieces.

    Stretch i reaches from bounds[i] up to bounds[i + 1], the first bound is 0 and the last one the text's length. Each stretch
    ends in one `SEPARATOR`, and has no other.
    """
    parting, done = _parting(), 0
    while found := parting(text, done):
        number = bisect_right(bounds, found.start()) - 1
        start, end = bounds[number], bounds[number + 1]
        yield from _pieces_cut(text, done, start)
        yield [*cut(text[start : end - 1]), SEPARATOR]
        done = end
    yield from _pieces_cut(text, done, len(text))


def _pieces_cut(text: str, start: int, end: int) -> Iterator[list[str]]:
    """The port's tokens of text[start:end], which ends in a separator, some `_PIECE` code points at a time."""
    while start < end:
        stop = text.find(SEPARATOR, start + _PIECE, end) + 1 or end
        yield rjieba.cut(text[start:stop])
        start = stop


def goes_fast(text: str) -> bool:
    """Whether the whole text may go to the port."""
    return _parting()(text) is None


def _cut_stretch(stretch: str) -> list[str]:
    if _parting()(stretch) is None:
        return rjieba.cut(stretch)
    slow = _slow()
    if len(stretch) <= LONGEST_SLOW_STRETCH:
        return slow(stretch)
    starts = range(0, len(stretch), LONGEST_SLOW_STRETCH)
    return [token for start in starts for token in slow(stretch[start : start + LONGEST_SLOW_STRETCH])]


@cache
def _parting() -> _Search:
    with warnings.catch_warnings():
        # jieba's files hold escapes that a newer Python warns of when it first compiles them.
        warnings.simplefilter("ignore")
        from jieba.finalseg import emit_P

    single = emit_P["S"]
    unknown = "".join(chr(code) for code in range(0x4E00, 0x9FD6) if chr(code) not in single)
    others = "\u3400-\u4dbf\u9fd6-\u9fff\ud800-\udfff\uf900-\ufaff\U00020000-\U0003ffff"
    return re.compile(f"{_JOINED}|[{others}{unknown}]|{'|'.join(NEAR_TIES)}").search


@cache
def _slow() -> Callable[[str], list[str]]:
    """jieba with a dictionary of its own, so that words somebody adds elsewhere change nothing here.

    It is loaded without jieba's cache: that file lies in a folder anyone may write to, or none, and is read unchecked.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba

        tokenizer = jieba.Tokenizer()
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True

    def lcut(text: str) -> list[str]:
        return [str(token) for token in tokenizer.cut(text)]

    return lcut
