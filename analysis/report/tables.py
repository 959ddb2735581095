"""Tables as values, ready for the page: what stands in each cell, in words, with notes beneath."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from analysis.figures import Comparison, Distribution, Figure, Metric, Ranking
from analysis.report import wording
from analysis.report.charts import coarser, drawable
from analysis.report.model import Corpus

_NAME = 60
"""Characters of a name or a ranked text that a table shows."""
_ENTRIES = 20
"""Entries of a ranking that a table shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell: its text, smaller lines under it, numbers of notes, a link, and the language of a text from data."""

    text: str
    under: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()
    link: str = ""
    swatch: Markup | None = None
    lang: str | None = None
    bar: int | None = None
    """Per cent of the cell's width that a bar behind the text fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; `marked` for what stands out."""

    head: Cell
    cells: tuple[Cell, ...]
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `key` is unlike any other's on the page, for its notes to be linked."""

    key: str
    caption: str
    columns: tuple[Cell, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    texts: bool = False
    """Cells hold sentences, not numbers."""


class Notes:
    """Remarks in the order they are met, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, *remarks: str) -> tuple[int, ...]:
        """The numbers of these remarks, empty ones left out."""
        return tuple(self._numbers.setdefault(remark, len(self._numbers) + 1) for remark in remarks if remark.strip())

    def all(self) -> tuple[str, ...]:
        return tuple(self._numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How the page writes its corpora, and which it holds: a name that the report does not list is written as it is."""

    corpora: Mapping[str, Corpus]
    swatches: Mapping[str, Markup]

    def cell(self, corpus: str, *, under: tuple[str, ...] = ()) -> Cell:
        return Cell(text=wording.shortened(corpus, _NAME), under=under, swatch=self.swatches.get(corpus))

    def lang(self, corpus: str) -> str | None:
        """The language of a corpus's texts for `lang`; None where the page cannot know it."""
        language = self.corpora[corpus].language if corpus in self.corpora else ""
        return language if language in {"zh", "en"} else None


def of_corpora(names: Names) -> Table:
    """What was read: a row a corpus."""
    notes = Notes()
    rows = tuple(
        Row(
            head=names.cell(corpus.name),
            cells=(
                Cell(text=f"{corpus.dialogues:,}", notes=notes.number(*corpus.remarks)),
                Cell(text=f"{corpus.broken:,}"),
                Cell(text={"zh": "Chinese", "en": "English"}.get(corpus.language, corpus.language) or wording.DASH),
                Cell(text="human" if corpus.human else "synthetic"),
                Cell(text=wording.shortened(corpus.file, _NAME), under=(corpus.kind,)),
            ),
        )
        for corpus in names.corpora.values()
    )
    heads = ("dialogues", "broken entries", "language", "made by", "file")
    return _table("corpora", "The corpora of this report", "corpus", heads, rows, notes)


def of_metrics(
    key: str,
    caption: str,
    metrics: Sequence[Metric],
    figures: Mapping[tuple[str, str], Figure],
    corpora: Iterable[str],
    names: Names,
) -> Table:
    """Metrics down, corpora across: value, interval, and the number of dialogues where it is not the whole corpus."""
    notes = Notes()
    shown = list(corpora)
    rows = []
    for metric in metrics:
        cells = []
        for corpus in shown:
            figure = figures.get((metric.key, corpus))
            whole = names.corpora[corpus].dialogues if corpus in names.corpora else None
            cells.append(_value(figure, metric.unit, whole, notes))
        head = Cell(
            text=metric.name, under=() if metric.unit == metric.name else (metric.unit,), link=f"#metric-{metric.key}"
        )
        rows.append(Row(head=head, cells=tuple(cells)))
    across = [names.cell(corpus, under=_size(names, corpus)) for corpus in shown]
    return Table(
        key=key, caption=caption, columns=(Cell(text="metric"), *across), rows=tuple(rows), notes=notes.all()
    )  # fmt: skip


def _size(names: Names, corpus: str) -> tuple[str, ...]:
    if corpus not in names.corpora:
        return ()
    known = names.corpora[corpus]
    return (("human, " if known.human else "") + f"n = {known.dialogues:,}",)


def _value(figure: Figure | None, unit: str, whole: int | None, notes: Notes) -> Cell:
    if figure is None:
        return Cell(text=wording.DASH)
    between = figure.interval
    under = [wording.interval(between, unit)]
    if figure.n != whole:
        under.append(f"n = {figure.n:,}")
    text = wording.number(figure.value, unit, width=wording.interval_width(between))
    return Cell(text=text, under=tuple(line for line in under if line), notes=notes.number(figure.remark))


def of_comparisons(metric: Metric, comparisons: Sequence[Comparison], names: Names) -> Table:
    """A row a comparison: difference, effect in a number and a word, p before and after correction."""
    notes = Notes()
    rows = []
    for each in comparisons:
        holds = wording.holds(each.p_corrected)
        width = wording.interval_width(each.interval)
        word = wording.effect_word(each.effect, each.effect_name)
        rows.append(
            Row(
                head=names.cell(each.corpus, under=(f"against {wording.shortened(each.reference, _NAME)}",)),
                cells=(
                    Cell(
                        text=wording.number(each.difference, metric.unit, signed=True, width=width),
                        under=_lines(wording.interval(each.interval, metric.unit, signed=True)),
                        notes=notes.number(each.remark),
                    ),
                    Cell(text=wording.number(each.effect, signed=True), under=_lines(word)),
                    Cell(text=wording.p_value(each.p)),
                    Cell(text=wording.p_value(each.p_corrected), under=("✓ holds",) if holds else ()),
                    Cell(text=f"{each.n:,}", under=(f"against {each.n_reference:,}",)),
                ),
                marked=holds,
            )
        )
    effects = wording.listed(sorted({each.effect_name for each in comparisons if each.effect_name})) or "effect"
    tests = sorted({f"Test: {each.test}." for each in comparisons if each.test})
    notes.number(*tests)
    heads = ("difference", f"effect ({effects})", "p", "p corrected", "dialogues")
    return _table(f"compare-{metric.key}", f"{metric.name}: differences", "corpus", heads, tuple(rows), notes)


def of_spreads(metric: Metric, spreads: Sequence[Distribution], names: Names, *, boundary: bool) -> Table:
    """The numbers behind a metric's box plot."""
    notes = Notes()
    rows = []
    for each in spreads:
        values = [each.mean, each.sd, *each.box] + ([each.mean - 3 * each.sd] if boundary else [])
        sampled = "" if each.exact or each.remark else f"A sample of the {each.unit}."
        count = Cell(text=f"{each.n:,}", under=(each.unit,), notes=notes.number(each.remark, sampled))
        cells = (count, *(Cell(text=wording.number(value, metric.unit)) for value in values))
        rows.append(Row(head=names.cell(each.corpus), cells=cells))
    heads = ["n", "mean", "sd", "5 %", "25 %", "median", "75 %", "95 %"] + (["mean − 3 sd"] if boundary else [])
    return _table(f"spread-{metric.key}", f"{metric.name}: spread", "corpus", heads, tuple(rows), notes)


def of_bins(metric: Metric, spreads: Sequence[Distribution], names: Names) -> tuple[Table, ...]:
    """The numbers behind a metric's histogram: one table for corpora that share their bins."""
    shared: dict[tuple[float, ...], list[Distribution]] = {}
    for each in map(coarser, filter(drawable, spreads)):
        shared.setdefault(each.edges, []).append(each)
    tables = []
    for place, (edges, group) in enumerate(shared.items()):
        totals = [sum(each.counts) for each in group]
        rows = []
        for at, (low, high) in enumerate(pairwise(edges)):
            parts = [each.counts[at] / total for each, total in zip(group, totals, strict=True)]
            if any(parts):
                ends = [wording.number(end, metric.unit, width=high - low) for end in (low, high)]
                cells = tuple(Cell(text=wording.number(part, "share")) for part in parts)
                rows.append(Row(head=Cell(text=f"{ends[0]} to {ends[1]}"), cells=cells))
        columns = (Cell(text="from, to"), *(names.cell(each.corpus) for each in group))
        caption = f"{metric.name}: share in each bin"
        tables.append(Table(key=f"bins-{place}-{metric.key}", caption=caption, columns=columns, rows=tuple(rows)))
    return tuple(tables)


def of_ranking(ranking: Ranking, key: str, most: float, names: Names) -> Table:
    """The first entries of a ranking, a bar behind each share; `most` is the share that fills the cell."""
    notes = Notes()
    notes.number(ranking.remark)
    if len(ranking.entries) > _ENTRIES:
        notes.number(f"The first {_ENTRIES} of {len(ranking.entries):,}.")
    rows = []
    for each in ranking.entries[:_ENTRIES]:
        share = wording.finite(each.share)
        bar = round(100 * min(max(share, 0.0) / most, 1.0)) if share is not None and most > 0 else None
        cells = (Cell(text=f"{each.count:,}"), Cell(text=wording.number(share, "share"), bar=bar))
        text = wording.shortened(each.text, _NAME) or "(empty)"
        rows.append(Row(head=Cell(text=text, lang=names.lang(ranking.corpus)), cells=cells))
    heads = ("count", f"share of {ranking.unit}")
    caption = f"{wording.shortened(ranking.corpus, _NAME)} (n = {ranking.n:,})"
    return _table(key, caption, "text", heads, tuple(rows), notes)


def of_pairs(key: str, caption: str, pairs: Mapping[str, object]) -> Table:
    """Settings or versions: a name and what it is set to."""
    rows = tuple(
        Row(head=Cell(text=name), cells=(Cell(text="none" if value is None else str(value)),))
        for name, value in pairs.items()
    )
    return Table(key=key, caption=caption, columns=(Cell(text="name"), Cell(text="value")), rows=rows, texts=True)


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _table(key: str, caption: str, first: str, heads: Sequence[str], rows: tuple[Row, ...], notes: Notes) -> Table:
    columns = (Cell(text=first), *(Cell(text=head) for head in heads))
    return Table(key=key, caption=caption, columns=columns, rows=rows, notes=notes.all())
