"""What a report's figures cost, beside the script that most people write for the same ones.

`python benchmarks/report_cost.py smilechat.jsonl.xz [--dialogues N] [--human psy_insight_cn.json]`

The file is SMILECHAT as published, compressed with xz. Each measurement is of a whole process (start and imports included),
one after the other:

1. the same work twice: corpus statistics, distinct-1/2/3 of jieba tokens, and the pairwise cosine of given vectors of 1,024
   dimensions, by `plain_diversity.py` and by this project. The figures of both are printed and must agree; the ratio is that
   of wall times, of the whole and of its two pieces, which both programs time inside themselves: without start and imports.
2. the project's side of it over the whole corpus: statistics with distinct-n, and pairwise cosine apart.
3. the whole report of the whole corpus with the embedded embeddings, where `--human` is given.

Without `--dialogues` the whole corpus is measured, which takes the plain script five minutes on two cores. A smaller number
shows less of a difference: the project's start, that of its processes and their dictionaries take the same seconds for
any number of dialogues, and pairs grow with its square.

Much of both programs' time on cosines is one library's matrix product. Its kernels are named in the output: OPENBLAS_CORETYPE in the
environment can force others than the processor's own (measured on one core: 105 and 200 GFLOP/s).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

HERE = Path(__file__).resolve().parent
DIMENSIONS = 1024
WHOLE = 10**9
SECONDS = "seconds_"
"""What the names of the pieces' times begin with in both programs' output."""
CLOSE = 1e-4
"""How near the two programs' cosines must be; counts and distinct-n must be equal."""


class Cost(NamedTuple):
    """One finished process."""

    wall: float
    peak_mb: float
    output: str


def measured(arguments: list[str]) -> Cost:
    """Run it to its end; ends this program where it fails."""
    started = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{arguments[1]} ended with {process.returncode}")
    return Cost(time.perf_counter() - started, used.ru_maxrss / 1024, output)


def statistics(path: Path, limit: int) -> dict[str, float]:
    """Reading, Table 3's counts and distinct-n, as the report does them."""
    sys.path.insert(0, str(HERE.parent))
    from analysis.corpora import read_corpus
    from analysis.corpus_statistics import statistics_frame
    from analysis.lexical.distinct import distinct_of_orders
    from analysis.lexical.tokenizing import tokens_of
    from filters.dialogue import CorpusEntry, Dialogue

    entries: list[CorpusEntry] = []

    def reading() -> Iterator[Dialogue]:
        for entry in islice(read_corpus(path), limit):
            if isinstance(entry, CorpusEntry):
                entries.append(entry)
                yield entry.dialogue

    gc.disable()  # as the report does while it reads and other processes cut what it has read
    tokens = tokens_of(reading(), "jieba")
    gc.freeze()
    gc.enable()
    dialogues = [entry.dialogue for entry in entries]
    sums = statistics_frame(dialogues).sum()
    figures = {name: float(sums[name]) for name in ("dialogues", "sentences", "characters")}
    return figures | {f"distinct_{found.n}": found.value or 0.0 for found in distinct_of_orders(tokens)}


def cosines(vectors: Path, limit: int) -> dict[str, float]:
    """The pairwise cosine as the report has it."""
    sys.path.insert(0, str(HERE.parent))
    from analysis.semantic.cosine import pairwise

    found = pairwise(np.load(vectors)[:limit], corpus="corpus", seed=0)
    assert found.distribution is not None
    return {"cosine_mean": found.distribution.mean, "cosine_median": found.distribution.box.median}


def write_vectors(path: Path, rows: int) -> None:
    """Unit vectors around one direction, so that cosines spread about 0.5 as those of texts do."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, DIMENSIONS), dtype=np.float32)
    vectors += rng.standard_normal(DIMENSIONS, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(path, vectors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--dialogues", type=int, default=WHOLE)
    parser.add_argument("--human", type=Path)
    parser.add_argument("--part", choices=["statistics", "cosines", "both"], help=argparse.SUPPRESS)
    parser.add_argument("--vectors", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        figures: dict[str, float] = {}
        count = options.dialogues
        if options.part != "cosines":
            began = time.perf_counter()
            figures |= statistics(options.corpus, count)
            figures[f"{SECONDS}statistics"] = time.perf_counter() - began
            count = int(figures["dialogues"])
        if options.part != "statistics":
            began = time.perf_counter()
            figures |= cosines(options.vectors, count)
            figures[f"{SECONDS}cosines"] = time.perf_counter() - began
        print(json.dumps(figures))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(options.corpus.resolve(), options.dialogues, options.human, Path(folder))


def compare(corpus: Path, dialogues: int, human: Path | None, folder: Path) -> None:
    """Run and print the three measurements."""
    vectors = folder / "vectors.npy"
    write_vectors(vectors, 60_000)

    def ours(part: str, limit: int) -> Cost:
        flags = ["--dialogues", str(limit), "--part", part, "--vectors", str(vectors)]
        return measured([sys.executable, str(HERE / "report_cost.py"), str(corpus), *flags])

    for library in threadpool_info():
        print(f"linear algebra: {library['internal_api']}, kernels for {library.get('architecture', 'unknown')}")
    plain = measured([sys.executable, str(HERE / "plain_diversity.py"), str(corpus), str(vectors), str(dialogues)])
    own = ours("both", dialogues)
    theirs, found = json.loads(plain.output), json.loads(own.output)
    print(f"the first {int(found['dialogues']):,} dialogues, the same figures twice")
    for name, value in theirs.items():
        if name.startswith(SECONDS):
            continue
        same = abs(value - found[name]) <= (CLOSE if name.startswith("cosine") else 1e-12 * value)
        print(f"  {name:16} plain {value:<22} own {found[name]:<22} {'equal' if same else 'DIFFERENT'}")
    print(
        f"  plain script {plain.wall:.1f} s, {plain.peak_mb:,.0f} MB; own {own.wall:.1f} s, {own.peak_mb:,.0f} MB: ",
        end="",
    )
    print(f"{plain.wall / own.wall:.1f} times as fast")
    for piece in ("statistics", "cosines"):
        slow, fast = theirs[SECONDS + piece], found[SECONDS + piece]
        print(f"  of that {piece:10} plain script {slow:.1f} s; own {fast:.1f} s: {slow / fast:.1f} times as fast")
    whole = ours("statistics", WHOLE)
    print(f"whole corpus, statistics and distinct-n: {whole.wall:.1f} s, {whole.peak_mb:,.0f} MB")
    count = int(json.loads(whole.output)["dialogues"])
    pairs = ours("cosines", count)
    print(f"whole corpus, pairwise cosine at {DIMENSIONS} dimensions: {pairs.wall:.1f} s, {pairs.peak_mb:,.0f} MB")
    if human is not None:
        page = folder / "report.html"
        report = measured(
            [sys.executable, "run.py", "report", str(corpus), "--human", str(human.resolve()), "-o", str(page)]
        )
        print(
            f"whole corpus, whole report: {report.wall:.1f} s, {report.peak_mb:,.0f} MB; page {page.stat().st_size:,} bytes"
        )
    print(f"largest child of all: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
