"""Texts that make a regular expression try again and again, made from the expression itself, and how its time grows on them.

Time that grows with the square of the text, or worse, comes from a repeat whose pieces another part of the pattern takes too,
or that a search begins anew at every place. So each attack is a way into the pattern, then one of its own characters many
times, then something that no longer matches.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from tests.campaigns.fuzz.contract import HangError, time_limit
from tests.campaigns.fuzz.patterns import Found

_SMALL = 300
"""Rounds that a repeat may have and still count as bounded."""
SIZE = 1_500
"""Characters of the first, shortest text; the longest has eight times as many."""
_SUSPECT = 0.0004
"""Seconds for the shortest text below which it is not looked at again. The quickest square, a possessive repeat of one class begun
at every place, takes twice this; a line takes a tenth."""
_FLOOR = 0.0002
"""Seconds that are noise."""
_LIMIT = 2.0
"""CPU seconds that no linear pattern takes for the longest text, by a thousand times."""
MOST = 20.0
"""How many times as long the longest text may take: eight for a line, 64 for a square."""
DOUBLED = 2.8
"""How many times as long twice the text may take: two for a line, four for a square."""
_TRIES = 4
_ATTACKS = 500
_ENDS = ("", "\0", "\n", "a")


class Worse(NamedTuple):
    """An attack that grew faster than its text."""

    place: str
    pattern: str
    use: str
    attack: str
    times: tuple[float, ...]

    def __str__(self) -> str:
        took = ", ".join(f"{seconds:.4f}" for seconds in self.times)
        return f"{self.place} {self.use} of {self.attack}: {took} s for {self.pattern[:120]}"


def grows_too_fast(found: Found) -> Worse | None:
    """The first attack on which the pattern takes more than linear time, by any of its uses; None where none does."""
    if not _repeats(parser.parse(found.text, found.flags)):
        return None
    pattern = found.compiled()
    for before, unit, after in attacks(found.text, found.flags):
        for use in found.uses:
            act = _acting(pattern, use)

            def seconds(
                size: int, act: Callable[[Any], object] = act, parts: tuple[str, str, str] = (before, unit, after)
            ) -> float:
                head, pump, tail = parts
                text = head + pump * (size // len(pump)) + tail
                given: str | bytes = text.encode("latin-1", "replace") if found.is_bytes else text
                return _timed(act, given)

            try:
                if seconds(SIZE) < _SUSPECT:
                    continue
                times = tuple(min(seconds(SIZE * by) for _ in range(_TRIES)) for by in (1, 2, 4, 8))
            except HangError:
                times = (0.0, float("inf"))
            if times[-1] > MOST * max(times[0], _FLOOR) and times[-1] > DOUBLED * times[-2]:
                return Worse(found.place, found.text, use, f"{before!r} + {unit!r} * n + {after!r}", times)
    return None


def _repeats(tree: Any) -> bool:
    """Whether anything in it may be repeated without a small bound. Without, each try takes bounded time."""
    for code, value in tree:
        if code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}:
            if value[1] > _SMALL or _repeats(value[2]):
                return True
        elif any(_repeats(inner) for inner in _inside(code, value)):
            return True
    return False


def _timed(act: Callable[[Any], object], text: str | bytes) -> float:
    """Seconds by the wall clock: a process's own clock may tick 4 ms at a time. The least of several tries is without its noise."""
    with time_limit(_LIMIT):
        begun = time.perf_counter()
        act(text)
        return time.perf_counter() - begun


def _acting(pattern: re.Pattern[Any], use: str) -> Callable[[Any], object]:
    if use in {"match", "fullmatch", "search"}:
        found: Callable[[Any], object] = getattr(pattern, use)
        return found
    return lambda text: sum(1 for _ in pattern.finditer(text))


