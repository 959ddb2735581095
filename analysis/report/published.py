"""The tables of SMILE (Qiu et al. 2024) in their own layout, for a reader who knows the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analysis.figures import Figure, Group
from analysis.report import wording
from analysis.report.tables import Cell, Names, Row, Table

Figures = Mapping[tuple[str, str], Figure]
"""By metric and corpus."""


class Published(NamedTuple):
    """Tables of one group, and the metrics that need no other place."""

    tables: tuple[Table, ...]
    covered: frozenset[str]


_ORDERS = {1: "unigrams", 2: "bigrams", 3: "trigrams"}
_ROLES = {"": "", "client_": "client", "counselor_": "counselor"}
_TABLE_3 = {
    "# dialogues": "total_dialogues",
    "# sentences": "total_{}sentences",
    "turns a dialogue": "turns_per_dialogue",
    "sentences a dialogue": "{}sentences_per_dialogue",
    "characters a sentence": "{}characters_per_sentence",
}
_TABLE_6 = {
    "# utterances": "total_{}utterances",
    "utterances a dialogue": "{}utterances_per_dialogue",
    "characters an utterance": "{}characters_per_utterance",
}
_SCALE = {"limited topics": "topic_scale_limited", "unlimited topics": "topic_scale_unlimited"}


def published(group: Group, figures: Figures, corpora: Sequence[str], names: Names) -> Published:
    """The group's tables; none where the paper has none, or the report no such figure."""
    if group is Group.LEXICAL:
        return _table_1(figures, corpora, names)
    if group is Group.SIZE:
        return _tables_3_and_6(figures, corpora, names)
    if group is Group.TOPICS:
        return _table_2(figures, corpora, names)
    return Published((), frozenset())


def _table_1(figures: Figures, corpora: Sequence[str], names: Names) -> Published:
    """One for each tokenizer: unique and total n-grams, distinct-n, a row a corpus."""
    labels = dict.fromkeys(metric.removeprefix("unique_1_") for metric, _ in figures if metric.startswith("unique_1_"))
    keys = {label: [(kind, n, f"{kind}_{n}_{label}") for n in _ORDERS for kind in _KINDS] for label in labels}
    tables = [
        _table(
            f"smile-1-{label}",
            f"As SMILE's Table 1, whole corpora, tokens: {label}. distinct-n falls as a corpus grows: see matched size below",
            [_KINDS[kind].format(_ORDERS[n], n) for kind, n, _ in keys[label]],
            [
                (corpus, "", [figures.get((key, corpus)) for _, _, key in keys[label]])
                for corpus in corpora
                if (f"unique_1_{label}", corpus) in figures
            ],
            names,
        )
        for label in labels
    ]
    return Published(tuple(tables), frozenset(key for listed in keys.values() for _, _, key in listed))


_KINDS = {"unique": "# unique {0}", "total": "# total {0}", "distinct": "distinct-{1}"}


def _tables_3_and_6(figures: Figures, corpora: Sequence[str], names: Names) -> Published:
    """A row for each corpus, and one for each of its speakers."""
    tables, covered = [], set()
    for number, columns in (("3", _TABLE_3), ("6", _TABLE_6)):
        rows = []
        for corpus in corpora:
            for role, who in _ROLES.items():
                keys = [key.format(role) if "{}" in key or not role else "" for key in columns.values()]
                found = [figures.get((key, corpus)) for key in keys]
                covered |= {key for key in keys if key.startswith("total_")}
                if any(found):
                    rows.append((corpus, who, found))
        if rows:
            caption = "SMILE calls these sentences utterances" if number == "3" else "here utterances are messages"
            tables.append(
                _table(f"smile-{number}", f"As SMILE's Table {number}: {caption}", list(columns), rows, names)
            )
    return Published(tuple(tables), frozenset(covered))


def _table_2(figures: Figures, corpora: Sequence[str], names: Names) -> Published:
    """Limited, unlimited, and their average, on the published scale."""
    rows = []
    for corpus in corpora:
        found = [figures.get((key, corpus)) for key in _SCALE.values()]
        values = [each.value for each in found if each is not None and each.value is not None]
        if values:
            whole = [each for each in found if each is not None]
            mean = Figure(corpus=corpus, metric="", value=sum(values) / len(values), n=whole[0].n)
            rows.append((corpus, "", [*found, mean if len(values) == len(_SCALE) else None]))
    if not rows:
        return Published((), frozenset())
    caption = "As SMILE's Table 2, on its scale, which is no entropy of one distribution"
    return Published((_table("smile-2", caption, [*_SCALE, "average"], rows, names),), frozenset())


def _table(
    key: str,
    caption: str,
    heads: Sequence[str],
    rows: Sequence[tuple[str, str, Sequence[Figure | None]]],
    names: Names,
) -> Table:
    def cell(figure: Figure | None) -> Cell:
        return Cell(text=wording.DASH if figure is None else wording.number(figure.value))

    return Table(
        key=key,
        caption=caption,
        columns=(Cell(text="corpus"), *(Cell(text=head) for head in heads)),
        rows=tuple(
            Row(
                head=Cell(text=who, under=()) if who else names.cell(corpus),
                cells=tuple(cell(figure) for figure in found),
            )
            for corpus, who, found in rows
        ),
    )
