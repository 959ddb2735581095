"""Which dialogues of one corpus or several say what another one says, word for word or nearly, and which copy stays.

What is promised: of two dialogues that are kept, none has the other's words, and, but for the pairs that banding misses
(at most 1 % of those at the threshold, hardly any above it), none resembles the other; every dropped dialogue resembles a
kept one, or one of the reference, by the similarity stated beside it. That is counted exactly over the two dialogues'
shingles, so no pair is a guess. A chain a ~ b ~ c whose ends differ loses only what resembles a kept dialogue itself.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import numpy as np

from analysis.corpora import BrokenEntry
from analysis.folding import digest, folded_text
from analysis.minhash import Bands, Signatures, bands_for, buckets_of, estimates, jaccard, signatures_of
from filters.dialogue import CorpusEntry

SCHEMA = 1
"""Of `Deduplication.to_json`; goes up when a key changes its meaning or goes away."""

_STANDARD_ERRORS = 4.5
"""A pair whose estimate is so far below the threshold is not counted exactly: one in 100,000 at most is lost by it."""
_LEAST_PERMUTATIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupSettings:
    """How alike is too alike. Raises ValueError for settings that cannot work.

    Shingles of five characters are two or three Chinese words, as in `filters`' rule on copied answers. They are strict:
    one character changed in each fifteen leaves a Jaccard similarity of 0.5, one in fifty 0.8. So the threshold is 0.5.
    Measured: in SMILECHAT the answers to one question give dialogues that share up to 0.45, and the 3 pairs from 0.5 on
    are rewordings of one another, as are the 5 in English Psy-Insight, whose sessions overlap; two unrelated dialogues
    share 0.002 in Chinese and 0.02 in English. The seed chooses the permutations and which copy
    stays. Without `near`, only equal words count.
    """

    threshold: float = 0.5
    shingle: int = 5
    permutations: int = 128
    seed: int = 0
    near: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"the threshold is a similarity above 0 and at most 1, not {self.threshold}")
        if self.shingle < 1:
            raise ValueError(f"a shingle has at least one character, not {self.shingle}")
        if self.permutations < _LEAST_PERMUTATIONS:
            raise ValueError(f"{self.permutations} permutations estimate nothing: take at least {_LEAST_PERMUTATIONS}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"the seed must lie between 0 and 2**32 - 1, not {self.seed}")
        if self.near:
            self.bands()

    def bands(self) -> Bands:
        """How the signatures are cut for this threshold."""
        return bands_for(self.threshold, self.permutations)


class Member(NamedTuple):
    """A dialogue by its corpus's name, its id there, and its place (the one thing that is never shared)."""

    corpus: str
    id: str
    place: str


class Dropped(NamedTuple):
    """A dialogue that does not stay: the kept (or reference) one it resembles, how closely, and by which comparison."""

    member: Member
    like: Member
    similarity: float
    """Jaccard similarity of the shingles; 1.0 for equal words."""
    how: Literal["exact", "near"]
    in_reference: bool


class Cluster(NamedTuple):
    """Everything dropped for one dialogue."""

    stays: Member
    in_reference: bool
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplication:
    """What stays and what goes, both in the order of the input; the reference is in neither."""

    settings: DedupSettings
    kept: tuple[Member, ...]
    dropped: tuple[Dropped, ...]
    broken: int
    """Rows that hold no readable dialogue; they are neither kept nor dropped."""

    def clusters(self) -> tuple[Cluster, ...]:
        """The dropped dialogues by the one they resemble, largest group first."""
        groups: dict[tuple[Member, bool], list[Dropped]] = defaultdict(list)
        for dropped in self.dropped:
            groups[dropped.like, dropped.in_reference].append(dropped)
        found = [Cluster(like, in_reference, tuple(group)) for (like, in_reference), group in groups.items()]
        return tuple(sorted(found, key=lambda cluster: -len(cluster.dropped)))

    def to_json(self) -> dict[str, object]:
        """Plain values for a JSON file, with `schema`: the settings, counts, and every dropped dialogue with its reason."""
        bands = self.settings.bands() if self.settings.near else None
        return {
            "schema": SCHEMA,
            "settings": {
                **asdict(self.settings),
                "recall_at_threshold": bands.recall(self.settings.threshold) if bands else None,
            },
            "kept": len(self.kept),
            "broken": self.broken,
            "dropped": [
                {
                    **dropped.member._asdict(),
                    "like": dropped.like._asdict(),
                    "similarity": dropped.similarity,
                    "how": dropped.how,
                    "in_reference": dropped.in_reference,
                }
                for dropped in self.dropped
            ],
        }

    def kept_places(self, corpus: str) -> frozenset[str]:
        """Places of one corpus's kept dialogues, to pick them out when it is read again."""
        return frozenset(member.place for member in self.kept if member.corpus == corpus)


class _Copies(NamedTuple):
    """All dialogues with the same words. The first of `members` is the one that stays if any does."""

    text: str
    fingerprint: bytes
    members: tuple[Member, ...]
    in_reference: bool


class _Verdict(NamedTuple):
    like: Member
    similarity: float
    in_reference: bool


_SETTINGS = DedupSettings()
_Corpora = Mapping[str, Iterable[CorpusEntry | BrokenEntry]]


