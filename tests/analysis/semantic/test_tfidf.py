"""TF-IDF against sklearn's, and the fit's promises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from analysis.lexical.tokens import Tokens
from analysis.semantic.embedder import embedded
from analysis.semantic.tfidf import MOST_FITTED, fit


def tokens(dialogues: Sequence[str], tokenizer: str = "words") -> Tokens:
    """Words between spaces; the vocabulary in reverse order of coming, so that ids differ between corpora."""
    words = [dialogue.split() for dialogue in dialogues]
    vocabulary = list(dict.fromkeys(word for each in words for word in each))[::-1]
    number = {word: place for place, word in enumerate(vocabulary)}
    bounds = np.cumsum([0, *map(len, words)])
    ids = np.array([number[word] for each in words for word in each], dtype=np.int32)
    return Tokens(ids=ids, dialogues=bounds, utterances=bounds, vocabulary=tuple(vocabulary), tokenizer=tokenizer)


def random_texts(count: int, seed: int, *, words: int = 40, length: int = 30) -> list[str]:
    chance = np.random.default_rng(seed)
    return [" ".join(f"w{n}" for n in chance.integers(0, words, chance.integers(1, length))) for _ in range(count)]


ONE, TWO = random_texts(60, 1), random_texts(30, 2, words=50)


def test_cosines_differ_from_those_of_sklearn() -> None:
    """With as many dimensions as there are tokens the projection keeps every cosine."""
    model = fit([tokens(ONE), tokens(TWO)])
    made = np.vstack([model.embed_tokens(tokens(ONE)), model.embed_tokens(tokens(TWO))])
    theirs = TfidfVectorizer(sublinear_tf=True, lowercase=False, analyzer=str.split).fit_transform(ONE + TWO)
    assert model.fitted == (60, 30)
    assert made @ made.T == pytest.approx((theirs @ theirs.T).toarray(), abs=2e-4)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_the_same_seed_gives_other_vectors() -> None:
    corpora = [tokens(random_texts(900, 1)), tokens(random_texts(700, 2))]
    one, two = (fit(corpora, dimensions=8, seed=3).embed_tokens(corpora[0]) for _ in range(2))
    assert (one == two).all()
    assert one.shape == (900, 8)


def test_a_large_corpus_outweighs_a_small_one() -> None:
    large, small, empty = (tokens(random_texts(count, count, length=5)) for count in (MOST_FITTED + 5, 700, 0))
    assert fit([large, small, empty], dimensions=4).fitted == (700, 700, 0)
    assert fit([large], dimensions=4).fitted == (MOST_FITTED,)
    assert fit([large, tokens(["a b"])], dimensions=4).fitted == (500, 1)


def test_the_place_of_a_dialogue_or_its_neighbours_change_its_vector() -> None:
    model = fit([tokens(ONE)])
    whole = model.embed_tokens(tokens(ONE))
    alone = np.vstack([model.embed_tokens(tokens([text])) for text in ONE])
    assert whole == pytest.approx(alone, abs=1e-5)


def test_a_text_without_known_tokens_gets_a_vector() -> None:
    model = fit([tokens(ONE)])
    made = model.embed_tokens(tokens(["", "unknown words", ONE[0] + " unknown", ""]))
    assert embedded(made).tolist() == [False, False, True, False]


def test_words_of_one_dialogue_alone_are_kept_in_a_large_fit() -> None:
    texts = [*random_texts(150, 4), "lonely"]
    model = fit([tokens(texts)])
    assert "lonely" not in model.columns
    assert not model.embed_tokens(tokens(["lonely"])).any()
    assert "lonely" in fit([tokens([*texts[:50], "lonely"])]).columns


@pytest.mark.parametrize(
    ("texts", "dimensions"),
    [
        pytest.param([], 1, id="no dialogue"),
        pytest.param([""], 1, id="empty dialogue"),
        pytest.param(["a b a"], 1, id="one dialogue"),
        pytest.param(["a b"] * 200, 1, id="identical"),
        pytest.param(["a b", "c d"], 2, id="nothing shared"),
        pytest.param(["a " * 100_000, "a b"], 2, id="a long one"),
        pytest.param(["我 很 累 tired", "\ud800 累", "it is tired"], 3, id="mixed"),
    ],
)
def test_a_degenerate_corpus_makes_a_traceback_or_no_unit_vectors(texts: list[str], dimensions: int) -> None:
    model = fit([tokens(texts)])
    made = model.embed_tokens(tokens(texts))
    assert made.shape == (len(texts), dimensions)
    assert embedded(made).tolist() == [bool(text.strip()) for text in texts]
    if texts == ["a b", "c d"]:
        assert made[0] @ made[1] == pytest.approx(0.0, abs=1e-6)


def test_no_corpus_makes_a_traceback() -> None:
    assert fit([]).dimensions == 1


def test_tokens_of_two_tokenizers_are_mixed() -> None:
    with pytest.raises(ValueError, match="different tokenizers"):
        fit([tokens(ONE), tokens(TWO, "characters")])
    with pytest.raises(ValueError, match="cannot be embedded"):
        fit([tokens(ONE)]).embed_tokens(tokens(TWO, "characters"))
