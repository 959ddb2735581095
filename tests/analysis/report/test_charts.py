"""Charts: SVG that stands inside a page and says in words what it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from analysis.figures import Box
from analysis.report.charts import (
    BINS,
    TEXT,
    WIDTH,
    Dot,
    DotRow,
    Series,
    boxes,
    coarser,
    dots,
    drawable,
    histograms,
    swatch,
)
from tests.analysis.report.making import HOSTILE, spread

ONE, TWO = Series(0), Series(1, human=True)
SPREAD = spread("一", "m", centre=0.4, sd=0.1)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("text")]  # noqa: S314  # just made


def drawn() -> list[str]:
    """One chart of each kind, of hostile names."""
    name = HOSTILE[3]
    row = DotRow(name, (Dot(series=ONE, value=0.4, low=0.3, high=0.5), Dot(series=TWO, value=-1.0, filled=False)))
    made = [
        dots("one", name, [row], axis=name, zero=name),
        boxes("two", name, {name: (ONE, SPREAD)}, axis=name, unit="cosine"),
        histograms("three", name, {name: (ONE, SPREAD)}, axis=name, unit="cosine", boundary=True),
    ]
    assert all(made)
    return [svg for svg in made if svg]


@pytest.mark.parametrize("svg", drawn(), ids=["dots", "boxes", "histograms"])
def test_a_chart_is_closed_in_itself(svg: str) -> None:
    root = ET.fromstring(svg)  # noqa: S314  # just made
    assert {element.tag for element in root.iter()} <= {
        "svg",
        "title",
        "g",
        "path",
        "text",
        "use",
        "defs",
        "clipPath",
        "rect",
    }
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    linked = re.findall(r'(?:href="|url\()#([^")]+)', svg)
    assert len(ids) == len(set(ids))
    assert set(linked) <= set(ids)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == root[0].attrib["id"]
    assert root[0].text == HOSTILE[3]
    assert HOSTILE[3] in texts(svg)
    assert "#0b0b" not in svg
    assert "#0c00" not in svg


def test_two_charts_share_no_id() -> None:
    found = [re.findall(r' id="([^"]+)"', svg) for svg in drawn()]
    every = [name for names in found for name in names]
    assert len(every) == len(set(every)) > 3


def test_every_text_is_large_enough_for_a_phone() -> None:
    for svg in drawn():
        assert set(re.findall(r"font-size: ([\d.]+)px", svg)) == {str(TEXT)}
        assert re.search(rf'viewBox="0 0 {WIDTH} [\d.]+"', svg)
    assert TEXT * 328 / WIDTH >= 11


def test_the_same_chart_is_drawn_alike() -> None:
    assert drawn() == drawn()


def test_a_dot_stands_where_its_value_is() -> None:
    rows = [
        DotRow("a", (Dot(series=ONE, value=0.0),)),
        DotRow("b", (Dot(series=ONE, value=1.0),)),
        DotRow("c", (Dot(series=ONE, value=0.25),)),
    ]
    svg = dots("places", "", rows, axis="x")
    assert svg
    uses = ET.fromstring(svg).iter("use")  # noqa: S314  # just made
    marks = [float(use.attrib["x"]) for use in uses if "var(--series-0)" in use.attrib["style"]]
    assert len(marks) == 3
    assert (marks[2] - marks[0]) / (marks[1] - marks[0]) == pytest.approx(0.25, abs=1e-3)


def test_a_name_too_long_is_cut_to_the_chart() -> None:
    svg = boxes("long", "", {"长" * 200: (ONE, SPREAD)}, axis="x", unit="")
    assert svg
    longest = max(texts(svg), key=len)
    assert longest.endswith("…")
    assert len(longest) * TEXT <= WIDTH


def test_money_signs_are_no_formula() -> None:
    svg = boxes("formula", "", {HOSTILE[9]: (ONE, SPREAD)}, axis="$x$", unit="")
    assert svg
    assert "$x$" in texts(svg)


@pytest.mark.parametrize(
    "broken",
    [
        replace(SPREAD, counts=()),
        replace(SPREAD, counts=tuple(0 for _ in SPREAD.counts)),
        replace(SPREAD, mean=float("nan")),
        replace(SPREAD, sd=float("inf")),
        replace(SPREAD, edges=tuple(0.5 for _ in SPREAD.edges)),
        replace(SPREAD, edges=(), counts=()),
        replace(SPREAD, box=Box(0, 0, 0, 0, 1e300)),
    ],
    ids=["no counts", "all zero", "nan", "inf", "no width", "empty", "too far"],
)
def test_what_cannot_be_drawn_is_not(broken: object) -> None:
    assert isinstance(broken, type(SPREAD))
    assert not drawable(broken)
    assert boxes("b", "", {"a": (ONE, broken)}, axis="", unit="") is None
    assert histograms("h", "", {"a": (ONE, broken)}, axis="", unit="", boundary=True) is None


def test_a_constant_is_drawn() -> None:
    constant = replace(SPREAD, mean=0.3, sd=0.0, box=Box(0.3, 0.3, 0.3, 0.3, 0.3), edges=(0.3, 0.3 + 1e-9), counts=(9,))
    assert boxes("b", "", {"a": (ONE, constant)}, axis="", unit="")
    assert histograms("h", "", {"a": (ONE, constant)}, axis="", unit="", boundary=True)
    assert dots("d", "", [DotRow("a", (Dot(series=ONE, value=0.0, low=0.0, high=0.0),))], axis="")


def test_extreme_values_are_drawn_or_left_out() -> None:
    far = DotRow("a", (Dot(series=ONE, value=1e308), Dot(series=TWO, value=1.0, low=-1e308, high=1e308)))
    svg = dots("far", "", [far], axis="x", zero="0")
    assert svg
    assert "inf" not in svg
    assert "nan" not in svg.lower()
    assert dots("none", "", [DotRow("a", (Dot(series=ONE, value=float("nan")),))], axis="x") is None


def test_joined_bins_keep_every_count() -> None:
    fine = spread("a", "m", centre=0.5, sd=0.1, n=10_000, bins=137)
    joined = coarser(fine)
    assert len(joined.counts) <= BINS
    assert len(joined.edges) == len(joined.counts) + 1
    assert sum(joined.counts) == sum(fine.counts)
    assert (joined.edges[0], joined.edges[-1]) == (fine.edges[0], fine.edges[-1])
    middle = joined.edges[3]
    assert sum(joined.counts[:3]) == sum(
        count for count, low in zip(fine.counts, fine.edges, strict=False) if low < middle
    )


def test_many_series_look_different() -> None:
    looks = {(Series(place).colour, Series(place).shape) for place in range(42)}
    assert len(looks) == 42
    assert len({swatch(Series(place)) for place in range(42)}) == 42
