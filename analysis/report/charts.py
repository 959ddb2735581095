"""Charts as SVG that stands inside a page: text stays text, colours follow the page, two charts never share an id.

Every function returns markup that is safe to insert, or None where there is nothing to draw. Texts from data are never given
to matplotlib, which would parse them and miss their glyphs: it draws placeholders, and they are filled in afterwards.
"""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.figures import Distribution
from analysis.report.wording import is_share, number, visible

WIDTH = 400
"""Drawing units of every chart's width. A phone of 360 pixels leaves 328 for it, the page's style at most 520."""
TEXT = 14
"""Letter height in drawing units: 11.5 pixels on a phone, 18 at the widest."""
BINS = 40
"""Bins that a chart and its table show at most; finer ones are joined."""
_INK, _FAINT = "#0b0b00", "#0b0b01"
"""Stand-ins for colours of the page, which matplotlib cannot name; `_own` puts the page's in."""
_SHAPES = ("o", "s", "^", "D", "v", "P", "X")
"""Seven shapes over six colours, so that 42 series differ."""
COLOURS = 6
_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 2)), (0, (6, 2, 1, 2)))
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_FARTHEST, _NARROWEST = 1e15, 1e-200
"""Values beyond the one and bins within the other cannot be drawn in floats."""
_SIDE = 14
_ROW, _LANE, _AXIS = 25, 11, 46


