"""Rules on a reply's form: is it a whole reply, and is it a dialogue of the two speakers that the template asks for?

Strict is lenient without repairs: each repair that the reading made (`filters.reading.REPAIRS`) is then an objection of
the rule that the repair would have served.
"""

from __future__ import annotations

import re
import unicodedata

from filters.case import Case, Finding
from filters.dialogue import Role, Span
from filters.labels import SENTENCE_END, labels_of
from filters.reading import CONTROL, REPAIRS

_REFUSAL = re.compile(
    r"抱歉|对不起|對不起|很遗憾|(?:我|无法|不能|不便).{0,6}(?:提供|生成|协助|完成|改写|满足)|违反|I'm sorry|I am sorry|I apologi[sz]e"
    r"|I (?:can't|cannot|can’t|am unable|'m unable)|As an AI",
    re.IGNORECASE,
)
_REFUSAL_LENGTH = 600
_SPECIAL_TOKEN = re.compile(
    r"<\|[a-zA-Z_▁|｜ ]{2,40}\|>|<｜[^｜\n]{2,40}｜>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<eo[hsa]>"
)
_CONTROL = re.compile(f"[{CONTROL}]")
_UNLABELLED = (
    *("lines-joined", "blank-lines", "divider-lines", "stage-directions", "code-fence", "narration-trimmed"),
    *("label-markup", "label-numbering", "label-alias", "label-note", "odd-spaces"),
)
_OWN_RULE = frozenset(
    {*_UNLABELLED, "labels-on-one-line", "speakers-merged", "lead-in-trimmed", "reasoning-trimmed", "literal-newlines"}
)
_NAMES = {Role.CLIENT: "client", Role.COUNSELOR: "counselor"}


def empty_reply(case: Case) -> Finding | None:
    if case.text and not case.text.isspace():
        return None
    return Finding(
        f"the reply has no text ({len(case.text)} code points, all white space)" if case.text else "no text at all"
    )


def cut_by_length(case: Case) -> Finding | None:
    if case.finish_reason != "length":
        return None
    end = len(case.text)
    return Finding(f"finish_reason is 'length': the reply breaks off after {end} code points", Span(end, end))


def content_filter(case: Case) -> Finding | None:
    if case.finish_reason != "content_filter":
        return None
    return Finding("finish_reason is 'content_filter': the endpoint withheld the reply or a part of it")


def broken_characters(case: Case) -> Finding | None:
    """U+FFFD (broken bytes), control characters and lone surrogates, which no UTF-8 file could hold."""
    if case.reading.plain:
        return None
    found = _CONTROL.search(case.text)
    if found:
        return Finding(
            f"U+{ord(found[0]):04X} stands in the reply: broken bytes or a control character", Span(*found.span())
        )
    for place, (_, said) in enumerate(case.reading.utterances) if "\\u" in case.text else ():
        found = _CONTROL.search(said)
        if found:
            return Finding(f"U+{ord(found[0]):04X} stands in utterance {place + 1}", case.span(place))
    return None


def special_token(case: Case) -> Finding | None:
    """A serving engine that does not stop where the model does leaves chat-template tokens in the text."""
    if ("<" in case.text or "[" in case.text) and (found := _SPECIAL_TOKEN.search(case.text)):
        return Finding(f"the chat token {found[0]} stands in the reply", Span(*found.span()))
    return None


def refusal(case: Case) -> Finding | None:
    if case.reading.utterances or len(case.text) > _REFUSAL_LENGTH or not (found := _REFUSAL.search(case.text)):
        return None
    return Finding("the model declines instead of writing a dialogue", Span(*found.span()))


def no_known_speaker(case: Case) -> Finding | None:
    if case.reading.utterances:
        return None
    wanted = f"{case.fmt.client_labels[0]} or {case.fmt.counselor_labels[0]}"
    return Finding(f"no line starts with {wanted}, nor with another name of theirs", Span(0, len(case.text)))


def one_line(case: Case) -> Finding | None:
    if "\n" in case.text.strip():
        return None
    if not case.strict and any(m.name in _BREAKS for m in case.reading.marks):
        return None
    return Finding("the reply has no line break between utterances", Span(0, len(case.text)))


