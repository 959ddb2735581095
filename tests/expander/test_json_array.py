"""The splitter of JSON arrays: exact on whatever json.dumps writes, bounded on whatever anybody else does."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expander.sources.json_array import Broken, Element, NotAnArrayError, split_array


def test_an_endless_element_is_held_or_hides_the_next() -> None:
    chunks = [b'[{"question": "', *[b"x" * 1000] * 50, b'"},\n {"question": "b"}, {"question": "c"}]']
    found = list(split_array(chunks, limit=10_000))
    assert [type(piece) for piece in found] == [Broken, Element, Element]
    assert [piece.line for piece in found] == [1, 2, 2]


# What a JSON value can be; keys and texts made of what the splitter looks at.
TEXTS = st.text(alphabet='甲a"\\{}[],: \n\x1f', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.lists(VALUES, max_size=5),
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    escaped=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_valid_array_is_cut_wrong(
    values: list[Any], indent: int | str | None, cuts: list[int], *, escaped: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=escaped).encode()
    bounds = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    pieces = list(split_array(text[a:b] for a, b in pairwise(bounds)))
    assert all(isinstance(piece, Element) for piece in pieces), pieces
    found = [json.loads(piece.data) for piece in pieces if isinstance(piece, Element)]
    assert json.dumps(found) == json.dumps(values)


@settings(max_examples=150, deadline=None)
@given(
    text=st.binary(max_size=60) | st.text(alphabet='[]{}",: \n1a\\', max_size=60).map(str.encode), cut=st.integers(1, 9)
)
def test_any_bytes_crash_or_hang_the_splitter(text: bytes, cut: int) -> None:
    whole = b"[" + text
    chunks = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    pieces = list(split_array(chunks, limit=40))
    assert all(piece.line <= 1 + whole.count(b"\n") for piece in pieces)


@pytest.mark.parametrize("text", [b"", b" ", b"{}", b"7"], ids=["nothing", "space", "object", "number"])
def test_no_array_is_taken_for_one(text: bytes) -> None:
    with pytest.raises(NotAnArrayError) as caught:
        list(split_array([text]))
    assert caught.value.first == text.strip()[:1]


def test_a_missing_comma_or_a_trailing_one_costs_an_element() -> None:
    pieces = list(split_array([b'[{"a": 1} {"a": 2},, {"a": 3},]']))
    assert [piece.data for piece in pieces if isinstance(piece, Element)] == [b'{"a": 1}', b'{"a": 2}', b'{"a": 3}']


STRAY = {"list": b"[", "object and list": b'{"x": [', "list and object": b'[{"x", '}


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("limit", [300, 100_000], ids=["past the limit", "to the end"])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_bracket_too_many_hides_what_follows(stray: str, limit: int, indent: int | None) -> None:
    text = json.dumps([{"a": number, "b": [{"c": 1}]} for number in range(100)], indent=indent).encode()
    at = text.rindex(b"{", 0, text.index(b'"a": 50'))
    text = text[:at] + STRAY[stray] + text[at:]
    pieces = split_array((text[at : at + 50] for at in range(0, len(text), 50)), limit=limit)
    whole = 0
    for piece in pieces:
        try:
            whole += isinstance(piece, Element) and "a" in json.loads(piece.data)
        except ValueError:
            continue
    assert whole >= 98


def test_nested_breaks_make_the_time_square() -> None:
    # Every opening looks like an element's start, so a reader that began anew at each would not end within the hour.
    text = b"[" + b'{"a":' * 100_000 + b"@" + b"}" * 100_000 + b"]"
    assert len(list(split_array([text]))) == 1
