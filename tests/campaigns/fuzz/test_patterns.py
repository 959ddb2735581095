"""No regular expression of the project takes more than linear time, whatever text it is given."""

from __future__ import annotations

from functools import cache

import pytest

from tests.campaigns.fuzz.growth import grows_too_fast
from tests.campaigns.fuzz.patterns import Found, every_pattern

_PARTS = 8


@cache
def _distinct() -> tuple[Found, ...]:
    """Each text with its flags and uses once, whatever number of places has it."""
    return tuple({(found.text, found.is_bytes, found.flags, found.uses): found for found in every_pattern()}.values())


def test_a_pattern_is_not_found() -> None:
    """Module-level ones, ones in tables, in function bodies, and made from YAML; `every_pattern` itself fails for one that escapes."""
    places = {found.place.rpartition(":")[0] for found in _distinct()}
    assert {
        *("filters/privacy.py", "filters/phrases.py", "filters/labels.py", "expander/vllm_server/log_lines.py"),
        *("expander/annotation/vocabulary.py", "expander/settings.py", "analysis/human/cues.py", "prompts/linting.py"),
    } <= places
    assert len(_distinct()) > 200


@pytest.mark.slow
@pytest.mark.parametrize("part", range(_PARTS))
def test_time_grows_faster_than_the_text(part: int) -> None:
    worse = [str(found) for pattern in _distinct()[part::_PARTS] if (found := grows_too_fast(pattern))]
    assert worse == []


@pytest.mark.parametrize(
    ("text", "use"),
    [
        pytest.param(r"\s*\d+\s*$", "search", id="begun-anew-at-every-space"),
        pytest.param(r"(a+)+b", "fullmatch", id="a-repeat-of-a-repeat"),
        pytest.param(r"\s*(?:x)?\s*", "fullmatch", id="two-repeats-side-by-side"),
        pytest.param(r"\{[^}]*\}", "search", id="an-opening-that-never-closes"),
        pytest.param(r"^[\s*]*x", "search", id="across-lines"),
    ],
)
def test_a_pattern_that_is_not_linear_is_let_through(text: str, use: str) -> None:
    flags = 8 if text.startswith("^") else 0  # re.MULTILINE
    assert grows_too_fast(Found("here:1", text, is_bytes=False, flags=flags, uses=(use,))) is not None


@pytest.mark.parametrize("text", [r"[^\n]*+x?", r"\d{1,3}(?:\.\d++)?", r"(?<!b)(?:ab)*+c", r"a|b|c+"])
def test_a_linear_pattern_is_refused(text: str) -> None:
    assert grows_too_fast(Found("here:1", text, is_bytes=False, flags=0, uses=("search", "fullmatch"))) is None
