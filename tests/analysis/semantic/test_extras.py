"""The Vendi score where it is known, its interval, and what stands in place of MAUVE without its package."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest

from analysis.semantic.extras import matched_size, mauve, mauve_size, vendi, vendi_score
from tests.analysis.semantic.vectors import scattered


def test_the_score_is_not_the_number_of_different_dialogues() -> None:
    """k groups of equal size, nothing in common: k."""
    for kinds in (1, 3, 8):
        vectors = np.repeat(np.eye(8, dtype=np.float32)[:kinds], 5, axis=0)
        assert vendi_score(vectors) == pytest.approx(kinds)
    # Two dialogues of cosine c: eigenvalues (1 + c) / 2 and (1 - c) / 2.
    pair = np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    assert vendi_score(pair) == pytest.approx(np.exp(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2))))


def test_the_smaller_gram_matrix_gives_another_score() -> None:
    vectors = scattered(40, 7, seed=1)
    eigenvalues = np.linalg.eigvalsh(vectors.astype(np.float64) @ vectors.T / 40)
    shares = eigenvalues[eigenvalues > 1e-12]
    assert vendi_score(vectors) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)


def test_the_interval_misses_the_expected_score_too_often() -> None:
    truth = np.mean([vendi_score(scattered(40, 12, seed=seed)) for seed in range(10_000, 12_000)])
    rounds, held = 150, 0
    for seed in range(rounds):
        figure = vendi(scattered(120, 12, seed=seed), corpus="a", size=40, seed=seed)
        assert figure.interval is not None
        held += int(figure.interval.low <= truth <= figure.interval.high)
    assert held / rounds > 0.89


def test_a_degenerate_corpus_makes_a_traceback() -> None:
    alike = np.repeat(scattered(1, 5, seed=1), 100, axis=0)
    figure = vendi(alike, corpus="a", size=30)
    assert figure.value == pytest.approx(1.0)
    assert figure.interval is not None
    assert figure.interval.low <= 1.0 + 1e-9
    assert vendi(alike[:0], corpus="a", size=30).value is None
    few = vendi(alike[:30], corpus="a", size=30)
    assert few.value == pytest.approx(1.0)
    assert few.interval is None
    assert "too few" in few.remark


def test_the_matched_size_leaves_the_smallest_corpus_nothing_over() -> None:
    assert matched_size([55_165, 431]) == 215
    assert matched_size([55_165, 9_000]) == 1_000
    assert matched_size([]) == matched_size([1, 5]) == 0


def test_mauve_without_its_package_makes_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mauve", None)  # as if it were not installed
    found = mauve(scattered(130, 5, seed=1), scattered(140, 5, seed=2), corpus="a", reference="b")
    assert found.effect is None
    assert "extra `mauve`" in found.remark


def test_mauve_calls_the_same_distribution_another() -> None:
    one, two, other = scattered(400, 5, seed=1), scattered(400, 5, seed=2), scattered(400, 5, seed=3, towards=-5.0)
    same, far = (mauve(one, each, corpus="a", reference="b").effect for each in (two, other))
    assert same is not None
    assert far is not None
    assert same > 0.8
    assert far < 0.2


def test_mauve_is_another_than_its_packages(capfd: pytest.CaptureFixture[str]) -> None:
    """All dialogues of both sides, so that a draw only shuffles them. The package's clusters depend on the order a little."""
    import_module("mauve")  # says what it likes while it is imported
    capfd.readouterr()
    one, two = scattered(150, 4, seed=1), scattered(150, 4, seed=2, towards=0.5)
    found = mauve(one, two, corpus="a", reference="b", draws=4)
    assert "mean of 4 draws from 150 dialogues of each corpus" in found.remark
    assert not "".join(capfd.readouterr())
    scores = [
        import_module("mauve").compute_mauve(p_features=one, q_features=two, device_id=-1, seed=seed).mauve
        for seed in range(4)
    ]
    assert found.effect == pytest.approx(np.mean(scores), abs=0.08)


def test_pairs_with_one_human_corpus_rest_on_different_numbers() -> None:
    assert mauve_size([9_000, 300, 431]) == 300
    assert mauve_size([9_000, 99, 8_000]) == 5_000  # so few get no MAUVE at all
    assert mauve_size([]) == 5_000


def test_mauve_of_too_few_or_of_one_embedding_makes_a_traceback() -> None:
    one = scattered(130, 5, seed=1)
    assert "need 100" in mauve(one, one[:99], corpus="a", reference="b").remark
    alike = np.repeat(one[:1], 130, axis=0)
    assert "one embedding" in mauve(alike, alike, corpus="a", reference="b").remark
