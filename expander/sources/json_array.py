"""Cuts a JSON array of any size into its elements, without parsing them and without holding more than one.

Only brackets and strings are followed, each element is for the caller to parse alone, so one broken element stays one.
Whatever `json.dumps` writes is cut exactly. Where an element breaks the grammar so that its end cannot be known
(a bracket or a quote missing), the next place that looks like the start of an element is where reading goes on: the
same indentation at a line's start, or the same first key, as the array's first object has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from expander.sources.lines import ROW_LIMIT_BYTES


class Element(NamedTuple):
    """The bytes of one element, and the line it starts on. Not necessarily JSON: that is for the parser to say."""

    line: int
    data: bytes


class Broken(NamedTuple):
    """Bytes that are no element: too long to hold, or left over at the file's end."""

    line: int
    reason: str


class NotAnArrayError(ValueError):
    """The text does not start with an opening square bracket; `first` is the byte it starts with, or empty."""

    def __init__(self, first: bytes) -> None:
        super().__init__(f"not a JSON array: starts with {first!r}")
        self.first = first


# JSON allows no raw line feed inside a string. Holding to that ends a string with a lost quote at its line's end.
_STRING: Final = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_OPEN_STRING: Final = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+\\?')
# What may stand between strings and brackets: white space, commas, numbers, true, false, null, NaN, Infinity.
_PLAIN: Final = rb"[ \t\r\n,0-9+\-.eEtrufalsnNIiy]++"
# An object without brackets inside it is taken in one step: PsyQA's label lists are full of them.
_LEAF: Final = rb"\{(?:" + _PLAIN + rb"|:|" + _STRING + rb")*+\}"
# A bracket may follow a colon inside an object, a comma inside an array: this finds most lost brackets where they are.
_IN_OBJECT: Final = re.compile(rb"(?:" + _PLAIN + rb"|:[ \t\r\n]*+(?:" + _LEAF + rb")?+|" + _STRING + rb")*+")
_IN_ARRAY: Final = re.compile(rb"(?:" + _PLAIN + rb"|" + _LEAF + rb"|" + _STRING + rb")*+")
_SCALAR: Final = re.compile(_STRING + rb'|[^,\[\]{}"\n]++')
_GAP: Final = re.compile(rb"[ \t\r\n,]*+")
_FIRST_KEY: Final = re.compile(rb'\{[ \t\r\n]{0,256}("[^"\\\n]{0,256}")[ \t\r\n]{0,256}:')
_ANY_OBJECT: Final = re.compile(rb"\}[ \t\r\n]{0,256},[ \t\r\n]{0,256}(?=\{)")

_HEAD_BYTES: Final = 2048
"""More than the longest text that a pattern for the start of an element can match."""

SECOND_LOOKS: Final = 64
"""How many elements without an end may be read again from inside, in one file: each costs up to the row limit."""

_OPEN_BRACE, _CLOSE_BRACE = b"{}"
_OPEN_SQUARE, _CLOSE_SQUARE = b"[]"
_QUOTE: Final = ord('"')
_COLON: Final = ord(":")
_CLOSES: Final = {_CLOSE_BRACE: _OPEN_BRACE, _CLOSE_SQUARE: _OPEN_SQUARE}
_SPACE: Final = b" \t\r\n"

# How a scan ended, with the offset from the element's start.
_WHOLE, _BROKEN, _CUT, _TOO_LONG = range(4)


def split_array(chunks: Iterable[bytes], *, limit: int = ROW_LIMIT_BYTES) -> Iterator[Element | Broken]:
    """Each element of the array in order; memory is one element (at most `limit` bytes) and one chunk.

    Commas are not counted, so a missing or a doubled one between elements is forgiven.
    Raises NotAnArrayError before anything is yielded where the text is no array.
    """
    return _Splitter(chunks, limit).elements()