def attacks(text: str, flags: int) -> Iterator[tuple[str, str, str]]:
    """(way in, what is repeated, end), each once."""
    tree = parser.parse(text, flags)
    lines = ["\n"] if flags & re.MULTILINE or "\\s" in text else []
    signs = list(dict.fromkeys([*lines, *_signs(tree)]))[:14] or ["a"]
    ways = list(dict.fromkeys(["", *_ways(tree)]))
    whole = _sample(tree)
    units = list(
        dict.fromkeys(
            [
                *signs,
                whole,
                whole[:-1],
                *(way for way in ways if way),
                *(a + b for a, b in product(signs[:6], repeat=2)),
            ]
        )
    )
    mixed = ((way, unit, end) for unit in units if unit for end in _ENDS[:3] for way in _spread(ways, 6))
    long = ((way, sign, end) for way in ways for sign in signs for end in _ENDS)
    yield from dict.fromkeys([*islice(long, _ATTACKS), *islice(mixed, _ATTACKS)])


def _spread(found: Sequence[str], most: int) -> Sequence[str]:
    return found if len(found) <= most else [found[place * len(found) // most] for place in range(most)]


def _ways(tree: Any, before: str = "") -> Iterator[str]:
    """What stands before each repeat, and with one round of it: the ways into the pattern."""
    for code, value in tree:
        if code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}:
            least, most, inner = value
            if most > 3:
                yield before
                yield before + _sample(inner)
            yield from _ways(inner, before)
            before += _sample(inner) * max(1, min(least, 20))
            continue
        for inner in _inside(code, value):
            yield from _ways(inner, before)
        before += _sample([(code, value)])


def _inside(code: Any, value: Any) -> Sequence[Any]:
    if code is codes.SUBPATTERN:
        return [value[-1]]
    if code is codes.BRANCH:
        return list(value[1])[:40]
    if code is codes.ATOMIC_GROUP:
        return [value]
    if code in {codes.ASSERT, codes.ASSERT_NOT}:
        return [value[1]]
    return []


def _signs(tree: Any) -> Iterator[str]:
    """One or a few characters for each class, and each literal, repeats first."""
    later = []
    for code, value in tree:
        if code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}:
            yield from _signs(value[2])
        elif code is codes.IN:
            yield from _members(value)
        elif code in {codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.CATEGORY}:
            later.append(_sample([(code, value)]))
        else:
            for inner in _inside(code, value):
                later += _signs(inner)
    yield from later


def _members(value: Any) -> Iterator[str]:
    if value and value[0][0] is codes.NEGATE:
        yield next(sign for sign in "a1 。!" if not any(_holds(one, sign) for one in value[1:]))
        return
    for one in value[:6]:
        yield _member(one)


def _member(one: tuple[Any, Any]) -> str:
    code, value = one
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.RANGE:
        return chr(value[0])
    return _CATEGORIES.get(value, "a")


def _holds(one: tuple[Any, Any], sign: str) -> bool:
    code, value = one
    if code is codes.LITERAL:
        return bool(ord(sign) == value)
    if code is codes.RANGE:
        return bool(value[0] <= ord(sign) <= value[1])
    return _CATEGORIES.get(value, "a") == sign


_CATEGORIES = {
    codes.CATEGORY_DIGIT: "1",
    codes.CATEGORY_NOT_DIGIT: "a",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: "a",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_WORD: " ",
}


def _sample(tree: Any) -> str:
    """A short text that the pattern matches, look-arounds aside."""
    made = ""
    for code, value in tree:
        if code is codes.LITERAL:
            made += chr(value)
        elif code is codes.NOT_LITERAL:
            made += "b" if value == ord("a") else "a"
        elif code is codes.ANY:
            made += "a"
        elif code is codes.IN:
            made += next(_members(value))
        elif code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}:
            made += _sample(value[2]) * max(min(1, value[1]), min(value[0], 20))
        elif code is codes.SUBPATTERN:
            made += _sample(value[-1])
        elif code is codes.ATOMIC_GROUP:
            made += _sample(value)
        elif code is codes.BRANCH:
            made += _sample(value[1][0])
    return made
