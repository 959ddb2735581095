"""What one part of a report gives: values of the shared kinds, to be laid together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from analysis.figures import Comparison, Distribution, Figure, Metric, Ranking
from analysis.lexical.tokens import Tokens
from analysis.report.inputs import CorpusInput
from filters.dialogue import Dialogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Figures with the metrics they belong to."""

    metrics: Sequence[Metric] = ()
    figures: Sequence[Figure] = ()
    comparisons: Sequence[Comparison] = ()
    distributions: Sequence[Distribution] = ()
    rankings: Sequence[Ranking] = ()
    remarks: Sequence[str] = ()


def joined(sections: Iterable[Section]) -> Section:
    """All of them in order, each metric once."""
    found = list(sections)
    return Section(
        metrics=list({metric.key: metric for section in found for metric in section.metrics}.values()),
        figures=list(chain.from_iterable(section.figures for section in found)),
        comparisons=list(chain.from_iterable(section.comparisons for section in found)),
        distributions=list(chain.from_iterable(section.distributions for section in found)),
        rankings=list(chain.from_iterable(section.rankings for section in found)),
        remarks=list(chain.from_iterable(section.remarks for section in found)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A corpus with what several sections need of it."""

    input: CorpusInput
    dialogues: Sequence[Dialogue]
    language: str
    tokenizer: str
    """The name of the tokenizer for its words."""
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    """By tokenizer: words, characters, and one the user named."""

    @property
    def name(self) -> str:
        return self.input.name

    @property
    def words(self) -> Tokens:
        return self.tokens[self.tokenizer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two corpora to be held against each other."""

    corpus: Prepared
    reference: Prepared


def pairs_of(corpora: Sequence[Prepared], baseline: str | None) -> list[Pair]:
    """Who is held against whom: each corpus against each human one of its language, and against the baseline.

    The baseline is a corpus that is not human: the named one, or the first.
    """
    made = [corpus for corpus in corpora if not corpus.input.human]
    human = [corpus for corpus in corpora if corpus.input.human]
    found = [Pair(corpus=corpus, reference=other) for corpus in made for other in human if comparable(corpus, other)]
    base = next((corpus for corpus in made if corpus.name == baseline), made[0] if made else None)
    if base is not None:
        found += [
            Pair(corpus=corpus, reference=base) for corpus in made if corpus is not base and comparable(corpus, base)
        ]
    return found


def comparable(one: Prepared, other: Prepared) -> bool:
    """Whether figures of words may be compared at all: the same tokenizer."""
    return one.tokenizer == other.tokenizer
