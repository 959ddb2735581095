"""The Pareto picture as SVG that stands in a page: a mark an arm, what it costs to the right, what it gives upwards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from analysis.ablation.model import Pareto, Point
from analysis.figures import Interval
from analysis.report import wording
from analysis.report.charts import TEXT, WIDTH, Series, swatch

HEIGHT = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 34, 52
_TICKS = 4
_ROOM = 0.12  # of the values' range, on each side


def scatter(pareto: Pareto, series: Mapping[str, Series]) -> Markup:
    """Texts are escaped, ids are of this picture alone, colours are the page's. A ring marks the front."""
    prefix = "p" + hashlib.sha256(pareto.key.encode()).hexdigest()[:10]
    across = _Axis([point.cost for point in pareto.points], [point.cost_interval for point in pareto.points])
    up = _Axis([point.value for point in pareto.points], [point.value_interval for point in pareto.points])
    width, height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return round(_LEFT + across.place(value) * width, 2)

    def y(value: float) -> float:
        return round(_TOP + (1 - up.place(value)) * height, 2)

    parts = [
        f'<path d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}" fill="none" stroke="currentColor"/>',
        _text(WIDTH / 2, HEIGHT - 6, f"{pareto.cost} →", "middle"),
        _text(4, 16, f"{'↑' if pareto.more_is_better else '↓'} {_fitting(pareto.quality)}", "start"),
    ]
    for tick in across.ticks:
        parts.append(f'<path d="M{x(tick)} {HEIGHT - _BOTTOM}v4" stroke="currentColor"/>')
        parts.append(_text(x(tick), HEIGHT - _BOTTOM + 18, wording.number(tick), "middle"))
    for tick in up.ticks:
        parts.append(f'<path d="M{_LEFT - 4} {y(tick)}H{WIDTH - _RIGHT}" stroke="var(--line)" stroke-width=".6"/>')
        parts.append(_text(_LEFT - 8, y(tick) + 5, wording.number(tick), "end"))
    parts += [_mark(point, series.get(point.arm, Series(len(series))), x, y) for point in pareto.points]
    said = "; ".join(
        f"{wording.shortened(point.arm, 40)}: {wording.number(point.cost)} {pareto.cost}, {wording.number(point.value)}"
        f"{', on the front' if point.front else ''}"
        for point in pareto.points
    )
    title = escape(wording.visible(f"{pareto.title}. {said}."))
    return Markup(  # noqa: S704  # made of numbers, constants and escaped texts
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-labelledby="{prefix}">'
        f'<title id="{prefix}">{title}</title>{"".join(parts)}</svg>'
    )


class _Axis:
    """From values to places between 0 and 1; intervals as far as they stay within one more length of the values' range."""

    def __init__(self, values: list[float], intervals: list[Interval | None]) -> None:
        low, high = min(values), max(values)
        reach = (high - low) or abs(high) or 1.0
        ends = [end for each in intervals if each is not None for end in (each.low, each.high)]
        near = [end for end in ends if low - reach <= end <= high + reach]
        low, high = min([low, *near]), max([high, *near])
        room = _ROOM * ((high - low) or abs(high) or 1.0)
        self.low, self.high = low - room, high + room
        self.ticks = [
            float(tick)
            for tick in MaxNLocator(_TICKS).tick_values(self.low, self.high)
            if self.low <= tick <= self.high
        ]

    def place(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def _mark(point: Point, series: Series, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    at, height = x(point.cost), y(point.value)
    lines = ""
    if point.cost_interval is not None:
        lines += f"M{x(point.cost_interval.low)} {height}H{x(point.cost_interval.high)}"
    if point.value_interval is not None:
        lines += f"M{at} {y(point.value_interval.low)}V{y(point.value_interval.high)}"
    bars = f'<path d="{lines}" stroke="{series.colour}" stroke-width="1.6" opacity=".6"/>' if lines else ""
    ring = f'<circle cx="{at}" cy="{height}" r="11" fill="none" stroke="currentColor" stroke-width="1.6"/>'
    # A swatch's shape is its one group, in the middle of 28 by 14 drawing units.
    _, group, behind = swatch(series).partition("<g ")
    shape, close, _ = behind.partition("</g>")
    moved = f'<g transform="translate({at - 14} {height - 7})" style="color: {series.colour}">{group}{shape}{close}</g>'
    return bars + moved + (ring if point.front else "")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" style="font-size: {TEXT}px; text-anchor: {anchor}">{escape(wording.visible(text))}</text>'


def _fitting(text: str) -> str:
    return wording.shortened(text, 46)
