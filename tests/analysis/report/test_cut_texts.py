"""Dialogues longer than an embedder reads: their cosines speak of beginnings, and must say so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.report.compose import ReportSettings, compose
from analysis.semantic.embedder import Vectors, scaled_to_length_1
from tests.analysis.report.composed import corpus, entry, of_posts, talk

READ = 80


class Beginnings:
    """Counts the characters of each text's first 80, sorted into 16 kinds by their numbers."""

    name = "beginnings"
    dimensions = 16

    def embed(self, texts: Sequence[str]) -> Vectors:
        counts = np.zeros((len(texts), self.dimensions))
        for row, text in zip(counts, texts, strict=True):
            for sign in text[:READ]:
                row[ord(sign) % self.dimensions] += 1
        return scaled_to_length_1(counts)

    def cut(self, texts: Sequence[str]) -> int:
        return sum(len(text) > READ for text in texts)


def test_a_figure_does_not_say_that_texts_were_cut() -> None:
    posts = [f"p{number}" for number in range(24)]
    long, short = of_posts("long", posts), corpus("short", [entry(n, talk(n, 1)) for n in range(24)])
    told = compose([long, short], ReportSettings(examples=1), embedder=Beginnings())
    of_embeddings = {
        figure.metric: figure for figure in told.figures if figure.corpus == "long" and "cosine" in figure.metric
    }
    assert {"pairwise_cosine_mean", "cosine_own_post"} <= set(of_embeddings), sorted(of_embeddings)
    said = "24 of 24 dialogues are longer than the embedder reads"
    assert all(said in figure.remark for figure in of_embeddings.values())
    assert not [figure for figure in told.figures if said in figure.remark and figure.corpus == "short"]
    assert not [figure for figure in told.figures if said in figure.remark and figure.metric.startswith("distinct")]