_BREAKS = frozenset({"literal-newlines", "odd-line-breaks", "labels-on-one-line"})


def preamble(case: Case) -> Finding | None:
    lead = case.reading.lead
    if lead is not None:
        return Finding(
            f"{lead.end - lead.start} code points stand before the first utterance; the template allows none", lead
        )
    return _strictly(case, ("lead-in-trimmed", "reasoning-trimmed"), "text before the first utterance")


def third_speaker(case: Case) -> Finding | None:
    if case.reading.stranger is None:
        return None
    name, span = case.reading.stranger
    return Finding(f"a third speaker, {name}, besides client and counselor", span)


def unlabelled_line(case: Case) -> Finding | None:
    return _strictly(case, _UNLABELLED, "a line that does not start with one of the template's labels and a colon")


def leaked_label(case: Case) -> Finding | None:
    """A speaker's label inside an utterance, after the end of a sentence: two utterances in one."""
    finding = _strictly(case, ("labels-on-one-line", "literal-newlines"), "more than one utterance on a line")
    if finding is not None:
        return finding
    if case.reading.plain:
        return None
    labels = labels_of(case.fmt)
    for place, (_, said) in enumerate(case.reading.utterances):
        if "：" in said or ":" in said:
            for leak in labels.leaks(said, 0, len(said), SENTENCE_END):
                reason = f"the label {leak.label} stands inside utterance {place + 1}"
                return Finding(reason, case.span(place, leak.start, leak.end))
    return None


def same_speaker_twice(case: Case) -> Finding | None:
    return _strictly(case, ("speakers-merged",), "the same speaker twice in a row")


def needs_repair(case: Case) -> Finding | None:
    return _strictly(
        case, tuple(name for name in REPAIRS if name not in _OWN_RULE), "form that only a repair could read"
    )


def _strictly(case: Case, repairs: tuple[str, ...], what: str) -> Finding | None:
    if not case.strict:
        return None
    marks = [mark for mark in case.reading.marks if mark.name in repairs]
    if not marks:
        return None
    needed = ", ".join(f"{mark.name} {mark.times}" for mark in marks)
    return Finding(f"{what}; strict makes no repair (it would take {needed})", min(mark.first for mark in marks))


def empty_utterance(case: Case) -> Finding | None:
    """Nothing said: no letter, digit or symbol (an emoji is one); …… alone is nothing said either."""
    for place, (role, said) in enumerate(case.reading.utterances):
        if not said[:1].isalnum() and not any(char.isalnum() or unicodedata.category(char)[0] == "S" for char in said):
            return Finding(f"utterance {place + 1} ({_NAMES[role]}) says nothing", case.span(place))
    return None


def wrong_opening(case: Case) -> Finding | None:
    wanted, utterances = case.fmt.opens_with, case.reading.utterances
    if wanted is None or not utterances or utterances[0].role is wanted:
        return None
    return Finding(
        f"the {_NAMES[utterances[0].role]} speaks first; the template asks for the {_NAMES[wanted]}", case.span(0)
    )


def wrong_closing(case: Case) -> Finding | None:
    wanted, utterances = case.fmt.closes_with, case.reading.utterances
    if wanted is None or not utterances or utterances[-1].role is wanted:
        return None
    place = len(utterances) - 1
    return Finding(
        f"the {_NAMES[utterances[-1].role]} speaks last; the template asks for the {_NAMES[wanted]}", case.span(place)
    )


def too_few_turns(case: Case) -> Finding | None:
    turns = len(case.reading.utterances) // 2
    if turns >= case.min_turns:
        return None
    return Finding(f"{_turns(turns)}; at least {case.min_turns} are asked for", _whole(case))


def too_many_turns(case: Case) -> Finding | None:
    turns = len(case.reading.utterances) // 2
    if case.max_turns is None or turns <= case.max_turns:
        return None
    return Finding(f"{_turns(turns)}; at most {case.max_turns} are asked for", _whole(case))


def _turns(turns: int) -> str:
    return "1 turn" if turns == 1 else f"{turns} turns"


def _whole(case: Case) -> Span | None:
    spans = case.reading.spans
    return Span(spans[0][0], spans[-1][1]) if spans else None
