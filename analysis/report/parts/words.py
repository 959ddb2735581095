"""What clients and counselors talk about: frequent words (SoulChat, Figure 4; Psy-Insight, Figure 5), and those that mark a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.figures import Ranking
from analysis.report.sections import Pair, Prepared, Section
from analysis.words.clouds import Words, word_ranking, words_in
from analysis.words.distinctive import distinctive_ranking
from filters.dialogue import Role


def words(corpora: Sequence[Prepared], pairs: Sequence[Pair]) -> Section:
    """Rankings only: a word is no figure with an interval."""
    counted: dict[str, Words] = {corpus.name: words_in(corpus.words, corpus.dialogues) for corpus in corpora}
    found: list[Ranking] = [
        word_ranking(counted[corpus.name], corpus=corpus.name, role=role) for corpus in corpora for role in Role
    ]
    found += [
        distinctive_ranking(
            counted[pair.corpus.name],
            counted[pair.reference.name],
            corpus=pair.corpus.name,
            reference_name=pair.reference.name,
        )
        for pair in pairs
        if pair.reference.input.human
    ]
    return Section(rankings=found)
