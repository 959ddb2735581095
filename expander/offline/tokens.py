"""An estimate of tokens, for usage figures and `max_tokens`; no tokenizer is loaded.

One token for a character that takes three bytes in UTF-8 (Chinese and its punctuation), one for about four of the others.
Counted through lengths alone, so that it costs microseconds: each three-byte character adds two bytes to the difference.
"""

from __future__ import annotations

OTHERS_A_TOKEN = 4


def count(text: str) -> int:
    """Tokens in `text`, 0 for an empty one. Never falls when text is appended."""
    wide = min(len(text), (len(text.encode("utf-8", "replace")) - len(text)) // 2)
    return wide - (wide - len(text)) // OTHERS_A_TOKEN


def prefix(text: str, tokens: int) -> str:
    """The longest start of `text` that takes no more than `tokens`."""
    if count(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]
