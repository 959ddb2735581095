"""Dialogues that break one rule each, made from sound ones. Every function leaves the rest of the reply as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from expander.offline import phrases
from expander.offline.draft import Draft, Line
from expander.offline.reading import Reading
from filters.dialogue import Role

FEW_TURNS = 3  # below SMILE Appendix B.2's five


def spoilt(kind: str, draft: Draft, reading: Reading) -> str:
    """The reply's text with that rule broken. Without a post there is no answer to copy: `rule-copied` changes nothing.

    Raises KeyError for a kind that is not one of `faults.RULES`.
    """
    return SPOILERS[kind](draft, reading)


def _with(draft: Draft, place: int, line: Line) -> Draft:
    return Draft(draft.preamble, (*draft.lines[:place], line, *draft.lines[place + 1 :]))


def _middle(draft: Draft, role: Role) -> int:
    """A line of that role about half-way, and never the first or the last."""
    half = len(draft.lines) // 2
    return half if draft.lines[half].role is role else max(1, half - 1)


def _no_label(draft: Draft, _: Reading) -> str:
    place = _middle(draft, Role.COUNSELOR)
    return _with(draft, place, draft.lines[place]._replace(label="")).text()


def _one_line(draft: Draft, _: Reading) -> str:
    return Draft("", draft.lines).text().replace("\n", " ")


def _english(draft: Draft, _: Reading) -> str:
    last = draft.lines[-1]
    text = f"{last.text} I hope that you will feel better soon."
    return _with(draft, len(draft.lines) - 1, last._replace(text=text)).text()


def _few_turns(draft: Draft, _: Reading) -> str:
    return Draft(draft.preamble, draft.lines[: 2 * FEW_TURNS]).text()


def _markdown(draft: Draft, _: Reading) -> str:
    marked = tuple(line._replace(label=f"**{line.label.rstrip()}** ") for line in draft.lines)
    return Draft(draft.preamble, marked).text()


def _third_speaker(draft: Draft, reading: Reading) -> str:
    name, said = ("旁白", "两人沉默了一会儿。") if reading.chinese else ("Narrator", "They sit in silence for a while.")
    colon = reading.counselor[len(reading.counselor.rstrip(" :：")) :]
    place = 2 * (len(draft.lines) // 4)
    stranger = Line(Role.CLIENT, name + colon, said)
    return Draft(draft.preamble, (*draft.lines[:place], stranger, *draft.lines[place:])).text()


def _same_speaker(draft: Draft, _: Reading) -> str:
    place = _middle(draft, Role.CLIENT)
    return Draft(draft.preamble, (*draft.lines[:place], *draft.lines[place + 1 :])).text()


def _empty_utterance(draft: Draft, _: Reading) -> str:
    place = _middle(draft, Role.CLIENT)
    return _with(draft, place, draft.lines[place]._replace(text="")).text()


def _ai_voice(draft: Draft, reading: Reading) -> str:
    place = _middle(draft, Role.COUNSELOR)
    line = draft.lines[place]
    voice = (
        "作为一个人工智能语言模型，我没有真实的情感。"
        if reading.chinese
        else "As an AI language model, I have no feelings of my own. "
    )
    return _with(draft, place, line._replace(text=voice + line.text)).text()


def _copied(draft: Draft, reading: Reading) -> str:
    """The whole answer in the first exchange, then talk that adds nothing, so that no other rule is broken."""
    if reading.question is None:
        return draft.text()
    bank = phrases.CHINESE if reading.chinese else phrases.ENGLISH
    talk = [(reading.question, reading.answer)]
    talk += zip(bank.otherwise[: max(reading.least, 5) - 1], bank.listening, strict=False)
    lines = [
        line
        for asked, said in talk
        for line in (
            Line(Role.CLIENT, reading.client, " ".join(asked.split())),
            Line(Role.COUNSELOR, reading.counselor, " ".join(said.split())),
        )
    ]
    return Draft(draft.preamble, tuple(lines)).text()


def _preamble(draft: Draft, reading: Reading) -> str:
    said = (
        "好的，下面是为您改写的多轮对话。"
        if reading.chinese
        else "Sure, here is the multi-turn conversation you asked for."
    )
    return f"{said}\n\n{draft.text()}"


def _leak(draft: Draft, reading: Reading) -> str:
    """A piece of the prompt's own instructions, said by the counselor."""
    place = _middle(draft, Role.COUNSELOR)
    line = draft.lines[place]
    leaked = " ".join(reading.instructions.split())[:120]
    return _with(draft, place, line._replace(text=f"{line.text} {leaked}")).text()


def _literal_newline(draft: Draft, _: Reading) -> str:
    return draft.text().replace("\n", "\\n")


SPOILERS: Mapping[str, Callable[[Draft, Reading], str]] = {
    "rule-no-label": _no_label,
    "rule-one-line": _one_line,
    "rule-english": _english,
    "rule-few-turns": _few_turns,
    "rule-markdown": _markdown,
    "rule-third-speaker": _third_speaker,
    "rule-same-speaker": _same_speaker,
    "rule-empty-utterance": _empty_utterance,
    "rule-ai-voice": _ai_voice,
    "rule-copied": _copied,
    "rule-preamble": _preamble,
    "rule-leak": _leak,
    "rule-literal-newline": _literal_newline,
}
