"""The report as one HTML file that opens offline: nothing is fetched, one script runs, and every text from data is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from analysis.ablation.view import ablation_view
from analysis.figures import LEVEL, Comparison, Distribution, Figure, Group, Metric, Ranking
from analysis.report import charts, tables, wording
from analysis.report.charts import Series
from analysis.report.model import Example, Report, Shown
from analysis.report.pictures import Drawn, first_pictures, metric_charts
from analysis.report.published import Published, published
from filters.dialogue import Role

_PAPERS = {
    Group.SIZE: "SMILE, Tables 3 and 6",
    Group.LEXICAL: "SMILE, Table 1",
    Group.SEMANTIC: "SMILE, Figure 5",
    Group.TRANSFORMATION: "SMILE, Figure 4",
    Group.TOPICS: "SMILE, Table 2",
    Group.HUMAN: "beyond SMILE",
    Group.JUDGEMENT: "SoulChat, Table 2; Psy-Insight, Table 7",
}
"""Where the same is found in the SMILE paper (Qiu et al., Findings of EMNLP 2024)."""
_WHERE_MEASURED = frozenset({Group.JUDGEMENT, Group.COST})
"""Sections that a report without such figures does not have; the others then say that they are empty."""
_WORDS_PAPERS = "SoulChat, Figure 4; Psy-Insight, Figure 5"
_CLOUD, _SIZES = 60, 7
"""Words of a cloud, and the sizes they come in."""
_WORD = 30
_EXAMPLES = 100
_EXAMPLE_BYTES = 2_500_000
"""What all examples may weigh together: half of the five megabytes that a page may have."""
_MARKUP_BYTES = 150
"""Tags around one utterance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A metric with all that is shown of it below its section's table."""

    metric: Metric
    charts: tuple[Drawn, ...]
    spread: tables.Table | None
    bins: tuple[tables.Table, ...]
    comparisons: tables.Table | None
    tested: int
    holding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    """Rankings of one name, side by side."""

    title: str
    tables: tuple[tables.Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    key: str
    heading: str
    paper: str
    tables: tuple[tables.Table, ...]
    defined: tuple[Metric, ...]
    """Metrics that stand in the paper's tables alone."""
    measured: tuple[_Measured, ...]
    rankings: tuple[_Ranked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloud:
    """The words of one corpus: text, count, and a size from 1 to `_SIZES`."""

    corpus: tables.Cell
    lang: str | None
    words: tuple[tuple[str, int, int], ...]
    table: tables.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spoken:
    """A dialogue of an example as it is shown. `left_out` says what did not fit."""

    shown: Shown
    name: tables.Cell
    human: bool
    lang: str | None
    utterances: tuple[tuple[bool, str], ...]
    """Whether the client speaks, and what is said."""
    similarity: str
    left_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An example; the tuples of numbers say which choices of the three filters it answers to."""

    post: str | None
    lang: str | None
    dialogues: tuple[_Spoken, ...]
    corpora: tuple[int, ...]
    flags: tuple[int, ...]
    rules: tuple[int, ...]


def page(report: Report) -> str:
    """The report as HTML, a function of its value alone: the same report gives the same bytes.

    Under five megabytes for five corpora and 40 examples: long dialogues are cut, and say so. Encodes as UTF-8 whatever the data.
    """
    series = {corpus.name: Series(place, corpus.human) for place, corpus in enumerate(report.corpora)}
    names = tables.Names(
        corpora={corpus.name: corpus for corpus in report.corpora},
        swatches={name: charts.swatch(each) for name, each in series.items()},
    )
    style, script = _asset("page.css"), _asset("page.js")
    choices = _choices(report.examples)
    return _template().render(
        report=report,
        pictures=first_pictures(report, series, names),
        ablation=ablation_view(report, series, names),
        corpora=tables.of_corpora(names),
        sections=_sections(report, series, names),
        clouds=_clouds(report, names),
        words_paper=_WORDS_PAPERS,
        examples=[_read(example, report, names, choices) for example in report.examples[:_EXAMPLES]],
        unread=max(len(report.examples) - _EXAMPLES, 0),
        choices=choices,
        settings=tables.of_pairs("settings", "Settings that made this report", report.settings),
        versions=tables.of_pairs("versions", "Versions of the software", report.versions),
        level=f"{LEVEL:.0%}".replace("%", " %"),
        style=Markup(style),  # noqa: S704  # the project's own file
        script=Markup(script),  # noqa: S704  # the project's own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@cache
def _asset(name: str) -> str:
    return resources.files("analysis.report").joinpath(name).read_text("utf-8").strip() + "\n"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    return environment.from_string(_asset("page.html.j2"))


def _sections(report: Report, series: Mapping[str, Series], names: tables.Names) -> list[_Section]:
    """One a group, in the order of `Group`, and one more for figures whose metric the report does not describe."""
    known = {metric.key for metric in report.metrics}
    used = dict.fromkeys(
        [
            *(each.metric for each in report.figures),
            *(each.metric for each in report.comparisons),
            *(each.metric for each in report.distributions),
        ]
    )
    stray = [
        Metric(key=key, name=key, group=Group.HUMAN, unit="", definition="Not described.", source="Not stated.")
        for key in used
        if key not in known
    ]
    rankings = _by_section(report.rankings)
    sections = [
        _section(
            group.name.lower(),
            str(group),
            _PAPERS.get(group, ""),
            [metric for metric in report.metrics if metric.group == group],
            rankings.get(group, []),
            report,
            series,
            names,
        )
        for group in Group
        if group not in _WHERE_MEASURED or any(metric.group is group for metric in report.metrics)
    ]
    if stray:
        sections.append(_section("other", "other measurements", "", stray, [], report, series, names))
    return sections


def _section(
    key: str,
    heading: str,
    paper: str,
    metrics: Sequence[Metric],
    rankings: Sequence[Ranking],
    report: Report,
    series: Mapping[str, Series],
    names: tables.Names,
) -> _Section:
    figures = {(each.metric, each.corpus): each for each in report.figures}
    corpora = list(dict.fromkeys([*(corpus.name for corpus in report.corpora), *(corpus for _, corpus in figures)]))
    of_paper = published(metrics[0].group, figures, corpora, names) if metrics else Published((), frozenset())
    others = [metric for metric in metrics if metric.key not in of_paper.covered]
    return _Section(
        key=key,
        heading=heading[:1].upper() + heading[1:],
        paper=paper,
        tables=(*of_paper.tables, *_overviews(key, heading, others, figures, corpora, names)),
        defined=tuple(metric for metric in metrics if metric.key in of_paper.covered),
        measured=tuple(_measured(metric, report, series, names) for metric in others),
        rankings=_side_by_side(key, rankings, names),
    )


def _overviews(
    key: str,
    heading: str,
    metrics: Sequence[Metric],
    figures: Mapping[tuple[str, str], Figure],
    corpora: Sequence[str],
    names: tables.Names,
) -> tuple[tables.Table, ...]:
    """The section's figures; those at matched token counts first, since only they may be compared across sizes."""
    valued = [metric for metric in metrics if any((metric.key, corpus) in figures for corpus in corpora)]
    matched = [metric for metric in valued if "matched" in metric.key]
    title = heading[:1].upper() + heading[1:]
    parts = {
        f"{title}, at the same number of tokens for all": matched,
        f"{title}: values, and 95 % intervals below them": [metric for metric in valued if metric not in matched],
    }
    return tuple(
        tables.of_metrics(f"overview-{key}-{place}", caption, part, figures, corpora, names)
        for place, (caption, part) in enumerate(parts.items())
        if part
    )


def _measured(metric: Metric, report: Report, series: Mapping[str, Series], names: tables.Names) -> _Measured:
    spreads: list[Distribution] = [each for each in report.distributions if each.metric == metric.key]
    held: list[Comparison] = [each for each in report.comparisons if each.metric == metric.key]
    boundary = metric.group is Group.TRANSFORMATION
    return _Measured(
        metric=metric,
        charts=metric_charts(metric, spreads, series, names),
        spread=tables.of_spreads(metric, spreads, names, boundary=boundary) if spreads else None,
        bins=tables.of_bins(metric, spreads, names),
        comparisons=tables.of_comparisons(metric, held, names) if held else None,
        tested=sum(each.p_corrected is not None for each in held),
        holding=sum(wording.holds(each.p_corrected) for each in held),
    )


def _by_section(rankings: Sequence[Ranking]) -> dict[Group, list[Ranking]]:
    """Where each ranking stands; words have a section of their own. What no name gives away stands with the human gap."""
    placed: dict[Group, list[Ranking]] = {}
    for each in rankings:
        if not _is_words(each):
            group = Group.TOPICS if "topic" in each.name else Group.LEXICAL if "gram" in each.name else Group.HUMAN
            placed.setdefault(group, []).append(each)
    return placed


def _is_words(ranking: Ranking) -> bool:
    return ranking.name.endswith("words")


def _side_by_side(key: str, rankings: Sequence[Ranking], names: tables.Names) -> tuple[_Ranked, ...]:
    grouped: dict[str, list[Ranking]] = {}
    for each in rankings:
        grouped.setdefault(each.name, []).append(each)
    views = []
    for number, group in enumerate(grouped.values()):
        shares = [
            share for each in group for entry in each.entries if (share := wording.finite(entry.share)) is not None
        ]
        most = max(shares, default=0.0)
        shown = tuple(
            tables.of_ranking(each, f"ranking-{key}-{number}-{place}", most, names) for place, each in enumerate(group)
        )
        views.append(_Ranked(title=group[0].title, tables=shown))
    return tuple(views)


def _clouds(report: Report, names: tables.Names) -> list[tuple[str, list[_Cloud]]]:
    """Title and clouds of each ranking of words."""
    grouped: dict[str, list[Ranking]] = {}
    for each in filter(_is_words, report.rankings):
        grouped.setdefault(each.name, []).append(each)
    return [
        (group[0].title, [_cloud(each, f"words-{number}-{place}", names) for place, each in enumerate(group)])
        for number, group in enumerate(grouped.values())
    ]


def _cloud(ranking: Ranking, key: str, names: tables.Names) -> _Cloud:
    shown = ranking.entries[:_CLOUD]
    most = max((each.count for each in shown), default=0)
    words = tuple(
        (wording.shortened(each.text, _WORD), each.count, 1 + round((_SIZES - 1) * (max(each.count, 0) / most) ** 0.5))
        for each in shown
        if most > 0
    )
    return _Cloud(
        corpus=names.cell(ranking.corpus),
        lang=names.lang(ranking.corpus),
        words=words,
        table=tables.of_ranking(ranking, key, max((each.share for each in shown), default=0.0), names),
    )


def _choices(examples: Sequence[Example]) -> dict[str, list[str]]:
    """What the examples can be filtered by, in the order it is met."""
    dialogues = [shown for example in examples[:_EXAMPLES] for shown in example.dialogues]
    return {
        "corpora": list(dict.fromkeys(shown.corpus for shown in dialogues)),
        "flags": sorted({flag for shown in dialogues for flag in shown.flags}),
        "rules": sorted({rule for shown in dialogues for rule in shown.rules}),
    }


def _read(example: Example, report: Report, names: tables.Names, choices: Mapping[str, list[str]]) -> _Read:
    texts = sum(1 + len(each.dialogues) for each in report.examples[:_EXAMPLES])
    budget = _EXAMPLE_BYTES // max(texts, 1)
    post, _ = _cut(example.post, budget) if example.post is not None else (None, 0)
    first = example.dialogues[0].corpus if example.dialogues else ""
    return _Read(
        post=post,
        lang=names.lang(first),
        dialogues=tuple(_spoken(shown, budget, names) for shown in example.dialogues),
        corpora=_numbers(choices["corpora"], [shown.corpus for shown in example.dialogues]),
        flags=_numbers(choices["flags"], [flag for shown in example.dialogues for flag in shown.flags]),
        rules=_numbers(choices["rules"], [rule for shown in example.dialogues for rule in shown.rules]),
    )


def _numbers(choices: Sequence[str], held: Sequence[str]) -> tuple[int, ...]:
    return tuple(sorted({choices.index(each) for each in held}))


def _spoken(shown: Shown, budget: int, names: tables.Names) -> _Spoken:
    """The dialogue, as much of it as its budget of bytes allows."""
    utterances: list[tuple[bool, str]] = []
    left = budget
    for role, text in shown.utterances:
        left -= _MARKUP_BYTES
        kept, weight = _cut(text, left)
        left -= weight
        if left < 0:
            break
        utterances.append((role is Role.CLIENT, kept))
        if len(kept) < len(text):
            break
    characters = sum(len(text) for _, text in shown.utterances) - sum(len(text) for _, text in utterances)
    unseen = len(shown.utterances) - len(utterances)
    left_out = (
        f"Left out for length: {unseen:,} utterances, {max(characters, 0):,} characters."
        if unseen or characters
        else ""
    )
    return _Spoken(
        shown=shown,
        name=names.cell(shown.corpus),
        human=shown.corpus in names.corpora and names.corpora[shown.corpus].human,
        lang=names.lang(shown.corpus),
        utterances=tuple(utterances),
        similarity="" if wording.finite(shown.similarity) is None else wording.number(shown.similarity),
        left_out=left_out,
    )


def _cut(text: str, budget: int) -> tuple[str, int]:
    """As much of the text as weighs at most `budget` bytes on the page, and what it weighs."""
    if len(text) <= budget and (weight := _weight(text)) <= budget:
        return text, weight
    total = 0
    for place, letter in enumerate(text):
        weight = _letter_weight(letter)
        if total + weight > budget:
            return text[:place], total
        total += weight
    return text, total


def _weight(text: str) -> int:
    return len(escape(wording.visible(text)).encode())


@lru_cache(4096)
def _letter_weight(letter: str) -> int:
    return _weight(letter)
