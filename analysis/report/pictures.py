"""Which charts a report has, from its figures: the gap on the first screen, and each metric's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from analysis.figures import Comparison, Distribution, Figure, Group, Metric
from analysis.report import charts, tables, wording
from analysis.report.charts import Dot, DotRow, Series
from analysis.report.model import Report

_ROWS = 10
"""Metrics in the picture of the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A chart with the words under it, its legend, and a table of its numbers where no other table has them."""

    svg: Markup
    caption: str
    legend: tuple[tables.Cell, ...] = ()
    table: tables.Table | None = None


def first_pictures(report: Report, series: Mapping[str, Series], names: tables.Names) -> tuple[Drawn, ...]:
    """The human gap where effects against human sessions are known; else distinct-2 and mean cosine of each corpus."""
    gap = _gap(report, series, names)
    return (gap,) if gap else _two_figures(report, series, names)


def metric_charts(
    metric: Metric, spreads: Sequence[Distribution], series: Mapping[str, Series], names: tables.Names
) -> tuple[Drawn, ...]:
    """Histograms of a metric; for semantic diversity the box plot first, as in SMILE's Figure 5."""
    known = {each.corpus: (series.get(each.corpus, Series(len(series))), each) for each in spreads}
    shown = {corpus: pair for corpus, pair in known.items() if charts.drawable(pair[1])}
    if not shown:
        return ()
    means = wording.listed(
        [
            f"{wording.shortened(corpus, 40)} {wording.number(each.mean, metric.unit)}"
            for corpus, (_, each) in shown.items()
        ]
    )
    axis = metric.unit if len(metric.unit) <= len(metric.name) else metric.name
    legend = tuple(names.cell(corpus) for corpus in shown)
    drawn = []
    if metric.group is Group.SEMANTIC:
        about = f"Box plots of {metric.name}. Means: {means}."
        svg = charts.boxes(f"box {metric.key}", about, shown, axis=axis, unit=metric.unit)
        if svg:
            caption = "Box: middle half, with its median. Whiskers: 5 % to 95 %. Mark: mean."
            drawn.append(Drawn(svg=svg, caption=caption))
    boundary = metric.group is Group.TRANSFORMATION
    about = f"Histograms of {metric.name}. Means: {means}."
    svg = charts.histograms(f"histogram {metric.key}", about, shown, axis=axis, unit=metric.unit, boundary=boundary)
    if svg:
        units = wording.listed(sorted({each.unit for _, each in shown.values()}))
        caption = f"Share of {units} at each value; every line encloses the same area."
        if boundary:
            caption += " Dotted: mean − 3 sd of each corpus."
        drawn.append(Drawn(svg=svg, caption=caption, legend=legend))
    return tuple(drawn)


def _against_people(report: Report) -> list[Comparison]:
    """Effects against human sessions, each corpus against one reference: of its own language where there is one."""
    language = {corpus.name: corpus.language for corpus in report.corpora}
    human = [corpus.name for corpus in report.corpora if corpus.human]
    usable = [
        each
        for each in report.comparisons
        if each.reference in human and each.corpus not in human and wording.finite(each.effect) is not None
    ]
    scale = _scale(each.effect_name for each in usable)
    usable = [each for each in usable if _scale([each.effect_name]) == scale]
    chosen = []
    for corpus in dict.fromkeys(each.corpus for each in usable):
        own = [each for each in usable if each.corpus == corpus]
        references = sorted({each.reference for each in own}, key=human.index)
        alike = [name for name in references if language[name] == language.get(corpus)] or references
        chosen += [each for each in own if each.reference == alike[0]] if alike else []
    return chosen


def _scale(effect_names: Iterable[str]) -> str:
    """What the picture's axis is called: all standardised effects share one, and others have their own name."""
    names = list(effect_names)
    if any(map(wording.is_standardised, names)):
        return "standard deviations"
    return Counter(names).most_common(1)[0][0] if names else ""


