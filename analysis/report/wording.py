"""Numbers, intervals, p values and effects as a reader meets them, and text from data made fit to be seen."""

from __future__ import annotations

import math
import re

from analysis.figures import LEVEL, Interval

DASH = "—"
"""Stands where there is no number."""
MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

ALPHA = 1 - LEVEL
"""A difference holds where its corrected p value is below this, the complement of what the intervals promise."""
_DIGITS = 3
_EXTRA = 3
"""At most so many digits more where an interval is narrower than three digits can show."""
_SMALLEST = 1e-3
_LARGEST = 1e15
"""Below and above, a power of ten is easier to read; at 1e15 a float stops holding every whole number."""
_HUNDREDFOLD = 1e300
"""A share beyond this cannot be multiplied by a hundred."""

_STANDARDISED = (0.2, 0.5, 0.8)
"""Where small, medium and large begin: Cohen 1988, Statistical Power Analysis, section 2.2.3."""
_CLIFF = (0.147, 0.33, 0.474)
"""The same for Cliff's delta: Romano et al. 2006, "Appropriate statistics for ordinal level data"."""
_WORDS = ("negligible", "small", "medium", "large")
_LEAST_P = 0.001

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
"""Controls, marks that turn the direction of what follows, separators that scripts take for line ends, and halves of
characters, which no encoding can write. A reader should see that they are there; a page must not obey them."""


def visible(text: str) -> str:
    """The text with every hidden or turning character replaced by a mark in plain sight; newlines and tabs stay."""
    return _HIDDEN.sub(_mark, text.replace("\r\n", "\n"))


def _mark(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xD800 <= code <= 0xDFFF or code >= 0xFFFE:  # noqa: PLR2004  # halves of characters, and no characters
        return "\N{REPLACEMENT CHARACTER}"
    return f"[U+{code:04X}]"


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def finite(value: float | None) -> float | None:
    """The value, or None for what is no number to show."""
    return value if value is not None and math.isfinite(value) else None


def is_share(unit: str) -> bool:
    """Whether values of this unit are read in per cent."""
    return unit.lower().startswith("share")


def number(value: float | None, unit: str = "", *, signed: bool = False, width: float | None = None) -> str:
    """Three significant digits, whole counts in full, shares in per cent; more digits where an interval's `width` needs them."""
    if (value := finite(value)) is None:
        return DASH
    end = ""
    if is_share(unit) and abs(value) < _HUNDREDFOLD:
        value, end = value * 100, f"{_SPACE}%"
        if signed:
            end = " points"
        width = None if width is None else width * 100
    shown = _digits(abs(value), width, counted=not end)
    zero = not any(digit in shown for digit in "123456789")
    sign = "" if zero else MINUS if value < 0 else "+" if signed else ""
    return f"{sign}{shown}{end}"


def _digits(size: float, width: float | None, *, counted: bool) -> str:
    if size == 0:
        return "0"
    if size < _SMALLEST or size >= _LARGEST:
        figures, exponent = f"{size:.{_DIGITS - 1}e}".split("e")
        return f"{figures}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    if size == int(size) and (counted or size == 100):  # noqa: PLR2004  # all of it
        return f"{size:,.0f}"
    decimals = _DIGITS - 1 - _exponent(size)
    if width is not None and 0 < width < size:
        decimals = max(decimals, min(-_exponent(width), decimals + _EXTRA))
    return f"{size:,.{max(decimals, 0)}f}"


def _exponent(size: float) -> int:
    """The power of ten of the first digit, after rounding to three: 9.999 counts as 10."""
    return int(f"{size:.{_DIGITS - 1}e}".split("e")[1])


def interval_width(interval: Interval | None) -> float | None:
    """How wide an interval is; None where it has an end that is no number."""
    if interval is None or finite(interval.low) is None or finite(interval.high) is None:
        return None
    return finite(interval.high - interval.low)


def interval(between: Interval | None, unit: str = "", *, signed: bool = False) -> str:
    """The two ends, "0.41 to 0.44"; empty without an interval."""
    width = interval_width(between)
    if between is None or width is None:
        return ""
    ends = [number(end, unit, signed=signed, width=width) for end in (between.low, between.high)]
    unit_end = " points" if signed else f"{_SPACE}%"
    if is_share(unit) and ends[1].endswith(unit_end):
        ends[0] = ends[0].removesuffix(unit_end)
    return f"{ends[0]} to {ends[1]}"


def p_value(p: float | None) -> str:
    """Three decimals, and never a zero or a one, which no test can give."""
    if (p := finite(p)) is None:
        return DASH
    if p < _LEAST_P:
        return f"< {_LEAST_P}"
    if p > 1 - _LEAST_P:
        return f"> {1 - _LEAST_P}"
    return f"{p:.3f}"


def holds(p_corrected: float | None) -> bool:
    """Whether a difference holds at 5 % after correction."""
    return finite(p_corrected) is not None and p_corrected is not None and p_corrected < ALPHA


def is_standardised(effect_name: str) -> bool:
    """Whether an effect is a difference in standard deviations, so that a difference's interval may be drawn on its scale."""
    return any(name in effect_name.lower() for name in ("standard", "pooled sd", "cohen", "hedges"))


def effect_word(effect: float | None, effect_name: str) -> str:
    """ "large, lower" and the like; empty where there is no effect or no convention for its name."""
    if (effect := finite(effect)) is None:
        return ""
    if is_standardised(effect_name):
        bounds = _STANDARDISED
    elif "cliff" in effect_name.lower():
        bounds = _CLIFF
    else:
        return ""
    word = _WORDS[sum(abs(effect) >= bound for bound in bounds)]
    return word if word == _WORDS[0] else f"{word}, {'higher' if effect > 0 else 'lower'}"


def listed(names: list[str]) -> str:
    """ "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
