"""Numbers and texts as a reader meets them."""

from __future__ import annotations

import math

import pytest

from analysis.figures import Interval
from analysis.report import wording


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "", "—"),
        (math.nan, "", "—"),
        (math.inf, "share of dialogues", "—"),
        (0.0, "", "0"),
        (-0.0, "", "0"),
        (1833856.0, "sentences", "1,833,856"),
        (55165, "dialogues", "55,165"),
        (1234.5, "", "1,234"),
        (42.0, "", "42"),
        (42.04, "", "42.0"),
        (0.93124, "cosine", "0.931"),
        (0.0432, "", "0.0432"),
        (9.999, "", "10.0"),
        (99.96, "", "100"),
        (-3.14159, "", "−3.14"),
        (0.0000123, "", "1.23\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁵"),
        (1.5e20, "", "1.50\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10²⁰"),
        (0.1234, "share of counselor utterances", "12.3\u202f%"),
        (1.0, "Share of dialogues", "100\u202f%"),
        (1e308, "share of dialogues", "1.00\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10³⁰⁸"),
        (5e-324, "", "4.94\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻³²⁴"),
    ],
)
def test_a_number(value: float | None, unit: str, shown: str) -> None:
    assert wording.number(value, unit) == shown


def test_a_signed_share_is_in_points() -> None:
    assert wording.number(0.1234, "share of dialogues", signed=True) == "+12.3 points"
    assert wording.number(-0.02, "share of dialogues", signed=True) == "−2.00 points"
    assert wording.number(0.0, signed=True) == "0"


def test_a_narrow_interval_gets_the_digits_it_needs() -> None:
    between = Interval(0.93118, 0.93131, "bootstrap")
    assert wording.interval(between) == "0.9312 to 0.9313"
    assert wording.number(0.93124, width=wording.interval_width(between)) == "0.9312"


@pytest.mark.parametrize(
    ("between", "unit", "signed", "shown"),
    [
        (None, "", False, ""),
        (Interval(math.nan, 1.0, "x"), "", False, ""),
        (Interval(0.41, 0.44, "x"), "", False, "0.410 to 0.440"),
        (Interval(0.2, 0.3, "x"), "share of dialogues", False, "20.0 to 30.0\u202f%"),
        (Interval(-0.05, 0.013, "x"), "share of dialogues", True, "−5.00 to +1.30 points"),
        (Interval(3.0, 3.0, "x"), "", False, "3 to 3"),
    ],
)
def test_an_interval(between: Interval | None, unit: str, signed: bool, shown: str) -> None:  # noqa: FBT001
    assert wording.interval(between, unit, signed=signed) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (None, "—"),
        (math.nan, "—"),
        (0.0, "< 0.001"),
        (0.0005, "< 0.001"),
        (0.0312, "0.031"),
        (1.0, "> 0.999"),
        (0.5, "0.500"),
    ],
)
def test_a_p_value_is_never_nothing_or_all(p: float | None, shown: str) -> None:
    assert wording.p_value(p) == shown


@pytest.mark.parametrize(
    ("effect", "name", "word"),
    [
        (0.19, "standardised difference", "negligible"),
        (0.2, "standardised difference", "small, higher"),
        (-0.5, "Cohen's d", "medium, lower"),
        (-0.8, "Hedges' g", "large, lower"),
        (0.4, "Cliff's delta", "medium, higher"),
        (3.0, "ratio", ""),
        (None, "standardised difference", ""),
        (math.nan, "standardised difference", ""),
    ],
)
def test_the_word_for_an_effect(effect: float | None, name: str, word: str) -> None:
    assert wording.effect_word(effect, name) == word


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 文字\n\tmore", "plain 文字\n\tmore"),
        ("a\r\nb\rc", "a\nb[U+000D]c"),
        ("\u202eturned", "[U+202E]turned"),
        ("a\u2028b", "a[U+2028]b"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("\x00", "[U+0000]"),
        ("👩‍👧", "👩‍👧"),
    ],
)
def test_hidden_characters_are_shown(text: str, shown: str) -> None:
    assert wording.visible(text) == shown
    assert wording.visible(text).encode()


def test_five_per_cent_does_not_hold() -> None:
    assert wording.holds(0.0499)
    assert not wording.holds(0.0501)
    assert not wording.holds(None)
    assert not wording.holds(math.nan)
