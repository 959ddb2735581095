"""What reading a reply gives: who said what, where it stands, and which repairs it took."""

from __future__ import annotations

from typing import NamedTuple

from filters.dialogue import Span, Utterance

REPAIRS: dict[str, str] = {
    "reasoning-trimmed": "a reasoning block that ends in </think> before the dialogue",
    "invisible-characters": "zero-width spaces, byte-order marks, soft hyphens removed (emoji joiners stay)",
    "odd-line-breaks": "a lone CR, U+2028 and the like read as a line break",
    "literal-newlines": r"the two characters \n read as a line break",
    "blank-lines": "empty lines between utterances or inside one",
    "code-fence": "a line of ``` around the dialogue",
    "divider-lines": "a line such as ---, 第1轮, Turn 3 between utterances",
    "stage-directions": "a line that is nothing but a short bracket, such as （沉默）",
    "odd-spaces": "white space before a label, or between a label and its colon",
    "label-markup": "Markdown or brackets around a label",
    "label-numbering": "a number before or after a label",
    "label-alias": "another name for the speaker than the template's",
    "label-note": "a bracket between a label and its colon: 求助者（低声）：",
    "quotes": "quotation marks around a line, the whole reply or, where most utterances have them, an utterance",
    "labels-on-one-line": "a label inside a line, after the end of a sentence",
    "lines-joined": "an utterance that goes on in unlabelled lines",
    "speakers-merged": "the same speaker twice in a row",
    "lead-in-trimmed": "a short lead-in before the first utterance where the format allows none",
    "narration-trimmed": "a summary, note or closing remark after the last utterance",
}
"""Every repair by name, with what it is; a reading lists its marks in this order."""


class Mark(NamedTuple):
    """A repair that the reading made: how often, and where first."""

    name: str
    times: int
    first: Span


CONTROL = "\x00-\x08\x0e-\x1b\x7f\ufffd\ufffe\uffff\ud800-\udfff"
"""What no dialogue holds, as a regex class: control characters, U+FFFD (broken bytes), lone surrogates."""


class Reading(NamedTuple):
    """What a reply says. `spans[i]` is where `utterances[i]` stands in the reply, in code points.

    `lead` is text before the first utterance that the format does not allow and that is too long for a lead-in.
    `stranger` is the first third speaker: name, and place of the name. `plain` promises that no label stands at a colon
    inside an utterance and that the text holds no control character, so that rules need not look again.
    """

    utterances: tuple[Utterance, ...]
    spans: tuple[tuple[int, int], ...]
    marks: tuple[Mark, ...] = ()
    lead: Span | None = None
    stranger: tuple[str, Span] | None = None
    plain: bool = False
