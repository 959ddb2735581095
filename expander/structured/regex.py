"""A format as one regular expression, in the part that Python, vLLM's xgrammar and llguidance, and JSON Schema share."""

from __future__ import annotations

from expander.structured.alphabet import BEFORE
from expander.structured.form import ANYWHERE, Form, Words

COLON = "[：:] ?"
"""Behind a label: either width, with or without a space (SMILE, Appendix B.1 rule 3), as the model prefers."""
_SPECIAL = frozenset("\\.^$*+?{}[]|()/")


def dialogue_regex(form: Form) -> str:
    """Matches every reply of that form, whole, and nothing else. A match takes time in proportion to the text: at each
    character one way goes on."""
    bounds = form.bounds
    before = "" if bounds.analysis == 0 else f"(?:{repeated(BEFORE.written(), 1, bounds.analysis)}\\n)?"
    opening = "" if form.opening is None else _line(form.opening, form, ANYWHERE) + "\\n"
    exchange = f"{_line(form.first, form, ANYWHERE)}\\n{_line(form.second, form, ANYWHERE)}\\n"
    last = f"{_line(form.first, form, ANYWHERE)}\\n{_line(form.second, form, form.last)}"
    return f"{before}{opening}{repeated(f'(?:{exchange})', bounds.min_turns - 1, bounds.max_turns - 1)}{last}"


def utterance_regex(form: Form, words: Words) -> str:
    """One utterance without its label."""
    return words.first.written() + repeated(words.within.written(), *form.after_first())


def repeated(piece: str, least: int, most: int | None) -> str:
    """So many times; at most never is nothing, and None is any number. The same in EBNF."""
    if most == 0:
        return ""
    return f"{piece}{{{least},{'' if most is None else most}}}"


def _line(label: str, form: Form, words: Words) -> str:
    return f"{literally(label)}{COLON}{utterance_regex(form, words)}"


def literally(text: str) -> str:
    """Text that stands for itself. Unlike `re.escape`, escapes only what every dialect knows as special."""
    return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in text)
