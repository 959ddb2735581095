"""The ablation's part of the page: what stands in its tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.ablation.model import Ablation, Arm, Pareto, PromptDiff
from analysis.ablation.scatter import scatter
from analysis.figures import Comparison, Figure, Metric
from analysis.report import tables, wording
from analysis.report.charts import Series
from analysis.report.model import Report
from analysis.report.pictures import Drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A prompt beside the baseline's."""

    name: tables.Cell
    diff: PromptDiff
    settings: str
    """Which other settings differ, in words; empty where none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the section shows, in its order."""

    lead: tuple[str, ...]
    headline: tables.Table
    every: tables.Table
    paretos: tuple[Drawn, ...]
    arms: tables.Table
    refusals: tables.Table | None
    settling: tables.Table | None
    detectable: str
    diffs: tuple[Diff, ...]


def ablation_view(report: Report, series: Mapping[str, Series], names: tables.Names) -> View | None:
    """None where the report's corpora are no arms."""
    found = report.ablation
    if found is None:
        return None
    metrics = {metric.key: metric for metric in report.metrics}
    compared = {(each.metric, each.corpus): each for each in report.comparisons if each.reference == found.baseline}
    headline = [metrics[key] for key in found.headline if key in metrics]
    every = [metric for metric in report.metrics if any((metric.key, arm.name) in compared for arm in found.arms)]
    return View(
        lead=(
            f"{len(found.arms)} arms on the same {found.posts:,} posts, each held against {found.baseline}.",
            *found.remarks,
        ),
        headline=_against("arms-headline", "Arms against the baseline", headline, report, found, compared, names),
        every=_against("arms-every", "All metrics that were compared", every, report, found, compared, names),
        paretos=tuple(_drawn(pareto, series, names) for pareto in found.paretos),
        arms=_arms(found, names),
        refusals=_refusals(found, names),
        settling=_settling(found, metrics, names),
        detectable=found.detectable,
        diffs=_diffs(found, names),
    )


def _against(
    key: str,
    caption: str,
    metrics: Sequence[Metric],
    report: Report,
    found: Ablation,
    compared: Mapping[tuple[str, str], Comparison],
    names: tables.Names,
) -> tables.Table:
    """Metrics down, arms across: the value, and for all but the baseline difference, interval, effect and corrected p."""
    notes = tables.Notes()
    figures = {(each.metric, each.corpus): each for each in report.figures}
    rows = []
    for metric in metrics:
        cells = [
            _cell(figures.get((metric.key, arm.name)), compared.get((metric.key, arm.name)), metric, notes)
            for arm in found.arms
        ]
        under = () if metric.unit == metric.name else (metric.unit,)
        rows.append(
            tables.Row(
                head=tables.Cell(text=metric.name, under=under, link=f"#metric-{metric.key}"), cells=tuple(cells)
            )
        )
    across = [names.cell(arm.name, under=("baseline",) if arm.name == found.baseline else ()) for arm in found.arms]
    return tables.Table(
        key=key,
        caption=f"{caption}: value; difference (95 % interval); effect; corrected p",
        columns=(tables.Cell(text="metric"), *across),
        rows=tuple(rows),
        notes=notes.all(),
    )


def _cell(figure: Figure | None, held: Comparison | None, metric: Metric, notes: tables.Notes) -> tables.Cell:
    between = figure.interval if figure is not None else None
    text = wording.number(
        figure.value if figure is not None else None, metric.unit, width=wording.interval_width(between)
    )
    if held is None:
        under = [wording.interval(between, metric.unit)]
        return tables.Cell(
            text=text,
            under=tuple(line for line in under if line),
            notes=notes.number(figure.remark) if figure is not None and figure.value is None else (),
        )
    width = wording.interval_width(held.interval)
    difference = wording.number(held.difference, metric.unit, signed=True, width=width)
    ends = wording.interval(held.interval, metric.unit, signed=True)
    word = wording.effect_word(held.effect, held.effect_name)
    effect = f"effect {wording.number(held.effect, signed=True)}" if wording.finite(held.effect) is not None else ""
    p = f"p {wording.p_value(held.p_corrected)}" if held.p_corrected is not None else ""
    holds = " ✓ holds" if wording.holds(held.p_corrected) else ""
    lines = (
        f"{difference} ({ends})" if ends else difference,
        f"{effect}, {word}" if effect and word else effect,
        f"{p}{holds}",
    )
    return tables.Cell(
        text=text,
        under=tuple(line for line in lines if line and line != wording.DASH),
        notes=notes.number(held.remark) if held.difference is None else (),
    )


