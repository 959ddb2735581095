"""Phrase lists: entries a person can read, compiled for one pass over a text.

The language of an entry: `(a|b|)` is a choice, `…` a gap of a few characters inside a sentence. An entry that starts with
a Latin letter is read as English: whole words, any case, `*` for any ending. Every repeat is bounded, so a search takes
time in proportion to the text, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from filters.dialogue import Span

_CHOICE = re.compile(r"\(([^()]*)\)")
_TWO_LATIN = re.compile(r"[A-Za-z][A-Za-z]")
_GAP = "[^。！？!?；;\n]{0,5}"
_ENGLISH = {" ": r"[ \t\xa0]{1,3}", "'": "['’]?", "-": "[- ]?", "*": "[a-z]{0,12}"}
_GAP_IN_ENGLISH = r"[^.!?;\n]{0,24}"


class PhraseHit(NamedTuple):
    """Where an entry of a list stands in a text; `entry` is as the list has it."""

    kind: str
    entry: str
    span: Span


class _Phrase(NamedTuple):
    kind: str
    entry: str
    pattern: re.Pattern[str]


class _Group(NamedTuple):
    """The entries that start alike: all of them in one pattern, and each alone, in the order of that pattern."""

    any_of_them: re.Pattern[str]
    phrases: tuple[_Phrase, ...]


@dataclass(frozen=True, slots=True)
class _Scanner:
    """Entries of one script by their first two characters, or the first alone where a gap follows it.

    `candidates` finds first characters in front of second ones. One pattern of all entries would try each of them at every
    不 and 想 of a text; a table of pairs is ten times as quick.
    """

    candidates: re.Pattern[str]
    groups: Mapping[str, _Group]
    cores: re.Pattern[str] | None
    longest: int

    def starts(self, text: str) -> Iterator[int]:
        """Where an entry may start, in order: near a core, where the list names cores."""
        if self.cores is None:
            yield from (found.start() for found in self.candidates.finditer(text))
            return
        scanned = 0
        for core in self.cores.finditer(text):
            first = max(scanned, core.start() - self.longest)
            scanned = core.end()
            # One character more, for the second one of a pair.
            for found in self.candidates.finditer(text, first, scanned + 1):
                if found.start() < scanned:
                    yield found.start()

    def at(self, text: str, start: int) -> PhraseHit | None:
        """The longest entry that stands at this place."""
        for group in self._groups_at(text, start):
            for phrase in group.phrases:
                if found := phrase.pattern.match(text, start):
                    return PhraseHit(phrase.kind, phrase.entry, Span(*found.span()))
        return None

    def covers(self, text: str, start: int, end: int) -> bool:
        """Whether an entry that starts here reaches so far."""
        return any(
            found is not None and found.end() >= end
            for group in self._groups_at(text, start)
            for phrase in group.phrases
            for found in [phrase.pattern.match(text, start)]
        )

    def _groups_at(self, text: str, start: int) -> Iterator[_Group]:
        pair = text[start : start + 2].lower()
        for beginning in (pair, pair[:1]):
            group = self.groups.get(beginning)
            if group is not None and group.any_of_them.match(text, start):
                yield group


@dataclass(frozen=True, slots=True)
class PhraseList:
    """Kinds of phrases to find, and the innocuous ones that explain a hit away when they contain it."""

    chinese: _Scanner
    english: _Scanner
    innocuous: tuple[_Scanner, _Scanner]

    def search(self, text: str) -> tuple[PhraseHit, ...]:
        """Hits in order, none overlapping another of its script; never raises for any text."""
        hits = list(self._hits(self.chinese, text))
        if _TWO_LATIN.search(text):
            hits += self._hits(self.english, text)
            hits.sort(key=lambda hit: hit.span)
        return tuple(hits)

    def _hits(self, scanner: _Scanner, text: str) -> Iterator[PhraseHit]:
        place = 0
        for start in scanner.starts(text):
            if start >= place and (hit := scanner.at(text, start)) and not self._explained(text, hit.span):
                yield hit
                place = hit.span.end

    def _explained(self, text: str, span: Span) -> bool:
        return any(
            scanner.covers(text, start, span.end)
            for scanner in self.innocuous
            for start in range(max(0, span.start - scanner.longest), span.start + 1)
        )


def phrase_list(
    kinds: Mapping[str, Sequence[str]],
    innocuous: Sequence[str],
    traditional: Sequence[str] = (),
    cores: Sequence[str] = (),
) -> PhraseList:
    """Compiles the lists. `traditional` holds pairs such as 杀殺; an entry written with the first matches the second too.
    `cores` are rare short strings of which every form of a Chinese entry must hold one: what is searched first.

    Raises ValueError for an entry to find that may start with a gap, or hold a single character.
    """
    variants = {pair[0]: pair for pair in traditional}
    entries = [(kind, entry) for kind, listed in kinds.items() for entry in listed]
    explained = [("", entry) for entry in innocuous]
    return PhraseList(
        _scanner(_chinese(entries), variants, cores),
        _scanner(_english(entries), variants),
        (_scanner(_chinese(explained), variants), _scanner(_english(explained), variants)),
    )


def _chinese(entries: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in entries if not _is_english(pair[1])]


def _english(entries: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in entries if _is_english(pair[1])]


def _scanner(entries: Sequence[tuple[str, str]], variants: Mapping[str, str], cores: Sequence[str] = ()) -> _Scanner:
    listed: dict[str, dict[str, _Phrase]] = {}
    for kind, entry in sorted(entries, key=lambda pair: _length(pair[1]), reverse=True):
        source = _pattern(entry, variants)
        pattern = re.compile(source)
        for pair in _first_two(entry, variants):
            listed.setdefault(pair, {})[source] = _Phrase(kind, entry, pattern)
    if not listed:
        return _Scanner(re.compile(r"(?!)"), {}, None, 0)
    latin = next(iter(listed)).isascii()
    start = f"{_class(pair[0] for pair in listed)}(?={_class(pair[1:] for pair in listed)})"
    if alone := [pair for pair in listed if len(pair) == 1]:
        start = f"(?:{start}|{_class(alone)})"
    if latin:
        start = f"(?i:(?<![a-z]){start})"
    groups = {pair: _Group(re.compile("|".join(found)), tuple(found.values())) for pair, found in listed.items()}
    longest = max(_length(entry.replace("…", "…" * 5)) for _, entry in entries)
    return _Scanner(re.compile(start), groups, _any_of(cores, variants) if cores else None, longest)


def _any_of(cores: Sequence[str], variants: Mapping[str, str]) -> re.Pattern[str]:
    """Finds one of these strings of one or two characters: by classes, with which `re` skips ahead, then exactly."""
    forms = {
        form for core in cores for form in map("".join, product(*(variants.get(letter, letter) for letter in core)))
    }
    ones = {form for form in forms if len(form) == 1}
    twos = sorted(forms - ones)
    exact = f"(?<=[{''.join(sorted(ones))}])" if ones else ""
    if twos:
        exact += f"{'|' if ones else ''}{_class(two[1] for two in twos)}(?<={'|'.join(map(re.escape, twos))})"
    return re.compile(f"{_class(form[0] for form in forms)}(?:{exact})")


def _class(characters: Iterable[str]) -> str:
    return f"[{''.join(sorted({re.escape(character) for character in characters}))}]"


def _first_two(entry: str, variants: Mapping[str, str]) -> set[str]:
    """Every pair of characters that an entry may start with; one character where a gap follows it."""
    found = set()
    waiting = [("", entry)]
    while waiting:
        taken, rest = waiting.pop()
        lead = _CHOICE.match(rest)
        if len(taken) == 2:  # noqa: PLR2004 - a pair
            found.add(taken)
        elif lead:
            waiting += [(taken, option + rest[lead.end() :]) for option in lead[1].split("|")]
        elif taken and rest[:1] == "…":
            found.add(taken)
        elif rest[:1] in {"", "…", "*"}:
            raise ValueError(f"the entry {entry!r} must start with text, of two characters at least")
        else:
            waiting += [(taken + letter, rest[1:]) for letter in variants.get(rest[0], rest[0])]
    return found


def _pattern(entry: str, variants: Mapping[str, str]) -> str:
    english = _is_english(entry)
    pieces = []
    for piece in entry:
        if piece in "()|":
            pieces.append({"(": "(?:", ")": ")", "|": "|"}[piece])
        elif piece == "…":
            pieces.append(_GAP_IN_ENGLISH if english else _GAP)
        elif english:
            pieces.append(_ENGLISH.get(piece) or re.escape(piece))
        else:
            pieces.append(f"[{variants[piece]}]" if piece in variants else re.escape(piece))
    body = "".join(pieces)
    return f"(?i:(?<![a-z]){body}(?![a-z]))" if english else body


def _is_english(entry: str) -> bool:
    return entry.lstrip("(")[:1].isascii()


def _length(entry: str) -> int:
    """The longest text of an entry, about: longer entries are tried first, for they say more."""
    return len(_CHOICE.sub(lambda choice: max(choice[1].split("|"), key=len), entry))
