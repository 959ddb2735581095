"""A format as a grammar in xgrammar's EBNF (`::=`, which vLLM also hands to llguidance as GBNF)."""

from __future__ import annotations

import json

from expander.structured.alphabet import BEFORE
from expander.structured.form import ANYWHERE, Form, Words
from expander.structured.regex import repeated


def dialogue_grammar(form: Form) -> str:
    """The same replies as `regex.dialogue_regex`, one rule a line; the start is `root`."""
    bounds = form.bounds
    parts = [
        "" if bounds.analysis == 0 else "before?",
        "opening" if form.opening is not None else "",
        repeated("exchange", bounds.min_turns - 1, bounds.max_turns - 1),
        "last",
    ]
    rules = {
        "root": " ".join(part for part in parts if part),
        "exchange": r'first "\n" second "\n"',
        "last": r'first "\n" end',
        "first": f"{_quoted(form.first)} colon said",
        "second": f"{_quoted(form.second)} colon said",
        "end": f"{_quoted(form.second)} colon ended",
        "colon": '("：" | ":") " "?',
        "said": _utterance(form, ANYWHERE),
        "ended": _utterance(form, form.last),
    }
    if form.opening is not None:
        rules["opening"] = f'{_quoted(form.opening)} colon said "\\n"'
    if bounds.analysis != 0:
        rules["before"] = f'{repeated(BEFORE.written(), 1, bounds.analysis)} "\\n"'
    if bounds.max_turns == 1:
        del rules["exchange"], rules["second"]
    return "".join(f"{name} ::= {body}\n" for name, body in rules.items())


def _utterance(form: Form, words: Words) -> str:
    return f"{words.first.written()} {repeated(words.within.written(), *form.after_first())}".rstrip()


def _quoted(label: str) -> str:
    return json.dumps(label, ensure_ascii=False)