def _drawn(pareto: Pareto, series: Mapping[str, Series], names: tables.Names) -> Drawn:
    rows = tuple(
        tables.Row(
            head=names.cell(point.arm),
            cells=(
                tables.Cell(text=wording.number(point.cost), under=_lines(wording.interval(point.cost_interval))),
                tables.Cell(text=wording.number(point.value), under=_lines(wording.interval(point.value_interval))),
                tables.Cell(text="yes" if point.front else "no"),
            ),
            marked=point.front,
        )
        for point in pareto.points
    )
    heads = ("arm", pareto.cost, pareto.quality, "on the front")
    table = tables.Table(
        key=f"pareto-{pareto.key}",
        caption=pareto.title,
        columns=tuple(tables.Cell(text=head) for head in heads),
        rows=rows,
    )
    better = "higher" if pareto.more_is_better else "lower"
    return Drawn(
        svg=scatter(pareto, series),
        caption=f"{pareto.title}: better is to the left and {better}. Ringed: the front. Lines: 95 % intervals. {pareto.remark}",
        legend=tuple(names.cell(point.arm) for point in pareto.points),
        table=table,
    )


def _arms(found: Ablation, names: tables.Names) -> tables.Table:
    """What each arm is, and what became of its posts."""
    settings = list(dict.fromkeys(name for arm in found.arms for name in arm.settings))
    notes = tables.Notes()
    rows = tuple(
        tables.Row(
            head=names.cell(arm.name),
            cells=(
                *(tables.Cell(text=wording.shortened(arm.settings.get(name, wording.DASH), 60)) for name in settings),
                *_numbers(arm, found.currency, notes),
            ),
        )
        for arm in found.arms
    )
    heads = (*settings, "rows", "kept", "without a reply", "replies", "tokens in prompts", "in replies", "money")
    return tables.Table(
        key="arms",
        caption="The arms, and what became of their rows (posts, times the samples of each)",
        columns=(tables.Cell(text="arm"), *(tables.Cell(text=head) for head in heads)),
        rows=rows,
        notes=notes.all(),
    )


def _numbers(arm: Arm, currency: str, notes: tables.Notes) -> tuple[tables.Cell, ...]:
    def counted(value: int | None) -> tables.Cell:
        if value is None:
            return tables.Cell(
                text=wording.DASH, notes=notes.number("The endpoint did not count the tokens of all replies.")
            )
        return tables.Cell(text=f"{value:,}")

    money = tables.Cell(text=wording.DASH if arm.money is None else f"{wording.number(arm.money)} {currency}")
    return (
        tables.Cell(text=f"{arm.rows:,}"),
        tables.Cell(text=f"{arm.kept:,}"),
        tables.Cell(text=f"{arm.failed:,}"),
        tables.Cell(text=f"{arm.replies:,}"),
        counted(arm.prompt_tokens),
        counted(arm.completion_tokens),
        money,
    )


def _refusals(found: Ablation, names: tables.Names) -> tables.Table | None:
    """Rules down, arms across."""
    if not found.refusals:
        return None
    by_place = {(each.rule, each.arm): each for each in found.refusals}
    rules = list(dict.fromkeys(each.rule for each in found.refusals))
    rows = []
    for rule in rules:
        cells = []
        for arm in found.arms:
            each = by_place[rule, arm.name]
            under = _lines(wording.interval(each.interval, "share"), f"{each.replies:,} replies")
            cells.append(tables.Cell(text=wording.number(each.share, "share"), under=under))
        rows.append(tables.Row(head=tables.Cell(text=rule), cells=tuple(cells)))
    return tables.Table(
        key="refusals",
        caption="Why replies were rejected: share of an arm's replies",
        columns=(tables.Cell(text="rule"), *(names.cell(arm.name) for arm in found.arms)),
        rows=tuple(rows),
    )


def _settling(found: Ablation, metrics: Mapping[str, Metric], names: tables.Names) -> tables.Table | None:
    if not found.settling:
        return None
    rows = tuple(
        tables.Row(
            head=names.cell(each.arm, under=(metrics[each.metric].name,)),
            cells=(tables.Cell(text=each.sentence),),
            marked=each.settled,
        )
        for each in found.settling
    )
    return tables.Table(
        key="settling",
        caption=f"How many posts would settle each difference from {wording.shortened(found.baseline, 60)}",
        columns=(tables.Cell(text="arm, metric"), tables.Cell(text="posts an arm")),
        rows=rows,
        texts=True,
    )


def _diffs(found: Ablation, names: tables.Names) -> tuple[Diff, ...]:
    settings = {arm.name: arm.settings for arm in found.arms}
    base = settings[found.baseline]
    shown = []
    for diff in found.diffs:
        own = settings[diff.arm]
        apart = [
            f"{name} {wording.shortened(own.get(name, 'unset'), 60)} instead of {wording.shortened(base.get(name, 'unset'), 60)}"
            for name in dict.fromkeys([*own, *base])
            if name != "template" and own.get(name) != base.get(name)
        ]
        shown.append(Diff(name=names.cell(diff.arm), diff=diff, settings="; ".join(apart)))
    return tuple(shown)


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)
