"""Arms that differ in known ways: the report must find each difference, its direction, and none between equal arms."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import orjson
import pytest

from analysis.figures import Comparison
from analysis.report.compose import ReportSettings, compose
from analysis.report.inputs import CorpusInput
from analysis.report.model import Report
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from tests.conftest import REPOSITORY

POSTS = 60
TOPIC = 25  # sentences a post keeps to
STOCK = 12  # sentences that the repetitive arm falls back on


@cache
def sentences() -> tuple[str, ...]:
    """Those of the example posts' answers."""
    posts = orjson.loads((REPOSITORY / "expander" / "examples" / "posts.json").read_bytes())
    answers = [answer["answer_text"] for post in posts for answer in post["answers"]]
    return tuple(piece for answer in answers for piece in re.split("(?<=[。！？])", answer) if len(piece) > 4)


def arm(
    name: str, rng: np.random.Generator, *, reach: int = 2, stock: float = 0.0, turns: float = 1.0, strays: float = 0.3
) -> CorpusInput:
    """A dialogue a post: each sentence from the stock, or from anywhere, or from the post's own; of all, the first 1/reach."""
    pool = sentences()[: len(sentences()) // reach]
    topics = [np.random.default_rng(post).choice(len(pool), TOPIC, replace=False) for post in range(POSTS)]

    def sentence(own: np.ndarray) -> str:
        if rng.random() < stock:
            return pool[int(rng.integers(STOCK))]
        return pool[int(rng.integers(len(pool)) if rng.random() < strays else rng.choice(own))]

    entries = []
    for post, own in enumerate(topics):
        said = []
        for _ in range(max(2, round(turns * int(rng.integers(6, 12))))):
            said.append(Utterance(Role.CLIENT, sentence(own)))
            said.append(Utterance(Role.COUNSELOR, "".join(sentence(own) for _ in range(int(rng.integers(1, 4))))))
        provenance = {"provenance": {"post_id": f"post {post}"}}
        entries.append(CorpusEntry(id=f"{name} {post}", dialogue=Dialogue(tuple(said)), place=name, extra=provenance))
    return CorpusInput(name=name, file=name, kind="run", human=False, entries=entries)


@pytest.fixture(scope="module")
def report() -> Report:
    rng = np.random.default_rng(4)
    arms = [
        arm("base", rng),
        arm("same", rng),
        arm("repetitive", rng, stock=0.75),
        arm("short", rng, turns=0.5),
        arm("richer", rng, reach=1),
    ]
    return compose(arms, ReportSettings(examples=0))


def held(report: Report, corpus: str) -> dict[str, Comparison]:
    """The comparisons with the baseline that hold after correction."""
    return {
        found.metric: found
        for found in report.comparisons
        if found.corpus == corpus and found.p_corrected is not None and found.p_corrected < 0.05
    }


def test_equal_arms_differ(report: Report) -> None:
    assert not held(report, "same")
    compared = [found for found in report.comparisons if found.corpus == "same" and found.interval is not None]
    inside = [found.interval.low <= 0 <= found.interval.high for found in compared if found.interval is not None]
    assert len(inside) > 40
    assert np.mean(inside) > 0.85


def test_a_repetitive_arm_passes_for_as_diverse(report: Report) -> None:
    found = held(report, "repetitive")
    assert (found["distinct_2_jieba_matched"].difference or 0) < 0
    assert (found["pairwise_cosine_mean"].difference or 0) > 0
    diverse = next(answer for answer in report.answers if answer.question == "Is it diverse?")
    assert "repetitive is less diverse than base." in diverse.sentences


def test_a_short_arm_passes_for_as_long(report: Report) -> None:
    found = held(report, "short")
    assert (found["turns_per_dialogue"].difference or 0) < 0
    assert (found["characters_per_dialogue"].difference or 0) < 0
    assert found["turns_per_dialogue"].effect is not None
    assert found["turns_per_dialogue"].effect < -0.8


def test_a_richer_arm_passes_for_as_poor(report: Report) -> None:
    found = held(report, "richer")
    assert (found["pairwise_cosine_mean"].difference or 0) < 0
    assert (found["distinct_1_jieba_matched"].difference or 0) > 0
