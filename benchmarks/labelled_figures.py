"""Prints precision and recall of the risk and privacy rules on the labelled set. Run: python benchmarks/labelled_figures.py

The set was written by the authors of the rules, so the figures are optimistic.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.filters.labelled import examples, labelled_figures


def main() -> None:
    negatives = sum(not one.kinds for one in examples())
    print(f"{len(examples())} examples, {negatives} of them hard negatives")
    print(f"{'part':5} {'kind':18} {'found':>6} {'missed':>7} {'wrong':>6} {'precision':>10} {'recall':>7}")
    for one in labelled_figures():
        print(
            f"{one.part:5} {one.kind:18} {one.found:6} {one.missed:7} {one.wrong:6} {one.precision:10.3f} {one.recall:7.3f}"
        )


if __name__ == "__main__":
    main()
