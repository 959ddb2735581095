"""The script that most people write for the same figures: jieba, Python sets, scikit-learn's cosine_similarity in chunks.

A baseline for `report_cost.py`, run as a process of its own; prints its figures as JSON. It reads the file as the project
does not: one `json.loads` a line.
"""

from __future__ import annotations

import json
import lzma
import re
import sys
import time
from itertools import islice
from pathlib import Path

import jieba
import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

CHUNK = 1000  # rows of the similarity matrix at a time: what scikit-learn's documentation and most scripts do


def main(path: Path, vectors: Path, limit: int) -> dict[str, float]:
    jieba.setLogLevel(60)
    began = time.perf_counter()
    with lzma.open(path, "rt", encoding="utf-8") as file:
        dialogues = [json.loads(line)["messages"] for line in islice(file, limit)]
    figures: dict[str, float] = {"dialogues": len(dialogues)}
    sentences = characters = 0
    tokenized = []
    for messages in dialogues:
        tokens: list[str] = []
        for message in messages:
            sentences += len([piece for piece in re.split("[。！？]", message["content"]) if piece])
            characters += len(message["content"])
            tokens += [token for token in jieba.lcut(message["content"]) if token.strip()]
        tokenized.append(tokens)
    figures |= {"sentences": sentences, "characters": characters}
    for n in (1, 2, 3):
        unique: set[tuple[str, ...]] = set()
        total = 0
        for tokens in tokenized:
            grams = list(zip(*(tokens[start:] for start in range(n)), strict=False))
            unique.update(grams)
            total += len(grams)
        figures[f"distinct_{n}"] = len(unique) / total
    between = time.perf_counter()
    figures |= _cosines(np.load(vectors)[: len(dialogues)])
    return figures | {"seconds_statistics": between - began, "seconds_cosines": time.perf_counter() - between}


def _cosines(embeddings: np.ndarray) -> dict[str, float]:
    """Mean, and the median from a histogram: the whole matrix would not fit."""
    count = len(embeddings)
    histogram = np.zeros(20_000, np.int64)
    total = 0.0
    for start in range(0, count, CHUNK):
        block = cosine_similarity(embeddings[start : start + CHUNK], embeddings)
        upper = np.arange(count)[None, :] > np.arange(start, start + len(block))[:, None]
        values = block[upper]
        total += float(values.sum(dtype=np.float64))
        histogram += np.histogram(values, bins=20_000, range=(-1, 1))[0]
    pairs = count * (count - 1) / 2
    middle = int(np.searchsorted(np.cumsum(histogram), pairs / 2))
    return {"cosine_mean": total / pairs, "cosine_median": (middle + 0.5) / 10_000 - 1}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
