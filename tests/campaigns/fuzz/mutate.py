"""New inputs from old ones: bytes flipped, cut, doubled and swapped, pieces put in, JSON values exchanged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import orjson

from tests.campaigns.fuzz.contract import Target
from tests.campaigns.fuzz.nasties import BYTES

LONGEST = 4096
"""Bytes of an input. Readers of text meet their states within it, and a longer one costs time that finds nothing new."""

_VALUES: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**53 + 1,
        2**63,
        2**64 - 1,
        -(2**63),
        1.5,
        1e308,
        "",
        " ",
        "\0",
        "a",
        "求助者：",
        "\u2028",
        "\ufeff",
    ),
    *([], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": []}}}, ["a"] * 30, "x" * 300, "1e999", "null"),
)
_Step = Callable[[bytes, random.Random, Target, Sequence[bytes]], bytes]


def mutated(target: Target, pool: Sequence[bytes], dice: random.Random) -> bytes:
    """One input made of one from the pool: one to eight steps away, few more often than many."""
    data = dice.choice(pool)
    for _ in range(1 + min(7, int(dice.expovariate(0.6)))):
        data = dice.choice(_STEPS)(data, dice, target, pool)[:LONGEST]
    return data


def _stretch(data: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + int(dice.expovariate(0.1)) + 1)


def _flip(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    if not data:
        return bytes([dice.randrange(256)])
    place = dice.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1 :]


def _set(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    place = dice.randrange(len(data) + 1)
    return data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :]


def _cut(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    start, end = _stretch(data, dice)
    return data[:start] + data[end:]


def _end(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _double(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    start, end = _stretch(data, dice)
    return data[:end] + data[start:end] * dice.choice((1, 1, 2, 3, 17, 100)) + data[end:]


def _swap(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    one, two = sorted((_stretch(data, dice), _stretch(data, dice)))
    if one[1] > two[0]:
        return data
    return data[: one[0]] + data[slice(*two)] + data[one[1] : two[0]] + data[slice(*one)] + data[two[1] :]


def _word(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    place = dice.randrange(len(data) + 1)
    end = place + dice.choice((0, 0, 0, 1, 3))
    return data[:place] + dice.choice(target.words or BYTES) + data[end:]


def _splice(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    other = dice.choice(pool)
    start, end = _stretch(other, dice)
    place = dice.randrange(len(data) + 1)
    return data[:place] + other[start : end + 40] + data[place:]


def _value(data: bytes, dice: random.Random, target: Target, pool: Sequence[bytes]) -> bytes:
    """One value of a JSON line or document exchanged for an odd one, renamed, doubled or taken out."""
    lines = data.split(b"\n")
    place = dice.randrange(len(lines))
    text = data if len(lines) > 1 and dice.random() < 0.5 else lines[place]
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _word(data, dice, target, pool)
    try:
        changed = orjson.dumps(_changed(document, dice))
    except TypeError:  # a key that is no text, a number beyond 64 bits, nesting too deep to be written
        return _word(data, dice, target, pool)
    if text is data:
        return changed
    lines[place] = changed
    return b"\n".join(lines)


def _changed(value: object, dice: random.Random) -> object:
    if not isinstance(value, dict | list) or not value or dice.random() < 0.2:
        return dice.choice(_VALUES)
    if isinstance(value, list):
        place = dice.randrange(len(value))
        kept = list(value)
        kept[place : place + 1] = dice.choice(
            ([], [kept[place]] * 2, [_changed(kept[place], dice)], [_changed(kept[place], dice)])
        )
        return kept
    key = dice.choice(list(value))
    kept_keys = dict(value)
    how = dice.randrange(6)
    if how == 0:
        del kept_keys[key]
    elif how == 1:
        kept_keys[dice.choice(("", "id", "name", "a", key + " ", key.upper()))] = kept_keys[key]
    else:
        kept_keys[key] = _changed(kept_keys[key], dice)
    return kept_keys


_STEPS: tuple[_Step, ...] = (_flip, _set, _cut, _end, _double, _swap, _word, _word, _word, _splice, _value, _value)
