"""Dialogues to read side by side: of one post where corpora share posts, else the most alike, human sessions last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from analysis.dialogue_rules import Demands, objections
from analysis.report.model import Example, Shown
from analysis.report.sections import Prepared
from filters.dialogue import CorpusEntry, Utterance
from filters.risk import find_risk, kinds

Vectors = npt.NDArray[np.float32]

SHOWN_CHARACTERS = 3_000
"""Of an utterance on the page; more than any of SMILECHAT or Psy-Insight has (2,078)."""
SHOWN_UTTERANCES = 200
"""Of a dialogue on the page; Psy-Insight's longest session has 194."""
_DEMANDS = Demands()


def examples(
    corpora: Sequence[Prepared], vectors: Mapping[str, Vectors], *, count: int, seed: int
) -> tuple[Example, ...]:
    """So many sets, fewer where there are fewer dialogues; drawn by seed.

    `vectors` has shape (dialogues, dimensions) for each corpus by name, rows of length 1. A set starts from a post that as
    many arms as possible share, or else from a dialogue of the first corpus; every other corpus adds its dialogue of that
    post, or the one most alike among those in the same language.
    """
    filled = [corpus for corpus in corpora if corpus.input.entries]
    if not filled or count == 0:
        return ()
    rng = np.random.default_rng(seed)
    by_post = {corpus.name: _places_by_post(corpus) for corpus in filled}
    lead = max(filled, key=lambda corpus: (not corpus.input.human, len(by_post[corpus.name]) > 0))
    starts = _starts(lead, by_post, count, rng)
    return tuple(_example(lead, start, filled, by_post, vectors) for start in starts)


def _places_by_post(corpus: Prepared) -> dict[str, int]:
    """The first dialogue of each post."""
    found: dict[str, int] = {}
    for place, entry in enumerate(corpus.input.entries):
        if (post := corpus.input.post_of(entry)) is not None:
            found.setdefault(post, place)
    return found


def _starts(
    lead: Prepared, by_post: Mapping[str, Mapping[str, int]], count: int, rng: np.random.Generator
) -> list[int]:
    """Places in the first corpus, those whose post most corpora have before the others."""
    places = rng.permutation(len(lead.input.entries))
    own = by_post[lead.name]
    if own:
        shared = {place: sum(post in posts for posts in by_post.values()) for post, place in own.items()}
        places = np.array(sorted(places, key=lambda place: -shared.get(int(place), 0)))
    return [int(place) for place in places[:count]]


def _example(
    lead: Prepared,
    start: int,
    corpora: Sequence[Prepared],
    by_post: Mapping[str, Mapping[str, int]],
    vectors: Mapping[str, Vectors],
) -> Example:
    entry = lead.input.entries[start]
    post = lead.input.post_of(entry)
    shown = [_shown(lead, entry, None)]
    for corpus in corpora:
        if corpus is lead:
            continue
        same = by_post[corpus.name].get(post) if post is not None else None
        if same is not None:
            shown.append(_shown(corpus, corpus.input.entries[same], None))
        elif corpus.language == lead.language:
            alike = vectors[corpus.name] @ vectors[lead.name][start]
            nearest = int(np.argmax(alike))
            shown.append(_shown(corpus, corpus.input.entries[nearest], float(alike[nearest])))
    human = {corpus.name for corpus in corpora if corpus.input.human}
    shown.sort(key=lambda dialogue: dialogue.corpus in human)
    text = lead.input.posts.get(post) if post is not None else None
    return Example(post=_cut(text) if text is not None else None, dialogues=tuple(shown))


def _shown(corpus: Prepared, entry: CorpusEntry, similarity: float | None) -> Shown:
    said = entry.dialogue.utterances
    utterances = [Utterance(role, _cut(text)) for role, text in said[:SHOWN_UTTERANCES]]
    if len(said) > SHOWN_UTTERANCES:
        role = utterances[-1].role
        utterances[-1] = Utterance(role, f"{utterances[-1].text} [… {len(said) - SHOWN_UTTERANCES:,} more utterances]")
    return Shown(
        corpus=corpus.name,
        id=entry.id,
        utterances=tuple(utterances),
        flags=tuple(kind.value for kind in kinds(find_risk(entry.dialogue))),
        rules=tuple(found.rule for found in objections(entry, _DEMANDS)),
        similarity=similarity,
    )


def _cut(text: str) -> str:
    more = len(text) - SHOWN_CHARACTERS
    return text if more <= 0 else f"{text[:SHOWN_CHARACTERS]} [… {more:,} more characters]"