class Series(NamedTuple):
    """How a corpus looks in every chart: its number in the report, and whether people made it."""

    place: int
    human: bool = False

    @property
    def stand_in(self) -> str:
        return f"#0c00{(self.place % COLOURS) + (16 if self.human else 0):02x}"

    @property
    def colour(self) -> str:
        return f"var(--{'human' if self.human else 'series'}-{self.place % COLOURS})"

    @property
    def shape(self) -> str:
        return _SHAPES[self.place % len(_SHAPES)]

    @property
    def dashes(self) -> str | tuple[int, tuple[int, ...]]:
        return _DASHES[(self.place // COLOURS + (self.place % 3 + 1 if self.human else 0)) % len(_DASHES)]


_PALETTE = {_INK: "currentColor", _FAINT: "var(--line)"} | {
    series.stand_in: series.colour for place in range(COLOURS) for series in (Series(place), Series(place, human=True))
}
_STAND_INS = re.compile("|".join(_PALETTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A value on a row of a dot chart, with its interval where there is one."""

    series: Series
    value: float
    low: float | None = None
    high: float | None = None
    filled: bool = True


class DotRow(NamedTuple):
    """A row of a dot chart, its label above its dots."""

    label: str
    dots: tuple[Dot, ...]


def coarser(spread: Distribution) -> Distribution:
    """The same distribution in at most `BINS` bins, neighbours joined."""
    step = -(-len(spread.counts) // BINS)
    if step <= 1:
        return spread
    counts = tuple(sum(spread.counts[at : at + step]) for at in range(0, len(spread.counts), step))
    edges = (*spread.edges[:-1:step], spread.edges[-1])
    return replace(spread, counts=counts, edges=edges)


def drawable(spread: Distribution) -> bool:
    """Whether the numbers make a histogram and a box: finite, in order, something counted."""
    numbers = (*spread.edges, *spread.box, spread.mean, spread.sd)
    return (
        len(spread.edges) == len(spread.counts) + 1
        and all(_near(value) for value in numbers)
        and all(high - low > _NARROWEST for low, high in zip(spread.edges, spread.edges[1:], strict=False))
        and sum(spread.counts) > 0
        and min(spread.counts) >= 0
    )


def _near(value: float | None) -> bool:
    return value is not None and abs(value) < _FARTHEST


def dots(name: str, about: str, rows: Sequence[DotRow], *, axis: str, zero: str = "", unit: str = "") -> Markup | None:
    """Dots with intervals, a row a label; with `zero`, a line at 0 that carries this label."""
    rows = [DotRow(row.label, tuple(dot for dot in row.dots if _near(dot.value))) for row in rows]
    rows = [row for row in rows if row.dots]
    values = [dot.value for row in rows for dot in row.dots]
    if not values:
        return None
    left, right = _range(
        values, [end for row in rows for dot in row.dots for end in (dot.low, dot.high)], zero=bool(zero)
    )
    places: list[tuple[float, DotRow]] = []
    height = 19.0 if zero else 4.0
    for row in rows:
        places.append((height, row))
        height += _ROW + _LANE * len(row.dots)
    texts: dict[str, str] = {}
    with _canvas(height + _AXIS) as (canvas, axes):
        _frame(axes, canvas, top=height, left=left, right=right, axis=axis, texts=texts, unit=unit)
        if zero:
            at = (0 - left) / (right - left)
            side = "left" if at < 0.25 else "right" if at > 0.75 else "center"  # noqa: PLR2004  # quarters of the width
            axes.text(0, 13, _label(texts, zero, WIDTH * 0.9), ha=side, color=_INK)
        for place, (top, row) in enumerate(places):
            if place:
                axes.plot([left, right], [top + 1, top + 1], color=_FAINT, linewidth=0.6)
            axes.text(left, top + 17, _label(texts, row.label, WIDTH - 2 * _SIDE), ha="left", color=_INK)
            if zero:
                axes.plot([0, 0], [top + 21, top + _ROW + _LANE * len(row.dots)], color=_INK, linewidth=1)
            for lane, dot in enumerate(row.dots):
                y = top + _ROW + 3 + lane * _LANE
                colour = dot.series.stand_in
                if dot.low is not None and dot.high is not None and dot.low <= right and dot.high >= left:
                    axes.plot([max(dot.low, left), min(dot.high, right)], [y, y], color=colour, linewidth=2)
                axes.plot(
                    [dot.value], [y], color=colour, marker=dot.series.shape, markersize=8, linestyle="none",
                    markerfacecolor=colour if dot.filled else "none", markeredgewidth=1.6,
                )  # fmt: skip
        return _own(canvas, name, about, texts)


def boxes(
    name: str, about: str, spreads: Mapping[str, tuple[Series, Distribution]], *, axis: str, unit: str
) -> Markup | None:
    """A box a corpus: 5 and 95 % whiskers, quartiles, median and mean."""
    shown = {corpus: (series, spread) for corpus, (series, spread) in spreads.items() if drawable(spread)}
    if not shown:
        return None
    ends = [end for _, spread in shown.values() for end in (spread.box.low, spread.box.high, spread.mean)]
    left, right = _range(ends, [], zero=False)
    height = 4.0 + len(shown) * 48
    texts: dict[str, str] = {}
    with _canvas(height + _AXIS) as (canvas, axes):
        _frame(axes, canvas, top=height, left=left, right=right, axis=axis, texts=texts, unit=unit)
        for row, (corpus, (series, spread)) in enumerate(shown.items()):
            y = 4 + row * 48 + 34
            box, colour = spread.box, series.stand_in
            axes.text(left, y - 15, _label(texts, corpus, WIDTH - 2 * _SIDE), ha="left", color=_INK)
            axes.plot([box.low, box.lower], [y, y], color=colour, linewidth=1.6)
            axes.plot([box.upper, box.high], [y, y], color=colour, linewidth=1.6)
            for end in (box.low, box.high):
                axes.plot([end, end], [y - 5, y + 5], color=colour, linewidth=1.6)
            corners = [box.lower, box.upper, box.upper, box.lower, box.lower]
            axes.plot(corners, [y - 9, y - 9, y + 9, y + 9, y - 9], color=colour, linewidth=1.6)
            axes.plot([box.median, box.median], [y - 9, y + 9], color=colour, linewidth=3.2)
            axes.plot([spread.mean], [y], color=colour, marker=series.shape, markersize=6, linestyle="none")
        return _own(canvas, name, about, texts)


def histograms(
    name: str, about: str, spreads: Mapping[str, tuple[Series, Distribution]], *, axis: str, unit: str, boundary: bool
) -> Markup | None:
    """Step lines over each other, each of area 1; with `boundary`, a dashed line at each mean - 3 sd."""
    shown = [(series, coarser(spread)) for series, spread in spreads.values() if drawable(spread)]
    if not shown:
        return None
    ends = [end for _, spread in shown for end in _occupied(spread)]
    ends += [spread.mean - 3 * spread.sd for _, spread in shown if boundary]
    left, right = _range(ends, [], zero=False)
    height = 190.0
    texts: dict[str, str] = {}
    heights = [np.asarray(s.counts) / (sum(s.counts) * np.diff(s.edges)) for _, s in shown]
    tallest = max(float(each.max()) for each in heights)
    with _canvas(height + _AXIS) as (canvas, axes):
        _frame(axes, canvas, top=height, left=left, right=right, axis=axis, texts=texts, unit=unit)
        for (series, spread), tall in zip(shown, heights, strict=True):
            y = height - tall / tallest * (height - 10)
            edges = np.repeat(np.asarray(spread.edges), 2)
            steps = np.concatenate(([height], np.repeat(y, 2), [height]))
            axes.plot(edges, steps, color=series.stand_in, linewidth=2, linestyle=series.dashes, clip_on=True)
            if boundary:
                at = spread.mean - 3 * spread.sd
                axes.plot(
                    [at, at], [height * 0.35, height], color=series.stand_in, linewidth=1.4, linestyle=(0, (2, 3))
                )
                axes.plot([at], [height * 0.35], color=series.stand_in, marker=series.shape, markersize=6)
        return _own(canvas, name, about, texts)


def swatch(series: Series) -> Markup:
    """A small picture of a series for a legend, hidden from readers that listen."""
    shape = {
        "o": '<circle cx="14" cy="7" r="4.5"/>',
        "s": '<path d="M9.8 2.8h8.4v8.4h-8.4z"/>',
        "^": '<path d="M14 2l5 9.6h-10z"/>',
        "D": '<path d="M14 1.4l5.6 5.6-5.6 5.6-5.6-5.6z"/>',
        "v": '<path d="M14 12l5-9.6h-10z"/>',
        "P": '<path d="M12 2h4v3h3v4h-3v3h-4v-3h-3v-4h3z"/>',
        "X": '<path d="M10 2l4 3 4-3 1 1-3 4 3 4-1 1-4-3-4 3-1-1 3-4-3-4z"/>',
    }[series.shape]
    dashes = series.dashes
    dashed = f' stroke-dasharray="{" ".join(str(part) for part in dashes[1])}"' if isinstance(dashes, tuple) else ""
    return Markup(  # noqa: S704  # made of constants and whole numbers
        f'<svg class="swatch" viewBox="0 0 28 14" aria-hidden="true" style="color: {series.colour}">'
        f'<path d="M0 7h28" stroke="currentColor" stroke-width="2"{dashed}/><g fill="currentColor">{shape}</g></svg>'
    )


def _occupied(spread: Distribution) -> tuple[float, float]:
    """The edges of the first and last bin that hold anything."""
    held = [at for at, count in enumerate(spread.counts) if count]
    return spread.edges[held[0]], spread.edges[held[-1] + 1]


def _range(values: Sequence[float], ends: Sequence[float | None], *, zero: bool) -> tuple[float, float]:
    """The axis: all values, and intervals as far as they stay within one more length of the values' own range."""
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    reach = (high - low) or abs(high) or 1.0
    near = [end for end in ends if end is not None and low - reach <= end <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    size = max(abs(low), abs(high)) or 1.0
    room = 0.05 * (high - low if high - low > size * 1e-9 else size)
    return low - room, high + room


@contextmanager
def _canvas(height: float) -> Iterator[tuple[Canvas, Axes]]:
    """A canvas in drawing units, y downwards, under settings that no user's own file changes."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({
            "svg.fonttype": "none", "svg.hashsalt": "report", "font.family": "sans-serif", "font.size": TEXT,
            "text.parse_math": False, "axes.unicode_minus": True, "path.simplify": False,
        })  # fmt: skip
        canvas = Canvas(figsize=(WIDTH / 72, height / 72), dpi=72)
        FigureCanvasSVG(canvas)
        yield canvas, canvas.add_axes((_SIDE / WIDTH, 0, 1 - 2 * _SIDE / WIDTH, 1))


def _frame(
    axes: Axes, canvas: Canvas, *, top: float, left: float, right: float, axis: str, texts: dict[str, str], unit: str
) -> None:
    """An x axis at the height `top`, its numbers and what it measures below."""
    full = canvas.get_size_inches()[1] * 72
    axes.set_position((_SIDE / WIDTH, (full - top) / full, 1 - 2 * _SIDE / WIDTH, top / full))
    axes.set_xlim(left, right)
    axes.set_ylim(top, 0)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_INK)
    axes.tick_params(axis="x", color=_INK, labelcolor=_INK, labelsize=TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(4 if max(abs(left), abs(right)) >= 1000 else 5))  # noqa: PLR2004
    if is_share(unit):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(round(value, 12), unit)))
    elif max(abs(left), abs(right)) >= 1000:  # noqa: PLR2004  # where thousands need separators
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.text(
        0.5,
        -37 / top,
        _label(texts, axis, WIDTH - 2 * _SIDE),
        ha="center",
        va="baseline",
        color=_INK,
        transform=axes.transAxes,
    )


def _label(texts: dict[str, str], text: str, room: float) -> str:
    """A placeholder for the text, cut to what fits into `room` drawing units."""
    shown, used = "", 0.0
    for letter in visible(text).replace("\n", " "):
        used += TEXT * (1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56)
        if used > room:
            shown = shown[:-1] + "…"
            break
        shown += letter
    key = f"text{len(texts)}"
    texts[key] = shown
    return key


def _own(canvas: Canvas, name: str, about: str, texts: Mapping[str, str]) -> Markup:
    """The canvas as markup of the page: no prolog or style of its own, ids under `name`, the page's colours, real texts."""
    written = io.StringIO()
    canvas.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314  # what matplotlib just wrote
    prefix = "c" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:10]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
                parent.remove(child)
    linked = set(re.findall(r"#([\w.-]+)", written.getvalue()))
    for element in root.iter():
        _adopt(element, prefix, linked)
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if element.tag == "text":
            element.set("style", f"font-size: {TEXT}px; text-anchor: {_anchor(element)}")
            element.text = texts.get(element.text or "", element.text)
    for size in ("width", "height"):
        root.attrib.pop(size)
    title = ET.Element("title", {"id": f"{prefix}-title"})
    title.text = visible(about)
    root.insert(0, title)
    for key, value in {"class": "chart", "role": "img", "aria-labelledby": f"{prefix}-title"}.items():
        root.set(key, value)
    markup = ET.tostring(root, encoding="unicode")
    return Markup(re.sub(r">\s+<", "><", markup))  # noqa: S704  # serialised by ElementTree, which escapes every text


def _adopt(element: ET.Element, prefix: str, linked: set[str]) -> None:
    for key, value in list(element.attrib.items()):
        if key == "id":
            if value in linked:
                element.set(key, f"{prefix}-{value}")
            else:
                del element.attrib[key]
        elif key == f"{{{_XLINK}}}href":
            del element.attrib[key]
            element.set("href", value.replace("#", f"#{prefix}-"))
        elif "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{prefix}-"))
        elif key == "style":
            element.set(key, _STAND_INS.sub(lambda found: _PALETTE[found[0]], value))
        elif key == "d":
            element.set(key, " ".join(value.split()))
        elif key == "transform" and value.startswith("rotate(-0"):
            del element.attrib[key]


def _anchor(element: ET.Element) -> str:
    found = re.search(r"text-anchor: (\w+)", element.get("style", ""))
    return found[1] if found else "start"