def deduplicate(
    corpora: _Corpora, *, reference: _Corpora | None = None, settings: DedupSettings = _SETTINGS
) -> Deduplication:
    """Compare all dialogues of all corpora, by name, with each other and with the reference's.

    The copy that stays depends on the seed and on ids and words, never on the order in which files or corpora are read;
    between equal words under one id the corpus's name and the place decide. Each corpus is read once. Memory: the words
    of every dialogue, and some KiB each (SMILECHAT's 55,165 take 0.3 GB). Raises ValueError where one corpus has two
    dialogues in one place; whatever the corpora raise goes through.
    """
    groups, order, broken = _grouped(corpora)
    known, _, _ = _grouped(reference or {})
    fates: dict[Member, Dropped | None] = {}
    pending: list[_Copies] = []
    for fingerprint, (text, members) in groups.items():
        if fingerprint in known:
            like = min(known[fingerprint][1])
            fates.update({member: Dropped(member, like, 1.0, "exact", in_reference=True) for member in members})
        else:
            ranks = {member: _rank(member, fingerprint, settings.seed) for member in members}
            pending.append(
                _Copies(text, fingerprint, tuple(sorted(members, key=ranks.__getitem__)), in_reference=False)
            )
    pending.sort(key=lambda copies: _rank(copies.members[0], copies.fingerprint, settings.seed))
    references = [_Copies(text, key, (min(members),), in_reference=True) for key, (text, members) in known.items()]
    references.sort(key=lambda copies: copies.members[0])
    for copies, verdict in _compared(references + pending, len(references), settings):
        fates.update(_fates(copies, verdict))
    return Deduplication(
        settings=settings,
        kept=tuple(member for member in order if fates[member] is None),
        dropped=tuple(fate for member in order if (fate := fates[member]) is not None),
        broken=broken,
    )


def _grouped(corpora: _Corpora) -> tuple[dict[bytes, tuple[str, list[Member]]], list[Member], int]:
    """The dialogues by their words, all of them in order, and the number of broken rows."""
    groups: dict[bytes, tuple[str, list[Member]]] = {}
    order: list[Member] = []
    broken = 0
    for name, entries in corpora.items():
        places: set[str] = set()
        for entry in entries:
            if isinstance(entry, BrokenEntry):
                broken += 1
                continue
            member = Member(name, entry.id, entry.place)
            if member.place in places:
                raise ValueError(
                    f"{entry.place} comes twice in {name}, and two dialogues in one place cannot be told apart"
                )
            places.add(member.place)
            order.append(member)
            text = folded_text(entry.dialogue)
            groups.setdefault(digest(text), (text, []))[1].append(member)
    return groups, order, broken


def _rank(member: Member, fingerprint: bytes, seed: int) -> tuple[bytes, Member]:
    """A random order that each seed shuffles anew; equal for the same id and words wherever they are read."""
    key = hashlib.blake2b(member.id.encode("utf-8", "surrogatepass"), digest_size=16, key=seed.to_bytes(4, "big"))
    key.update(fingerprint)
    return key.digest(), member


def _fates(copies: _Copies, verdict: _Verdict | None) -> Iterator[tuple[Member, Dropped | None]]:
    """Equal words share their fate, but for the copy that stays."""
    first, *others = copies.members
    if verdict is None:
        yield first, None
        yield from ((other, Dropped(other, first, 1.0, "exact", in_reference=False)) for other in others)
        return
    like, similarity, in_reference = verdict
    for member in copies.members:
        yield member, Dropped(member, like, similarity, "near", in_reference)


def _compared(
    ranked: list[_Copies], references: int, settings: DedupSettings
) -> Iterator[tuple[_Copies, _Verdict | None]]:
    """For each that is no reference, in order: the most similar of those kept before it, or None, and it is kept itself.

    Comparing with what is kept, rather than every pair, keeps a template's ten thousand near copies from becoming a
    hundred million pairs.
    """
    if not settings.near:
        yield from ((copies, None) for copies in ranked[references:])
        return
    signatures = signatures_of(
        (copies.text for copies in ranked),
        count=len(ranked),
        size=settings.shingle,
        permutations=settings.permutations,
        seed=settings.seed,
    )
    buckets = buckets_of(signatures, settings.bands())
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, copies in enumerate(ranked):
        places = [(band, int(buckets[row, band])) for band in np.flatnonzero(buckets[row] >= 0).tolist()]
        if not copies.in_reference:
            candidates = sorted({other for place in places for other in kept.get(place, ())})
            verdict = _most_similar(ranked, row, candidates, signatures, settings)
            yield copies, verdict
            if verdict is not None:
                continue
        for place in places:
            kept[place].append(row)


def _most_similar(
    ranked: list[_Copies], row: int, candidates: list[int], signatures: Signatures, settings: DedupSettings
) -> _Verdict | None:
    if not candidates:
        return None
    others = np.asarray(candidates, np.intp)
    margin = _STANDARD_ERRORS * 0.5 / settings.permutations**0.5
    likely = others[estimates(signatures, row, others) >= settings.threshold - margin]
    best: _Verdict | None = None
    for other in likely.tolist():
        similarity = jaccard(ranked[row].text, ranked[other].text, settings.shingle)
        if similarity >= settings.threshold and (best is None or similarity > best.similarity):
            best = _Verdict(ranked[other].members[0], similarity, ranked[other].in_reference)
    return best