class _Splitter:
    """A window on the bytes. `start` is where the current element starts in `data`, `line` the line it is on."""

    __slots__ = ("base", "chunks", "data", "last_break", "limit", "line", "next_element", "second_looks", "start")

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        self.chunks = iter(chunks)
        self.limit = limit
        self.data = b""
        self.start = 0
        self.base = 0  # offset of data[0] in the stream
        self.line = 1
        self.last_break = -1
        self.second_looks = SECOND_LOOKS
        self.next_element: re.Pattern[bytes] | None = None

    def fill(self) -> bool:
        """Take one chunk more and forget what stands before `start`. False at the stream's end."""
        for chunk in self.chunks:
            self.base += self.start
            self.data = self.data[self.start :] + chunk
            self.start = 0
            return True
        return False

    def advance(self, to: int) -> None:
        self.line += self.data.count(b"\n", self.start, to)
        self.start = to

    def skip_gap(self) -> bytes:
        """Move past white space and commas; the white space after the last line feed in it, with that line feed."""
        gap = b""
        while True:
            end = _GAP.match(self.data, self.start).end()  # type: ignore[union-attr]  # it matches the empty string
            gap = (gap + self.data[self.start : end])[-_HEAD_BYTES:]
            self.advance(end)
            if end < len(self.data) or not self.fill():
                return gap[max(gap.rfind(b"\n"), 0) :]

    def elements(self) -> Iterator[Element | Broken]:
        self.skip_gap()
        if self.data[self.start : self.start + 1] != b"[":
            raise NotAnArrayError(self.data[self.start : self.start + 1])
        self.advance(self.start + 1)
        waiting: Element | None = None
        while True:
            gap = self.skip_gap()
            if self.start == len(self.data):
                if waiting:  # it took the array's own closing bracket, so its opening one is a slip: look inside
                    yield Broken(waiting.line, "a bracket too many before this element")
                    for piece in split_array([waiting.data], limit=self.limit):
                        yield piece._replace(line=piece.line + waiting.line - 1)
                    return
                yield Broken(self.line, "the file ends before the array does: it was cut short")
                return
            if waiting:
                yield waiting
                waiting = None
            byte = self.data[self.start]
            if byte == _CLOSE_SQUARE:
                self.advance(self.start + 1)
                self.skip_gap()
                if self.start == len(self.data):
                    return
                yield Broken(self.line, "more text follows the array's closing bracket")
                if self.data[self.start] != _OPEN_BRACE and self.to_next_element(0) is None:
                    return
                continue
            if byte == _OPEN_BRACE and self.next_element is None:
                self.learn(gap)
            ended, length = self.nested() if byte in b"{[" else self.scalar()
            if ended == _WHOLE and length <= self.limit:
                end = self.start + length
                element = Element(self.line, self.data[self.start : end])
                self.advance(end)
                if byte == _OPEN_SQUARE and self.next_element:
                    waiting = element
                else:
                    yield element
                continue
            line = self.line
            # A bracket too many can hide all elements that follow inside this one, so it gets a second look.
            looks_again = ended in {_CUT, _TOO_LONG} and self.second_looks > 0
            self.second_looks -= looks_again
            if ended == _CUT and not (looks_again and self.has_next_element()):
                yield Broken(line, "the file ends inside this element: it was cut short")
                return
            if ended == _WHOLE:
                self.advance(self.start + length)
                yield self.too_long(line)
                continue
            # A break that was met before says that the text since holds no element: look behind it this time.
            seen = self.base + self.start + length
            known = seen == self.last_break or (ended == _TOO_LONG and not (looks_again and self.has_next_element()))
            skip = length if known else 1
            self.last_break = seen
            skipped = self.to_next_element(skip)
            if (ended == _TOO_LONG and known) or (skipped is not None and len(skipped) > self.limit):
                yield self.too_long(line)
            elif skipped is not None:
                yield Element(line, skipped.rstrip(b" \t\r\n,"))
            else:
                yield Broken(line, "not JSON: a quote, a comma or a bracket is wrong, and no later element was found")
            if skipped is None:
                return

    def has_next_element(self) -> bool:
        """Whether something in the window, behind the current element's start, looks like the start of another."""
        return self.next_element is not None and bool(self.next_element.search(self.data, self.start + 1))

    def too_long(self, line: int) -> Broken:
        return Broken(line, f"longer than {self.limit} bytes: a quote or a bracket may have been left open")

    def learn(self, gap: bytes) -> None:
        """Note what the start of an element looks like in this file, from its first object."""
        while len(self.data) - self.start < _HEAD_BYTES and self.fill():
            pass
        key = _FIRST_KEY.match(self.data, self.start)
        if gap.startswith(b"\n") and gap != b"\n":
            self.next_element = re.compile(re.escape(gap) + rb"(?=\{)")
        elif key:
            before = rb",[ \t\r\n]{0,256}(?=\{[ \t\r\n]{0,256}"
            self.next_element = re.compile(before + re.escape(key[1]) + rb"[ \t\r\n]{0,256}:)")
        else:
            self.next_element = _ANY_OBJECT

    def nested(self) -> tuple[int, int]:
        """Follow the element at `start`, an object or an array, to its end."""
        data, start = self.data, self.start
        stack = bytearray((data[start],))
        at = 1
        while True:
            in_object = stack[-1] == _OPEN_BRACE
            pattern = _IN_OBJECT if in_object else _IN_ARRAY
            end = pattern.match(data, start + at).end()  # type: ignore[union-attr]  # it matches the empty string
            at = end - start
            if end < len(data):
                byte = data[end]
                if byte in b"{[":
                    if in_object and not _after_colon(data, end):
                        return _BROKEN, at
                    stack.append(byte)
                    at += 1
                    continue
                if byte in b"}]":
                    if stack.pop() != _CLOSES[byte]:
                        return _BROKEN, at
                    at += 1
                    if not stack:
                        return _WHOLE, at
                    continue
                if byte != _QUOTE or _OPEN_STRING.match(data, end).end() < len(data):  # type: ignore[union-attr]
                    return _BROKEN, at
            if len(data) - start > self.limit:
                return _TOO_LONG, at
            if not self.fill():
                return _CUT, at
            data, start = self.data, self.start

    def scalar(self) -> tuple[int, int]:
        """Follow a string, a number or a bare word at `start` to its end."""
        while True:
            match = _SCALAR.match(self.data, self.start)
            end = match.end() if match else self.start
            if match and end < len(self.data):
                return _WHOLE, end - self.start
            opened = _OPEN_STRING.match(self.data, self.start)
            if not match and not (opened and opened.end() == len(self.data)):
                return _BROKEN, 0
            if len(self.data) - self.start > self.limit:
                return _TOO_LONG, len(self.data) - self.start
            if not self.fill():
                return _CUT, 0

    def to_next_element(self, skip: int) -> bytes | None:
        """Move to the next start of an element at least `skip` bytes on; what was passed over, or None at the end.

        Past the limit, what was passed over is let go: then it comes back as that many bytes, their content lost.
        """
        if self.next_element is None:
            return None
        lost = 0
        at = skip
        while True:
            match = self.next_element.search(self.data, self.start + at)
            if match:
                passed = bytes(min(lost, self.limit + 1)) + self.data[self.start : match.end()]
                self.advance(match.end())
                return passed
            at = max(at, len(self.data) - self.start - _HEAD_BYTES)
            if at > self.limit:
                lost += at
                self.advance(self.start + at)
                at = 0
            if not self.fill():
                return None


def _after_colon(data: bytes, end: int) -> bool:
    before = end - 1
    while data[before] in _SPACE:
        before -= 1
    return data[before] == _COLON
