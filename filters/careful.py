"""The careful reading: every habit of models that `filters.reading.REPAIRS` names, line by line, each repair marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from filters.dialogue import DialogueFormat, Role, Span, Utterance
from filters.labels import LEAD_IN_END, SENTENCE_END, Labels, labels_of
from filters.line_shapes import is_divider, is_fence, is_narration, is_result_heading, is_rule, is_stage_direction
from filters.quoting import unquote
from filters.reading import REPAIRS, Mark, Reading
from filters.strangers import head_of, is_stranger

# A lead-in is 好的，以下是改写后的多轮对话： or a line 话题：…; the template `standard` asks for a topic first. Three lines
# and 160 code points hold those (an English one has about 100); anything longer is an analysis nobody asked for.
LEAD_IN_LINES = 3
LEAD_IN_LENGTH = 160

_INVISIBLE = re.compile("[\xad\u200b\u2060\ufeff]")
_ODD_BREAK = re.compile("\r(?!\n)|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_LITERAL_BREAK = re.compile(r"(?:\\r)?\\n")
_PAIRS = {'"': '"', "“": "”", "「": "」", "『": "』"}
_MARKUP = frozenset("#>*+-•·_`~")
_REASONING_END = "</think>"
_OF_THE_WHOLE = frozenset({"reasoning-trimmed", "invisible-characters", "odd-line-breaks", "code-fence"})


@dataclass(slots=True)
class _Said:
    """One utterance while it is read: the stretches it consists of, and which of them a rule or a fence stood before."""

    role: Role
    label: int
    pieces: list[tuple[int, int]] = field(default_factory=list)
    divided: set[int] = field(default_factory=set)
    quote: str = ""
    text: str | None = None


def read_carefully(text: str, fmt: DialogueFormat) -> Reading:
    """`filters.reply.read_reply` for text of any kind."""
    places: list[int] | None = None
    seen = text
    if _INVISIBLE.search(text):
        # Only such replies pay for a map from what is read back to the reply.
        places = [place for place, char in enumerate(text) if char not in "\xad\u200b\u2060\ufeff"]
        places.append(len(text))
        seen = _INVISIBLE.sub("", text)
    reader = _Reader(_ODD_BREAK.sub("\n", seen), labels_of(fmt), fmt)
    if places is not None:
        reader.marks.append(("invisible-characters", 0, len(text) - len(seen)))
    reader.marks += [("odd-line-breaks", odd.start(), 1) for odd in _ODD_BREAK.finditer(seen)]
    reader.read()
    return reader.reading(places)


def reads_plainly(text: str, fmt: DialogueFormat) -> bool:
    """Whether a bare line `label：text` reads back as exactly this utterance, with no repair."""
    reading = read_carefully(f"{fmt.client_labels[0]}：{text}", fmt)
    return reading.utterances == (Utterance(Role.CLIENT, text),) and not (reading.marks or reading.lead)


class _Reader:
    """The state of one reading. Lines go in; `reading` comes out. Marks are (name, place, count)."""

    def __init__(self, text: str, labels: Labels, fmt: DialogueFormat) -> None:
        self.text, self.labels, self.fmt = text, labels, fmt
        self.said: list[_Said] = []
        self.lead: list[tuple[int, int]] = []
        self.marks: list[tuple[str, int, int]] = []
        self.heads: list[tuple[str, int]] = []
        self.restart = 0
        self.divided = False

    def read(self) -> None:
        start, end = self.strip(0, len(self.text))
        thought = self.text.rfind(_REASONING_END, start, end)
        if thought >= 0:
            self.mark("reasoning-trimmed", start)
            start, end = self.strip(thought + len(_REASONING_END), end)
        while start <= end:
            stop = self.text.find("\n", start, end)
            stop = end if stop < 0 else stop
            for first, last in self.lines(start, stop):
                self.line(first, last)
            start = stop + 1

    def mark(self, name: str, place: int) -> None:
        self.marks.append((name, place, 1))

    def strip(self, start: int, end: int) -> tuple[int, int]:
        bare = self.text[start:end].lstrip()
        start = end - len(bare)
        return start, start + len(bare.rstrip())

    def lines(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The line itself, or the lines that literal line breaks make of it; the writer's quoted form is one line."""
        if self.text.find("\\n", start, end) >= 0 and not self.is_quoted_form(start, end):
            for found in _LITERAL_BREAK.finditer(self.text, start, end):
                after = self.text[found.end() : found.end() + 1]
                # C:\new is a path; \nHelp-seeker: is a line.
                if after.isascii() and after.isalpha() and not self.labels.line.match(self.text, found.end(), end):
                    continue
                self.mark("literal-newlines", found.start())
                if found.start() > start:
                    yield start, found.start()
                start = found.end()
            if start == end:
                return
        yield start, end

    def is_quoted_form(self, start: int, end: int) -> bool:
        start, end = self.strip(start, end)
        label = self.labels.line.match(self.text, start, end)
        return label is not None and self.unquoted(label.end(), end) is not None

    def unquoted(self, start: int, end: int) -> str | None:
        """What the writer's quoted form between these places says; None if it is bare text or a model's quotes."""
        start, end = self.strip(start, end)
        if self.text[start : start + 1] != '"':
            return None
        text = unquote(self.text[start:end])
        return None if text is None or reads_plainly(text, self.fmt) else text

    def line(self, begin: int, end: int) -> None:
        start, end = self.strip(begin, end)
        if start == end:
            self.form("blank-lines", begin)
            return
        label = self.labels.line.match(self.text, start, end)
        if label is None:
            self.unlabelled(start, end)
            return
        if start > begin:
            self.mark("odd-spaces", begin)
        self.labelled(label, end)

    def form(self, name: str, place: int) -> None:
        """A repair of form between utterances; text that the format allows before them needs none."""
        if self.said or not self.fmt.preamble:
            self.mark(name, place)

    def labelled(self, label: re.Match[str], end: int) -> None:
        place = label.start("label")
        lead, gap = label["lead"], label["gap"]
        number = label["number"] or ""
        signs = lead.replace(number, "", 1) if number else lead
        quote = next((sign for sign in signs if sign in _PAIRS), "")
        if number or label["index"]:
            self.mark("label-numbering", place)
        if label["open"] or label["close"] or not _MARKUP.isdisjoint(signs) or gap.strip():
            self.mark("label-markup", place)
        elif gap or (label["note"] and label["note"][-1].isspace()):
            self.mark("odd-spaces", place)
        if label["note"]:
            self.mark("label-note", place)
        if quote:
            self.mark("quotes", place)
        start = label.end()
        bold = lead[len(lead.rstrip("*_`")) :]
        if bold and not gap.strip() and not (label["note"] or "").strip("*_`").endswith(bold):
            # **求助者：** closes behind the colon, **求助者：你好** at the end of the line.
            if self.text.startswith(bold, start, end):
                start += len(bold)
            elif self.text.endswith(bold, start, end) and self.text.count(bold, start, end) == 1:
                end -= len(bold)
        self.speaker(label["label"], place)
        self.said[-1].quote = quote
        self.said[-1].text = self.unquoted(start, end)
        if self.said[-1].text is None:
            self.rest(start, end)
        else:
            self.add(start, end)

    def speaker(self, label: str, place: int) -> None:
        if label not in self.labels.canonical:
            self.mark("label-alias", place)
        self.said.append(_Said(self.labels.role(label), place))
        self.divided = False

    def rest(self, start: int, end: int) -> None:
        """What a line says: one utterance or a part of one, or several with labels between them."""
        for leak in self.labels.leaks(self.text, start, end, SENTENCE_END):
            self.mark("labels-on-one-line", leak.start)
            self.add(start, leak.start - len(leak.opened))
            start = leak.end
            if leak.opened and self.text.startswith(leak.opened, start, end):
                start += len(leak.opened)
            self.speaker(leak.label, leak.start)
        self.add(start, end)

    def add(self, start: int, end: int) -> None:
        start, end = self.strip(start, end)
        if start < end:
            self.said[-1].pieces.append((start, end))

    def unlabelled(self, start: int, end: int) -> None:
        line = self.text[start:end]
        if is_fence(line):
            self.form("code-fence", start)
            self.divided = bool(self.said)
        elif is_divider(line):
            self.form("divider-lines", start)
            self.divided |= bool(self.said) and is_rule(line)
        elif is_stage_direction(line):
            self.form("stage-directions", start)
        elif self.said and not (self.fmt.preamble and is_result_heading(line)):
            self.goes_on(start, end)
        elif self.said:
            self.restart = len(self.said)
            self.goes_on(start, end)
        else:
            leak = next(self.labels.leaks(self.text, start, end, LEAD_IN_END), None)
            if leak is None or leak.start - start > LEAD_IN_LENGTH:
                self.lead.append((start, end))
                self.head(start, end)
            else:
                # 以下是对话：求助者：… on one line
                first = leak.start - len(leak.opened)
                self.lead.append((start, first))
                self.mark("labels-on-one-line", first)
                self.line(first, end)

    def head(self, start: int, end: int) -> None:
        head = head_of(self.text[start : min(end, start + 40)])
        if head is not None:
            self.heads.append((head, start))

    def goes_on(self, start: int, end: int) -> None:
        self.head(start, end)
        last = self.said[-1]
        if self.divided:
            last.divided.add(len(last.pieces))
            self.divided = False
        self.mark("lines-joined", start)
        self.rest(start, end)

    def reading(self, places: list[int] | None) -> Reading:
        """Cuts what does not belong to the dialogue, joins what does, and counts the repairs that were needed."""
        first, last = 0, len(self.text) + 1
        if 0 < self.restart < len(self.said):
            # The analysis named the speakers too; the dialogue starts behind its heading.
            self.said = self.said[self.restart :]
            first = self.said[0].label
        narration = self.cut_narration()
        last = last if narration is None else narration
        self.strip_quotes()
        marks = [mark for mark in self.marks if first <= mark[1] < last or mark[0] in _OF_THE_WHOLE]
        if narration is not None:
            marks.append(("narration-trimmed", narration, 1))
        utterances, spans = self.merged(marks)
        lead = None if self.fmt.preamble or not self.lead else self.lead_in(marks)

        def at(start: int, end: int) -> Span:
            if places is None:
                return Span(start, end)
            return Span(places[start], places[end - 1] + 1 if end > start else places[start])

        stranger = self.stranger(first, last)
        return Reading(
            utterances=tuple(utterances),
            spans=tuple(at(*span) for span in spans),
            marks=tuple(Mark(name, count, at(place, place)) for name, count, place in _counted(marks)),
            lead=at(*lead) if lead else None,
            stranger=(stranger[0], at(stranger[1], stranger[2])) if stranger else None,
        )

    def cut_narration(self) -> int | None:
        """Ends the last utterance where narration starts; gives that place."""
        last = self.said[-1] if self.said else None
        for place, (start, end) in enumerate(last.pieces if last else ()):
            line = self.text[start : min(end, start + 300)]
            if last and place and (place in last.divided or is_narration(line, self.fmt.client_labels)):
                del last.pieces[place:]
                return start
        return None

    def strip_quotes(self) -> None:
        for said in self.said:
            if said.quote:
                self.close(said, said.quote)
        if self.said and self.said[0].quote and not self.said[-1].quote:
            self.close(self.said[-1], self.said[0].quote)
        wrapped = [said for said in self.said if said.text is None and self.is_wrapped(said.pieces)]
        # One utterance in quotation marks is what somebody said; most of them are the model's way of writing.
        if len(wrapped) * 2 > len(self.said):
            for said in wrapped:
                self.mark("quotes", said.label)
                start, end = said.pieces.pop()
                start, end = self.strip(start + 1, end - 1)
                if start < end:
                    said.pieces.append((start, end))

    def close(self, said: _Said, quote: str) -> None:
        if said.pieces and said.text is None:
            start, end = said.pieces.pop()
            if self.text[end - 1] == _PAIRS[quote]:
                start, end = self.strip(start, end - 1)
            if start < end:
                said.pieces.append((start, end))

    def is_wrapped(self, pieces: list[tuple[int, int]]) -> bool:
        if len(pieces) != 1 or pieces[0][1] - pieces[0][0] < len("“”"):
            return False
        start, end = pieces[0]
        closing = _PAIRS.get(self.text[start])
        return closing == self.text[end - 1] and self.text.find(closing, start + 1, end) == end - 1

    def merged(self, marks: list[tuple[str, int, int]]) -> tuple[list[Utterance], list[tuple[int, int]]]:
        """One utterance for each stretch of one speaker, with its place."""
        utterances: list[Utterance] = []
        spans: list[tuple[int, int]] = []
        for role, turn in groupby(self.said, key=lambda said: said.role):
            same = list(turn)
            marks += [("speakers-merged", said.label, 1) for said in same[1:]]
            texts: list[str] = []
            pieces: list[tuple[int, int]] = []
            for said in same:
                texts += [self.text[start:end] for start, end in said.pieces] if said.text is None else [said.text]
                pieces += said.pieces
            utterances.append(Utterance(role, "\n".join(texts)))
            spans.append((pieces[0][0], pieces[-1][1]) if pieces else (same[0].label, same[0].label))
        return utterances, spans

    def lead_in(self, marks: list[tuple[str, int, int]]) -> tuple[int, int] | None:
        """Trims a short lead-in; of a long one, gives the place."""
        start, end = self.lead[0][0], self.lead[-1][1]
        if not self.said or len(self.lead) > LEAD_IN_LINES or end - start > LEAD_IN_LENGTH:
            return start, end
        marks.append(("lead-in-trimmed", start, 1))
        return None

    def stranger(self, first: int, last: int) -> tuple[str, int, int] | None:
        if self.fmt.preamble and self.said:
            first = self.said[0].label
        lines = Counter(head for head, _ in self.heads)
        for head, start in self.heads:
            if first <= start < last and is_stranger(head, lines[head]):
                place = self.text.find(head, start)
                return head, place, place + len(head)
        return None


def _counted(marks: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """(name, how often, first place), in the order of `REPAIRS`."""
    counts: Counter[str] = Counter()
    places: dict[str, int] = {}
    for name, place, count in marks:
        counts[name] += count
        places[name] = min(place, places.get(name, place))
    return [(name, counts[name], places[name]) for name in REPAIRS if name in counts]
