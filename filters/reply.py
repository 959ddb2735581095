"""The parser: a reply's text -> who said what, where it stands, and which repairs reading it took.

One reading serves both modes. Lenient keeps it with its repairs named and counted; strict accepts a reply only when the
reading needed no repair (`filters.form_rules`), so strict can never accept what lenient does not, nor read it differently.

No repair: the format's first labels at the start of a line with a half- or full-width colon, with or without spaces after
it (SMILE, Appendix B.1 rule 3); white space around the whole reply and at the ends of lines; CRLF line ends; text before
the first utterance where the format allows it. Words are never changed: an utterance is a stretch of the reply without
surrounding white space and without markup that belonged to its label; stretches that are joined are joined by a line break.
"""

from __future__ import annotations

import re

from filters import careful
from filters.dialogue import DialogueFormat, Role, Span, Utterance
from filters.labels import labels_of
from filters.reading import CONTROL, Mark, Reading

# Characters that only the careful reading understands: escapes, odd line ends, invisible and control characters.
_CAREFUL = re.compile(f"[{CONTROL}\\\\\r\x0b\x0c\x1c-\x1e\x85\xad\u200b\u2028\u2029\u2060\ufeff]")
_OPENING = frozenset('"“「『*_`')


def read_reply(text: str, fmt: DialogueFormat) -> Reading:
    """Read any text; never raises. Takes time proportional to the text's length."""
    return _read_clean(text, fmt) or careful.read_carefully(text, fmt)


def reads_plainly(text: str, fmt: DialogueFormat) -> bool:
    """Whether a bare line `label：text` reads back as exactly this utterance, with no repair."""
    line = _read_clean(f"{fmt.client_labels[0]}：{text}", fmt)
    if line is not None:
        return line.utterances == (Utterance(Role.CLIENT, text),) and not line.marks
    return careful.reads_plainly(text, fmt)


def _read_clean(text: str, fmt: DialogueFormat) -> Reading | None:
    """The quick way for replies that follow the format (nearly all kept ones); None where the careful way must look.

    It gives what `filters.careful` gives for the same text; a property test holds the two together.
    """
    if _CAREFUL.search(text) or "</think>" in text:
        return None
    labels = labels_of(fmt)
    canonical = labels.canonical
    utterances: list[Utterance] = []
    spans: list[tuple[int, int]] = []
    blanks, first_blank, previous = 0, 0, None
    bare = text.strip()
    start = len(text) - len(text.lstrip()) if bare != text else 0
    for line in bare.split("\n"):
        head, _, rest = line.partition("：")
        role = canonical.get(head)
        if role is None:
            head, _, rest = line.partition(":")
            role = canonical.get(head)
            if role is None:
                if line and not line.isspace():
                    return None
                first_blank = first_blank if blanks else start
                blanks += 1
                start += len(line) + 1
                continue
        said = rest.strip()
        if (
            not said
            or role is previous
            or said[0] in _OPENING
            or (("：" in said or ":" in said) and any(labels.inside(said, 0, len(said))))
        ):
            return None
        end = start + len(line)
        begin = end - len(rest.lstrip())
        utterances.append(Utterance(role, said))
        spans.append((begin, begin + len(said)))
        previous, start = role, end + 1
    marks = (Mark("blank-lines", blanks, Span(first_blank, first_blank)),) if blanks else ()
    return Reading(tuple(utterances), tuple(spans), marks, plain=True) if utterances else None
