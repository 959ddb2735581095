"""Embeddings from a sentence-transformers model in a local folder. Nothing is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from analysis.semantic.embedder import Vectors, scaled_to_length_1

EXTRA = "sentence-transformers"
"""The optional extra that brings the package."""
BATCH = 32  # the package's own default
_COUNTED_TOGETHER = 256  # texts whose tokens are in memory at a time

_MARKS = ("modules.json", "config.json")  # either makes a folder a model to the package


class LocalModelError(Exception):
    """The model cannot be used; the message says what to do."""


class LocalModel:
    """An embedder that runs a local model.

    Raises LocalModelError where the folder holds no model, the package is missing, or the model cannot be loaded. A text
    longer than the model takes is cut to its first tokens, as the package does: `name` says how many it takes, `cut` of
    how many texts that is true.
    """

    def __init__(self, folder: Path, *, batch: int = BATCH, device: str | None = None) -> None:
        self._model: Any = _loaded(folder, device)
        self._batch = batch
        self._longest: int | None = getattr(self._model, "max_seq_length", None)
        parts = [
            "sentence-transformers",
            *(() if (folder / "modules.json").is_file() else ("a plain model, mean of its tokens",)),
            *((f"first {self._longest} tokens",) if self._longest else ()),
        ]
        self.name = f"{folder.resolve().name} ({', '.join(parts)})"

    @property
    def dimensions(self) -> int | None:
        # Releases of the package differ in the name.
        ask = getattr(self._model, "get_embedding_dimension", None) or self._model.get_sentence_embedding_dimension
        known = ask()
        return int(known) if known else None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row a text, of length 1; all zeros for texts of white space alone. Raises LocalModelError."""
        places = [place for place, text in enumerate(texts) if text.strip()]
        if not places:
            return np.zeros((len(texts), self.dimensions or 1), dtype=np.float32)
        clean = [_whole(texts[place]) for place in places]
        made = np.asarray(
            self._model.encode(
                clean,
                batch_size=self._batch,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
        )
        if made.ndim != 2 or len(made) != len(places) or not np.isfinite(made).all():  # noqa: PLR2004 - rows, columns
            raise LocalModelError(f"{self.name}: the model made vectors of shape {made.shape}, or values not finite.")
        vectors = np.zeros((len(texts), made.shape[1]), dtype=np.float32)
        vectors[places] = scaled_to_length_1(made)
        return vectors

    def cut(self, texts: Sequence[str]) -> int | None:
        """Texts with more tokens, the model's own marks among them, than it takes; None where its tokenizer does not count."""
        tokenizer = getattr(self._model, "tokenizer", None)
        if self._longest is None or not callable(tokenizer):
            return None
        many = 0
        for start in range(0, len(texts), _COUNTED_TOGETHER):
            part = [_whole(text) for text in texts[start : start + _COUNTED_TOGETHER]]
            counted = tokenizer(part, truncation=False, return_attention_mask=False, verbose=False)
            many += sum(len(tokens) > self._longest for tokens in counted["input_ids"])
        return many


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which tokenizers do not take."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _loaded(folder: Path, device: str | None) -> object:
    if not folder.is_dir() or not any((folder / mark).is_file() for mark in _MARKS):
        raise LocalModelError(
            f"{folder}: give a local folder with a sentence-transformers model (it holds modules.json), `tfidf` or `endpoint`."
        )
    try:
        package = import_module("sentence_transformers")
    except ImportError as error:
        raise LocalModelError(
            f"A local model needs the package sentence-transformers: install the extra `{EXTRA}`."
        ) from error
    with suppress(ImportError, AttributeError):
        import_module("transformers.utils.logging").disable_progress_bar()
    try:
        model: Any = package.SentenceTransformer(
            str(folder.resolve()), device=device, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        # Its parts raise what they like: SafetensorError for a cut file or a Git LFS pointer, TypeError, ImportError.
        raise LocalModelError(f"{folder}: the model cannot be loaded: {type(error).__name__}: {error}") from error
    tokenizer = getattr(model, "tokenizer", None)
    if isinstance(tokenizer, Sized) and len(tokenizer) <= len(getattr(tokenizer, "all_special_tokens", ())):
        # transformers 5 makes an empty one, to which all texts are alike.
        raise LocalModelError(f"{folder}: the model has no vocabulary. Its tokenizer.json is missing.")
    return model
