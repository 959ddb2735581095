"""The long campaign: `python -m tests.campaigns.fuzz --inputs 10000000`.

With atheris installed, `--engine atheris --target NAME` lets libFuzzer choose the inputs of one target by the branches they
reach; its process ends at the first finding and writes the input.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType

from tests.campaigns.fuzz.campaign import PACKAGES, Plan, Tally, keep, run
from tests.campaigns.fuzz.contract import Target, failure
from tests.campaigns.fuzz.targets import TARGETS

_FOUND = 3


def main() -> int:
    """Run, print a line a target, and return 3 where anything was found."""
    given = _arguments()
    if given.replay is not None:
        return _replay(TARGETS[given.target[0]], given.replay)
    targets = [TARGETS[name] for name in given.target or TARGETS]
    if given.engine == "atheris":
        return _atheris(targets[0], given.inputs, given.seconds, given.findings)
    plan = Plan(inputs=given.inputs, seconds=given.seconds, targets=targets, folder=given.findings, seed=given.seed)
    started = time.monotonic()
    tallies = run(plan, given.processes)
    _say(tallies, time.monotonic() - started)
    if given.report is not None:
        given.report.write_text(json.dumps(_document(tallies), indent=1), "utf-8")
    return _FOUND if any(tally.findings for tally in tallies.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="how many, over all targets")
    parser.add_argument("--seconds", type=float, help="stop after so long, whatever has been tried")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be given several times")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--findings", type=Path, default=Path("outputs/findings"), help="a folder for what was found")
    parser.add_argument("--report", type=Path, help="also write the counts to this file")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9, help="a run with one process is repeatable")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    parser.add_argument("--replay", type=Path, help="try one input from a file on --target")
    given = parser.parse_args()
    if (given.replay or given.engine == "atheris") and len(given.target or ()) != 1:
        parser.error("name one --target")
    return given


def _replay(target: Target, path: Path) -> int:
    found = failure(target, path.read_bytes())
    print(f"{target.name}: {found or 'keeps its promise'}")  # noqa: T201
    return _FOUND if found else 0


def _say(tallies: Mapping[str, Tally], seconds: float) -> None:
    for name, tally in tallies.items():
        rate = tally.inputs / tally.seconds if tally.seconds else 0.0
        found = "; ".join(f"{count:,} x {kind}" for kind, count in tally.findings.most_common())
        print(f"{name:18} {tally.inputs:>12,} inputs {rate:>8,.0f}/s {tally.lines:>5,} lines  {found}")  # noqa: T201
    print(f"{'all':18} {sum(tally.inputs for tally in tallies.values()):>12,} inputs in {seconds:,.0f} s")  # noqa: T201


def _document(tallies: Mapping[str, Tally]) -> dict[str, dict[str, object]]:
    return {
        name: {
            "inputs": tally.inputs,
            "seconds": round(tally.seconds, 1),
            "lines": tally.lines,
            "findings": dict(tally.findings),
        }
        for name, tally in tallies.items()
    }


def _atheris(target: Target, inputs: int, seconds: float | None, folder: Path) -> int:
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    def one(data: bytes) -> None:
        found = failure(target, data, seconds=10.0)
        if found is not None:
            keep(folder, target.name, data, found)
            raise RuntimeError(found)

    corpus = folder / f"{target.name}.seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    words = corpus.with_suffix(".dict")
    words.write_text("".join(_dictionary_line(word) for word in target.words if word))
    limits = [f"-runs={inputs}", f"-dict={words}", "-max_len=4096", "-rss_limit_mb=4096", "-timeout=20"]
    if seconds is not None:
        limits.append(f"-max_total_time={int(seconds)}")
    for seed in target.seeds:
        failure(target, seed)  # so that what is imported late is there to be instrumented
    for function in _own_functions():
        with contextlib.suppress(Exception):  # its code is in a form that atheris does not know: it runs without
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one)
    atheris.Fuzz()
    return 0


def _own_functions() -> list[FunctionType]:
    """Every loaded function of the project; instrumenting all that is loaded, numpy and pandas too, takes hours."""
    loaded = (found for found in gc.get_objects() if isinstance(found, FunctionType))
    return [function for function in loaded if function.__code__.co_filename.startswith(PACKAGES)]


def _dictionary_line(word: bytes) -> str:
    """A word as libFuzzer's dictionaries spell it."""
    spelt = "".join(f"\\x{byte:02x}" for byte in word[:60])
    return f'"{spelt}"\n'


if __name__ == "__main__":
    sys.exit(main())
