"""Wording of a forum post brought nearer to spoken dialogue, and its length bounded: SMILE section 3.1 and Appendix A.

SMILE removed 抱抱 by hand; here a rule does it, so that a run can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from expander.post import Post

REPLACEMENTS: Final = (
    ("嗨, ", ""),
    # Not in the figure: the same greeting with the comma that Chinese posts are written with.
    ("嗨，", ""),
    ("楼主你", "你"),
    ("题主你", "你"),
    ("楼主你", "你"),
    ("楼主", "你"),
    ("题主", "你"),
    ("楼主", "你"),
    ("阿凉", "我"),
    ("答主", "人"),
)
"""SMILE, Figure 8 (Appendix A.1.1), applied from the top: 楼主你 has to go before 楼主, or it would leave 你你.

The figure prints the rows for 楼主你 and 楼主 twice, perhaps because another spelling of 楼主 was lost in print. They are
kept as printed, and no other spelling is guessed.
"""

HUG: Final = "抱抱"
HUG_CHANGE: Final = "抱抱 clause"
CUT_CHANGE: Final = "cut characters"

QA_LIMIT: Final = 1800
"""Chinese characters that title, description and answer may have together. SMILE section 3.1."""

ANSWER_FLOOR: Final = 300
"""Chinese characters of the answer that stay even if the question has to be cut for them: a sixth of the limit, so a
long question keeps the larger part, and what is left can still be a reply. SMILE does not say; this is our choice."""

SENTENCE_SEARCH: Final = 4
"""A cut goes back to a sentence's end within the last quarter of what fits; further back it would cost too much text."""

_HAN: Final = re.compile("[々〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""A Chinese character here is one code point of the CJK ideograph blocks; punctuation, Latin and digits are not counted."""

_SENTENCE_END: Final = re.compile("[。！？!?…\n]+[”’」』）)]*")
_CLAUSE: Final = re.compile("([^，,。！？!?；;~～…\n]*)([，,。！？!?；;~～…\n]*)")
_END_MARKS: Final = frozenset("。！？!?~～…\n")
_PAIRS: Final = ("（）", "()", "“”", "‘’", "「」", "『』", "【】", "[]", "《》")
_PAIRED: Final = re.compile("[（）()“”‘’「」『』【】\\[\\]《》]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A post's texts as they go into a prompt, and how often each rule changed them."""

    title: str
    description: str
    answer: str
    changes: tuple[tuple[str, int], ...] = ()
    """By the replaced string, 抱抱 clause, and cut characters (code points), in the order of the rules; none is 0."""
    empty: str | None = None
    """"answer" or "question" where cleaning left nothing of it: then there is nothing to expand."""


def clean(post: Post) -> Cleaned:
    """The post after Figure 8's replacements, without its 抱抱 clauses, and cut to QA_LIMIT. Pure; never raises."""
    title, description, answer = post.title, post.description, post.answer
    changes: dict[str, int] = {}
    whole = f"{title}\n{description}\n{answer}"
    for old, new in REPLACEMENTS:
        count = whole.count(old)
        if count:
            # Joined by line feeds, which no entry holds, so that no match runs over a text's end.
            changes[old] = changes.get(old, 0) + count
            title, description, answer = (
                title.replace(old, new),
                description.replace(old, new),
                answer.replace(old, new),
            )
            whole = f"{title}\n{description}\n{answer}"
    if HUG in whole:
        hugs = [without_hug_clauses(text) for text in (title, description, answer)]
        title, description, answer = (text for text, _ in hugs)
        changes[HUG_CHANGE] = sum(count for _, count in hugs)
    title, description, answer = title.strip(), description.strip(), answer.strip()
    if len(title) + len(description) + len(answer) > QA_LIMIT:
        before = len(title) + len(description) + len(answer)
        title, description, answer = _cut_together(title, description, answer)
        cut = before - len(title) - len(description) - len(answer)
        if cut:
            changes[CUT_CHANGE] = cut
    return Cleaned(
        title=title,
        description=description,
        answer=answer,
        changes=tuple(changes.items()),
        empty="answer" if not answer else "question" if not (title or description) else None,
    )


def chinese_characters(text: str) -> int:
    """Code points in the CJK ideograph blocks."""
    return len(_HAN.findall(text))


def cut_to(text: str, limit: int) -> str:
    """The longest start of `text` with at most `limit` Chinese characters, back to a sentence's end where one is near.

    Near is the last quarter (SENTENCE_SEARCH) of the code points that fit; with no end there, the cut is hard.
    """
    over = next((match for number, match in enumerate(_HAN.finditer(text)) if number == limit), None)
    if over is None:
        return text
    fits = over.start()
    ends = [match.end() for match in _SENTENCE_END.finditer(text, fits - fits // SENTENCE_SEARCH, fits)]
    return text[: ends[-1] if ends else fits].rstrip()


def _cut_together(title: str, description: str, answer: str) -> tuple[str, str, str]:
    """The answer is what is cut; of the question only what would leave the answer less than ANSWER_FLOOR."""
    sizes = chinese_characters(title), chinese_characters(description), chinese_characters(answer)
    if sum(sizes) <= QA_LIMIT:
        return title, description, answer
    for_question = QA_LIMIT - min(sizes[2], ANSWER_FLOOR)
    if sizes[0] + sizes[1] > for_question:
        title = cut_to(title, for_question)
        description = cut_to(description, for_question - chinese_characters(title))
    for_answer = QA_LIMIT - chinese_characters(title) - chinese_characters(description)
    return title, description, cut_to(answer, for_answer)


class _Clause(NamedTuple):
    text: str
    mark: str
    """The punctuation after it, as one run; empty at the text's end."""

    @property
    def ends_sentence(self) -> bool:
        return bool(self.mark) and (self.mark[-1] in _END_MARKS or "\n" in self.mark)


def without_hug_clauses(text: str) -> tuple[str, int]:
    """The text without the clauses that hold 抱抱, and how many there were.

    A clause ends at ，,。！？!?；;~～… or a line feed, and goes with its mark. Where it ended a sentence, that mark
    passes to the clause before it in place of a comma; a sentence that was nothing else goes whole. Brackets and quotes
    that a clause opens are kept with what closes them, so no half of a pair is left.
    """
    if HUG not in text:
        return text, 0
    kept: list[_Clause] = []
    count = 0
    for clause in _whole_pairs(text):
        if HUG not in clause.text:
            kept.append(clause)
            continue
        count += 1
        before = kept[-1] if kept else None
        if before and not before.ends_sentence and (clause.ends_sentence or not clause.mark):
            kept[-1] = _Clause(before.text, clause.mark)
    return "".join(part for clause in kept for part in clause).strip(), count


def _whole_pairs(text: str) -> Iterator[_Clause]:
    """The clauses, with those joined that share a pair of brackets or quotes within a line."""
    clauses = [_Clause(*match.groups()) for match in _CLAUSE.finditer(text) if match[0]]
    index = 0
    while index < len(clauses):
        joined = clauses[index]
        last = index
        while _open_pairs(joined.text) and "\n" not in joined.mark and last + 1 < len(clauses):
            last += 1
            joined = _Clause(joined.text + joined.mark + clauses[last].text, clauses[last].mark)
        if _open_pairs(joined.text):  # never closed: a slip of the writer's, which must not cost the line
            joined, last = clauses[index], index
        yield joined
        index = last + 1


def _open_pairs(text: str) -> bool:
    return bool(_PAIRED.search(text)) and any(text.count(pair[0]) > text.count(pair[1]) for pair in _PAIRS)
