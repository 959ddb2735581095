"""Cells of a CSV that a spreadsheet can only take for text."""

from __future__ import annotations

import unicodedata

_STARTS_A_FORMULA = frozenset("=+-@")
_HIDES_ONE = frozenset("\t\r\n\0")


def inert(cell: str) -> str:
    """The cell, with an apostrophe before it where a spreadsheet might run it.

    That is a cell whose first visible character is = + - @ in any width (after OWASP's "CSV Injection", and its
    ASVS 1.2.10), and one that begins with tab, CR, LF or NUL, which some programs drop before they look.
    A cell that begins with an apostrophe gets one more, so taking one off every cell that begins with one gives all texts back.
    """
    if not cell:
        return cell
    first = next((each for each in cell if each.isprintable() and not each.isspace()), "")
    runs = unicodedata.normalize("NFKC", first)[:1] in _STARTS_A_FORMULA
    return f"'{cell}" if runs or cell[0] in _HIDES_ONE or cell[0] == "'" else cell
