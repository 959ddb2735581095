"""Vectors for the dialogues of every corpus and for the posts they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.lexical.tokenizers import language_of, tokenizer_for
from analysis.lexical.tokenizing import tokens_of
from analysis.report.sections import Prepared
from analysis.semantic import tfidf
from analysis.semantic.embedder import Embedder, Places, Vectors, text_of
from analysis.semantic.transformation import NO_POST
from filters.dialogue import Dialogue, Role, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Rows of length 1, or of zeros where a text has no embedding."""

    embedder: str
    """What made them, for a reader."""
    corpora: Mapping[str, Vectors]
    """By corpus: a row a dialogue."""
    posts: Vectors
    """A row a post of the pool; no row where there is none."""
    post_of: Mapping[str, Places]
    """By corpus: for each dialogue the row of the post it was made from, or NO_POST."""
    cut: Mapping[str, int]
    """By corpus: dialogues longer than the embedder reads, as far as it knows."""
    tokenizer_of_posts: str
    """Corpora of another one are in another language, and are held against no post."""


def vectors_of(
    corpora: Sequence[Prepared],
    posts: Sequence[str],
    embedder: Embedder | None,
    *,
    seed: int,
    tell: Callable[[str], None],
) -> Embedded:
    """Embed everything; without an embedder by TF-IDF and SVD, fitted for each tokenizer on the corpora that share it.

    The pool of posts is `posts` and those that the corpora bring, each text once.
    """
    pool: dict[str, int] = {}
    for text in (*posts, *(text for corpus in corpora for text in corpus.input.posts.values())):
        pool.setdefault(text, len(pool))
    post_of: dict[str, Places] = {}
    for corpus in corpora:
        texts = [corpus.input.posts.get(corpus.input.post_of(entry) or "") for entry in corpus.input.entries]
        places = [NO_POST if text is None else pool[text] for text in texts]
        post_of[corpus.name] = np.array(places, dtype=np.int64)
    asked = [Dialogue((Utterance(Role.CLIENT, text),)) for text in pool]
    tokenizer = tokenizer_for(language_of(asked)) if asked else ""
    cut: dict[str, int] = {}
    if embedder is None:
        found, of_posts = _by_words(corpora, asked, tokenizer, seed, tell)
        name = tfidf.NAME
    else:
        found = {}
        for corpus in corpora:
            tell(f"embedding {len(corpus.dialogues):,} dialogues of {corpus.name}")
            read = [text_of(dialogue) for dialogue in corpus.dialogues]
            found[corpus.name] = embedder.embed(read)
            cut[corpus.name] = embedder.cut(read) or 0
        of_posts = embedder.embed(list(pool)) if pool else np.zeros((0, 1), np.float32)
        name = embedder.name
    return Embedded(
        embedder=name, corpora=found, cut=cut, posts=of_posts, post_of=post_of, tokenizer_of_posts=tokenizer
    )


def _by_words(
    corpora: Sequence[Prepared], posts: Sequence[Dialogue], tokenizer: str, seed: int, tell: Callable[[str], None]
) -> tuple[dict[str, Vectors], Vectors]:
    found: dict[str, Vectors] = {}
    of_posts = np.zeros((0, 1), np.float32)
    for name in dict.fromkeys(corpus.tokenizer for corpus in corpora):
        alike = [corpus for corpus in corpora if corpus.tokenizer == name]
        tell(f"fitting TF-IDF and SVD on {', '.join(corpus.name for corpus in alike)}")
        fitted = tfidf.fit([corpus.words for corpus in alike], seed=seed)
        for corpus in alike:
            found[corpus.name] = fitted.embed_tokens(corpus.words)
        if posts and name == tokenizer:
            of_posts = fitted.embed_tokens(tokens_of(posts, name))
    return found, of_posts
