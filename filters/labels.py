"""Speaker labels: how a format's labels, and the other names models give the two speakers, are recognised.

A format names its own labels (`DialogueFormat`: the first is the template's, the others are accepted spellings). Models
also answer in traditional characters, in English, or with the field's other words, so the names of `ALIASES` are read as
well. Only a format's first label is no repair; every other name is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from filters.dialogue import DialogueFormat, Role

ALIASES: dict[Role, tuple[str, ...]] = {
    Role.CLIENT: (
        *("求助者", "求助人", "来访者", "來訪者", "来询者", "求询者", "咨询者", "諮詢者", "倾诉者", "傾訴者", "咨客"),
        *("用户", "用戶", "当事人", "當事人", "提问者", "提問者", "患者"),
        *("Help-seeker", "Help seeker", "Helpseeker", "Seeker", "Client", "User", "Visitor", "Patient"),
    ),
    Role.COUNSELOR: (
        *("支持者", "支援者", "帮助者", "幫助者", "助人者", "倾听者", "傾聽者"),
        *("心理咨询师", "咨询师", "心理諮詢師", "諮詢師", "心理咨詢師", "咨詢師", "心理諮商師", "諮商師"),
        *("心理师", "心理師", "心理医生", "心理醫生", "心理治疗师", "治疗师", "心理治療師", "治療師"),
        *("心理辅导师", "心理顾问", "心理专家"),
        *("Supporter", "Counselor", "Counsellor", "Therapist", "Psychologist"),
        *("Psychological counselor", "Psychological counsellor", "Listener"),
    ),
}
"""Other names of the two roles. "Helper" is left out on purpose: SoulChat's Figure 10 prints it for the client."""

COLONS = "：:"
SENTENCE_END = frozenset('。！？!?….～~”"’」』）)】]*|/｜;；')
LEAD_IN_END = frozenset("：:】")
_LOOK_BACK = 12
_LONGEST = 48
_COLON = re.compile(f"[{COLONS}]")

_OPENERS = r"\"“「『"
_NUMBERING = (
    r"(?:第\s?[0-9一二三四五六七八九十]{1,4}\s?[轮句条次][：:]?|(?:Turn|Round)\s?\d{1,3}[.:：]?"
    r"|\d{1,3}\s?[.、)）．:：]|[（(\[]\d{1,3}[）)\]]|[①-⑳])"
)
# Possessive quantifiers throughout: a line of a million stars is read once, never retried.
_LEAD = rf"(?P<lead>[\s>#*+\-•·_`~{_OPENERS}]*+(?:(?P<number>{_NUMBERING})[\s*_`{_OPENERS}]*+)?)"
_NOTE = r"[（(][^（）()：:]{1,16}[）)]"
_TAIL = rf"(?P<index>\s?\d{{1,3}})?(?P<close>[】\]>》）)]?)(?P<gap>[\s*_`]*+)(?P<note>{_NOTE}[\s*_`]*+)?[{COLONS}]"


class Leak(NamedTuple):
    """A label with its colon inside a stretch of text: where it starts, where its colon ends, the markup before it."""

    label: str
    start: int
    end: int
    opened: str


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One format's labels, compiled. `line` matches a label at the start of a line; `lengths` are those of the names, longest first."""

    canonical: dict[str, Role]
    known: dict[str, Role]
    line: re.Pattern[str]
    lengths: tuple[int, ...]
    last_signs: frozenset[str]

    def role(self, label: str) -> Role:
        """Whose label this is; case does not count."""
        return self.known[label.casefold()]

    def inside(self, text: str, start: int, end: int) -> Iterator[Leak]:
        """Every label with its colon, prose or not. Looks at colons only, so text without one costs next to nothing."""
        place = start
        for colon in _COLON.finditer(text, start, end):
            if text[colon.start() - 1 : colon.start()] not in self.last_signs:
                continue
            before = text[max(place, colon.start() - _LONGEST) : colon.start()].rstrip("*_")
            first = max(place, colon.start() - _LONGEST)
            for length in self.lengths:
                label = before[-length:]
                if label.casefold() in self.known:
                    rest = before[: len(before) - len(label)]
                    yield Leak(label, first + len(rest), colon.end(), rest[len(rest.rstrip("*_")) :])
                    place = colon.end()
                    break

    def leaks(self, text: str, start: int, end: int, after: frozenset[str]) -> Iterator[Leak]:
        """Labels inside a stretch that clearly start another utterance.

        Clearly: at the stretch's start, behind one of the signs `after`, or (where those end sentences) a Chinese label
        behind white space. 一位好的心理咨询师：… and （咨询师：… are prose.
        """
        for leak in self.inside(text, start, end):
            back = text[max(start, leak.start - len(leak.opened) - _LOOK_BACK) : leak.start - len(leak.opened)]
            bare = back.rstrip()
            spaced = len(bare) < len(back) and not leak.label.isascii() and after is SENTENCE_END
            if not bare or bare[-1] in after or spaced:
                yield leak


@lru_cache(maxsize=64)
def labels_of(fmt: DialogueFormat) -> Labels:
    """The labels of a format with the built-in aliases; where the two disagree about a name, the format wins."""
    known = {name.casefold(): role for role, names in ALIASES.items() for name in names}
    spelled = [name for names in ALIASES.values() for name in names]
    for role, names in ((Role.CLIENT, fmt.client_labels), (Role.COUNSELOR, fmt.counselor_labels)):
        known |= {name.casefold(): role for name in names}
        spelled += names
    # Longest first: 心理咨询师 before 咨询师.
    names_pattern = "|".join(re.escape(name) for name in sorted(set(spelled), key=lambda name: (-len(name), name)))
    return Labels(
        canonical={fmt.client_labels[0]: Role.CLIENT, fmt.counselor_labels[0]: Role.COUNSELOR},
        known=known,
        line=re.compile(rf"{_LEAD}(?P<open>[【\[<《（(]?)(?P<label>{names_pattern}){_TAIL}", re.IGNORECASE),
        lengths=tuple(sorted({len(name) for name in known}, reverse=True)),
        # A label's last sign, or that of the markup around it; "" is the start of the text.
        last_signs=frozenset(sign for name in known for sign in (name[-1], name[-1].upper())) | {"*", "_"},
    )
