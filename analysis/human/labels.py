"""Labels that a corpus carries: strategies of the counselor, feelings of the client, therapies and stages of a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.figures import Ranked, Ranking
from filters.dialogue import CorpusEntry, Role

TOP = 15
"""Entries of a ranking: what fits beside a figure."""

_STRATEGY = ("strategy",)
_EMOTION = ("emotional label", "emotion")
"""Keys of an utterance: Psy-Insight's, then those of other corpora."""


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    title: str
    keys: tuple[str, ...]


_OF_UTTERANCES = (
    (_Kind("strategies", "Strategies of the counselor", _STRATEGY), Role.COUNSELOR),
    (_Kind("emotions", "Feelings of the client", _EMOTION), Role.CLIENT),
)
_OF_DIALOGUES = (
    _Kind("psychotherapies", "Schools of psychotherapy", ("psychotherapy",)),
    _Kind("stages", "Stages of therapy", ("stage",)),
)


def strategies(entry: CorpusEntry) -> list[tuple[str, ...]]:
    """The strategy labels of each utterance, in order; empty tuples where the corpus says nothing."""
    return _labels(entry, _STRATEGY)


def emotions(entry: CorpusEntry) -> list[tuple[str, ...]]:
    """The emotion labels of each utterance, in order; empty tuples where the corpus says nothing."""
    return _labels(entry, _EMOTION)


def label_rankings(corpus: str, entries: Iterable[CorpusEntry], k: int = TOP) -> list[Ranking]:
    """The k most frequent labels of each kind that the corpus carries; no ranking for a kind that it does not carry.

    An utterance with two labels counts for both, so that shares may sum to more than 1. Shares are of the labelled.
    """
    listed = list(entries)
    rankings = []
    for kind, role in _OF_UTTERANCES:
        groups = [
            labels
            for entry in listed
            for (speaker, _), labels in zip(entry.dialogue.utterances, _labels(entry, kind.keys), strict=True)
            if speaker is role
        ]
        rankings.append(_ranking(corpus, kind, f"labelled {role} utterances", groups, k))
    rankings += [
        _ranking(corpus, kind, "labelled dialogues", [_named(entry.extra, kind.keys) for entry in listed], k)
        for kind in _OF_DIALOGUES
    ]
    return [ranking for ranking in rankings if ranking is not None]


def _ranking(corpus: str, kind: _Kind, unit: str, groups: Sequence[tuple[str, ...]], k: int) -> Ranking | None:
    labelled = [set(labels) for labels in groups if labels]
    if not labelled:
        return None
    counts = Counter(label for labels in labelled for label in labels)
    # Ties in the order of the alphabet, so that one corpus always gives one ranking.
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:k]
    return Ranking(
        corpus=corpus,
        name=kind.name,
        title=kind.title,
        unit=unit,
        n=len(labelled),
        entries=tuple(Ranked(label, count, count / len(labelled)) for label, count in top),
        remark=f"{len(counts)} different labels; the corpus's own, not this project's.",
    )


def _labels(entry: CorpusEntry, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
    count = len(entry.dialogue.utterances)
    listed = entry.extra.get("utterances")
    # Labels that do not stand one to one beside the utterances cannot be given to any of them.
    if not isinstance(listed, list | tuple) or len(listed) != count:
        return [()] * count
    return [_named(said, keys) if isinstance(said, Mapping) else () for said in listed]


def _named(said: Mapping[str, object], keys: tuple[str, ...]) -> tuple[str, ...]:
    return next((labels for key in keys if (labels := tuple(_texts(said.get(key))))), ())


def _texts(value: object) -> Iterator[str]:
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str) and one.strip():
            yield one.strip()
