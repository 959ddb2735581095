"""The embedder that needs nothing from outside: TF-IDF of tokens, and truncated SVD (latent semantic analysis).

It is fitted on the corpora of one report, the same number of dialogues of each, so that its axes serve them alike.
Two texts are close where they use the same words, or words that occur in the same dialogues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd

from analysis.lexical.tokens import Tokens
from analysis.semantic.embedder import Places, Vectors, scaled_to_length_1

NAME = "TF-IDF + SVD (lexical; cosines compare arms within this report only)"
DIMENSIONS = 256
"""Within the 100 to 500 that latent semantic analysis is used with (Deerwester et al. 1990; Landauer & Dumais 1997)."""
MOST_FITTED = 4_000
"""Dialogues of a corpus that the fit looks at."""
MOST_VOCABULARY = 50_000
"""Tokens kept, those in most dialogues first; more add only words that hardly two dialogues share."""

_LEAST_FITTED = 500  # of each corpus that has them: a small corpus must not leave the large ones without axes
_MOST_IN_ALL = 8_000  # dialogues; measured: the SVD of so many, over 50,000 tokens, takes 18 s of processor time
_RARE_FROM = 100  # fitted dialogues from which a token must occur in two of them; with fewer, each token says much
_ROUNDS = 4  # power iterations: sklearn's choice for a tenth of the dimensions or more
_NEGLIGIBLE = 1e-5  # singular value, as a share of the largest, below which an axis is rounding
_PIECE = 2_000_000  # tokens counted together: 16 MiB of keys


@dataclass(frozen=True, slots=True)
class TfidfSvd:
    """A fitted embedder. The same corpora and seed give the same one."""

    columns: dict[str, int]
    """Token to column."""
    idf: npt.NDArray[np.float32]
    """Shape (columns,)."""
    axes: npt.NDArray[np.float32]
    """Shape (columns, dimensions)."""
    fitted: tuple[int, ...]
    """Dialogues of each corpus that the fit looked at."""
    tokenizer: str
    name: str = NAME

    @property
    def dimensions(self) -> int:
        return int(self.axes.shape[1])

    def embed_tokens(self, tokens: Tokens) -> Vectors:
        """A row a dialogue, of length 1; all zeros where it has no token that the fit knows.

        Raises ValueError for tokens that another tokenizer made.
        """
        if tokens.tokenizer != self.tokenizer:
            raise ValueError(f"Tokens of {tokens.tokenizer!r} cannot be embedded by a fit of {self.tokenizer!r}.")
        columns = np.fromiter((self.columns.get(word, -1) for word in tokens.vocabulary), np.int64)
        vectors = np.zeros((tokens.count_of_dialogues, self.dimensions), dtype=np.float32)
        for places in _pieces(tokens, np.arange(tokens.count_of_dialogues)):
            counts = _counted(tokens, places, columns, len(self.idf))
            projected = _weighted(counts, self.idf) @ self.axes
            vectors[places] = scaled_to_length_1(_without_rounding(projected))
        return vectors


def fit(corpora: Sequence[Tokens], *, dimensions: int = DIMENSIONS, seed: int = 0) -> TfidfSvd:
    """Fits on as many dialogues of each corpus as the smallest has, but on 500 of those that have them.

    At most 4,000 of a corpus and 8,000 in all, so that the fit takes no longer for many corpora than for two.
    Tokens in one fitted dialogue alone are dropped. With fewer dialogues or tokens than `dimensions` there are fewer
    dimensions; without any token there is one, and all vectors are zeros. Raises ValueError for mixed tokenizers.
    """
    tokenizers = {tokens.tokenizer for tokens in corpora}
    if len(tokenizers) > 1:
        raise ValueError(f"The corpora's tokens come from different tokenizers: {', '.join(sorted(tokenizers))}.")
    tokenizer = next(iter(tokenizers), "")
    drawn = _drawn(corpora, np.random.default_rng(seed))
    fitted = tuple(map(len, drawn))
    words: dict[str, int] = {}
    parts = []
    for tokens, places in zip(corpora, drawn, strict=True):
        shared = np.fromiter((words.setdefault(word, len(words)) for word in tokens.vocabulary), np.int64)
        parts.append((tokens, places, shared))
    pieces = [
        _counted(tokens, places, shared, len(words))
        for tokens, chosen, shared in parts
        for places in _pieces(tokens, chosen)
    ]
    spread = np.zeros(len(words), dtype=np.int64)  # of each token: dialogues it occurs in
    for piece in pieces:
        spread += np.bincount(piece.indices, minlength=len(words))
    kept = _vocabulary(spread, least=2 if sum(fitted) >= _RARE_FROM else 1)
    if not len(kept):
        return TfidfSvd({}, np.zeros(0, np.float32), np.zeros((0, 1), np.float32), fitted, tokenizer)
    column_of = np.full(len(words), -1, dtype=np.int64)
    column_of[kept] = np.arange(len(kept))
    idf = (np.log((1 + sum(fitted)) / (1 + spread[kept])) + 1).astype(np.float32)
    weighted = [_weighted(_narrowed(piece, column_of, len(kept)), idf) for piece in pieces]
    every_word = list(words)
    columns = {every_word[place]: column for column, place in enumerate(kept.tolist())}
    return TfidfSvd(columns, idf, _axes(_stacked(weighted), dimensions, seed), fitted, tokenizer)


def _drawn(corpora: Sequence[Tokens], chance: np.random.Generator) -> list[Places]:
    """Places of the dialogues to fit on: as many of each corpus, and no empty ones."""
    filled = [np.flatnonzero(np.diff(tokens.dialogues)) for tokens in corpora]
    sizes = [len(places) for places in filled if len(places)]
    if not sizes:
        return filled
    most = min(MOST_FITTED, max(_LEAST_FITTED, min(sizes)), max(1, _MOST_IN_ALL // len(sizes)))
    return [places if len(places) <= most else np.sort(chance.choice(places, most, replace=False)) for places in filled]


def _pieces(tokens: Tokens, places: Places) -> Iterator[Places]:
    """`places` in runs of about `_PIECE` tokens; a dialogue longer than that is a run of its own."""
    if not len(places):
        return
    sizes = tokens.dialogues[places + 1] - tokens.dialogues[places]
    run = np.cumsum(sizes) // _PIECE
    yield from np.split(places, np.flatnonzero(np.diff(run)) + 1)


def _counted(tokens: Tokens, places: Places, columns: Places, width: int) -> csr_array:
    """How often each token occurs in each of these dialogues, shape (places, width); column -1 is dropped."""
    first, last = tokens.dialogues[places], tokens.dialogues[places + 1]
    if int(last[-1] - first[0]) == int((last - first).sum()):  # neighbours: one slice
        ids = tokens.ids[first[0] : last[-1]]
    else:
        ids = np.concatenate([tokens.ids[start:end] for start, end in zip(first, last, strict=True)])
    found = columns[ids]
    keys = np.repeat(np.arange(len(places)) * width, last - first) + found
    keys = keys[found >= 0]
    keys.sort()  # and runs of equal keys are the counts; numpy's own search for distinct values is far slower
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), dtype=bool), keys[1:] != keys[:-1]]))
    distinct = keys[starts]
    rows = distinct // max(1, width)
    bounds = np.searchsorted(rows, np.arange(len(places) + 1))
    times = np.diff(np.append(starts, len(keys))).astype(np.float32)
    return csr_array((times, distinct - rows * width, bounds), shape=(len(places), width))


def _vocabulary(spread: Places, *, least: int) -> Places:
    """Tokens in at least so many dialogues, the `MOST_VOCABULARY` most widespread, in the order they first came."""
    kept = np.flatnonzero(spread >= least)
    if len(kept) > MOST_VOCABULARY:
        kept = np.sort(kept[np.argsort(-spread[kept], kind="stable")[:MOST_VOCABULARY]])
    return kept


def _narrowed(counts: csr_array, column_of: Places, width: int) -> csr_array:
    """The same counts in the kept columns alone."""
    columns = column_of[counts.indices]
    kept = columns >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return csr_array((counts.data[kept], columns[kept], before[counts.indptr]), shape=(counts.shape[0], width))


def _weighted(counts: csr_array, idf: npt.NDArray[np.float32]) -> csr_array:
    """(1 + ln tf) idf, rows of length 1 (Salton & Buckley 1988, `ltc`)."""
    weights = (1.0 + np.log(counts.data)) * idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(rows, weights.astype(np.float64) ** 2, minlength=counts.shape[0]))
    weights = (weights / lengths[rows]).astype(np.float32)
    return csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)


def _stacked(pieces: Sequence[csr_array]) -> csr_array:
    lengths = np.concatenate([np.diff(piece.indptr) for piece in pieces])
    return csr_array(
        (
            np.concatenate([piece.data for piece in pieces]),
            np.concatenate([piece.indices for piece in pieces]),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(lengths), pieces[0].shape[1]),
    )


def _axes(matrix: csr_array, dimensions: int, seed: int) -> npt.NDArray[np.float32]:
    """The right singular vectors of the largest singular values, as columns (Halko et al. 2011)."""
    wanted = max(1, min(dimensions, *matrix.shape))
    _, values, rows = randomized_svd(matrix, wanted, n_iter=_ROUNDS, random_state=seed % 2**32)
    return np.ascontiguousarray(rows[values > _NEGLIGIBLE * values[0]].T, dtype=np.float32)


def _without_rounding(projected: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of length 1 were projected: where next to nothing is left, the fit knows nothing of the text."""
    lost = np.einsum("ij,ij->i", projected, projected) < _NEGLIGIBLE**2
    projected[lost] = 0.0
    return projected