def _gap(report: Report, series: Mapping[str, Series], names: tables.Names) -> Drawn | None:
    compared = _against_people(report)
    if not compared:
        return None
    metrics = {metric.key: metric for metric in report.metrics}
    sizes: dict[str, float] = {}
    for each in compared:
        sizes[each.metric] = max(sizes.get(each.metric, 0.0), abs(each.effect or 0.0))
    largest = sorted(sizes, key=lambda key: -sizes[key])[:_ROWS]
    arms = [corpus for corpus in series if any(each.corpus == corpus and each.metric in largest for each in compared)]
    arms += sorted({each.corpus for each in compared} - set(series))
    rows, lines = [], []
    by_place = {(each.metric, each.corpus): each for each in compared}
    for key in largest:
        found = [by_place.get((key, arm)) for arm in arms]
        name = metrics[key].name if key in metrics else key
        rows.append(DotRow(name, tuple(_dot(each, series) for each in found if each)))
        cells = tuple(_effect(each) for each in found)
        lines.append(tables.Row(head=tables.Cell(text=name, link=f"#metric-{key}"), cells=cells))
    references = wording.listed(list(dict.fromkeys(wording.shortened(each.reference, 40) for each in compared)))
    effect = _scale([compared[0].effect_name]) or "effect"
    top = max(compared, key=lambda each: (abs(each.effect or 0.0), -compared.index(each)))
    about = (
        f"Distance from {references} in {effect} on {len(rows)} measurements. The largest: "
        f"{rows[0].label}, {wording.shortened(top.corpus, 40)} {wording.number(top.effect, signed=True)}."
    )
    svg = charts.dots("gap", about, rows, axis=f"← lower\u2003{effect}\u2003higher →", zero="like the human sessions")
    if not svg:
        return None
    caption = f"How far each corpus is from {references}: the {len(rows)} largest differences, 0 meaning no difference."
    if any(row.low is not None for each in rows for row in each.dots):
        caption += " Lines: 95 % intervals."
    if any(wording.holds(each.p_corrected) for each in compared):
        caption += " Filled marks hold at 5 % after correction, hollow ones do not."
    columns = (tables.Cell(text="metric"), *(names.cell(arm) for arm in arms))
    table = tables.Table(key="gap", caption=f"The same in numbers: {effect}", columns=columns, rows=tuple(lines))
    return Drawn(svg=svg, caption=caption, legend=tuple(names.cell(arm) for arm in arms), table=table)


def _dot(compared: Comparison, series: Mapping[str, Series]) -> Dot:
    low, high = _effect_interval(compared) or (None, None)
    return Dot(
        series=series.get(compared.corpus, Series(len(series))),
        value=compared.effect or 0.0,
        low=low,
        high=high,
        filled=wording.holds(compared.p_corrected),
    )


def _effect_interval(compared: Comparison) -> tuple[float, float] | None:
    """The difference's interval on the scale of a standardised effect, which is the difference by one standard deviation."""
    effect, difference = wording.finite(compared.effect), wording.finite(compared.difference)
    if not effect or not difference or wording.interval_width(compared.interval) is None or compared.interval is None:
        return None
    scale = wording.finite(effect / difference)
    if not wording.is_standardised(compared.effect_name) or scale is None or scale <= 0:
        return None
    return compared.interval.low * scale, compared.interval.high * scale


def _effect(compared: Comparison | None) -> tables.Cell:
    if compared is None:
        return tables.Cell(text=wording.DASH)
    ends = _effect_interval(compared)
    between = f"{wording.number(ends[0], signed=True)} to {wording.number(ends[1], signed=True)}" if ends else ""
    word = wording.effect_word(compared.effect, compared.effect_name)
    under = tuple(line for line in (between, word) if line)
    return tables.Cell(text=wording.number(compared.effect, signed=True), under=under)


def _two_figures(report: Report, series: Mapping[str, Series], names: tables.Names) -> tuple[Drawn, ...]:
    """distinct-2, at matched tokens where that is known, and mean pairwise cosine: a dot a corpus."""
    pairs = [metric for metric in report.metrics if metric.group is Group.LEXICAL and "distinct_2" in metric.key]
    pairs.sort(key=lambda metric: "matched" not in metric.key)
    cosines = [metric for metric in report.metrics if metric.group is Group.SEMANTIC and "cosine" in metric.key]
    cosines.sort(key=lambda metric: "mean" not in metric.key)
    drawn = []
    for metric in (*pairs[:1], *cosines[:1]):
        figures = [
            each for each in report.figures if each.metric == metric.key and wording.finite(each.value) is not None
        ]
        rows = [DotRow(each.corpus, (_figure_dot(each, series),)) for each in figures]
        values = wording.listed([f"{each.corpus[:40]} {wording.number(each.value, metric.unit)}" for each in figures])
        about = f"{metric.name}: {values}."
        svg = charts.dots(f"first {metric.key}", about, rows, axis=metric.unit or metric.name, unit=metric.unit)
        if svg:
            table = tables.of_metrics(
                f"first-{metric.key}",
                "The same in numbers",
                [metric],
                {(each.metric, each.corpus): each for each in figures},
                [each.corpus for each in figures],
                names,
            )
            drawn.append(Drawn(svg=svg, caption=f"{metric.name} of each corpus.", table=table))
    return tuple(drawn)


def _figure_dot(figure: Figure, series: Mapping[str, Series]) -> Dot:
    known = wording.interval_width(figure.interval) is not None and figure.interval is not None
    return Dot(
        series=series.get(figure.corpus, Series(len(series))),
        value=figure.value or 0.0,
        low=figure.interval.low if known and figure.interval else None,
        high=figure.interval.high if known and figure.interval else None,
    )
