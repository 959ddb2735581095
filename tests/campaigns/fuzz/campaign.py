"""The long form: millions of mutated inputs over all targets, in processes with a bound on memory and on time.

Each process takes the targets in turn, a slice of time each, so that a slow reader does not starve the others. An input that
reaches lines of the project that none before it reached joins the pool that later ones are made from.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.campaigns.fuzz import scratch
from tests.campaigns.fuzz.contract import Target, failure
from tests.campaigns.fuzz.minimise import minimised
from tests.campaigns.fuzz.mutate import mutated
from tests.conftest import REPOSITORY

MEMORY = 3 << 30
"""Bytes of address space a process may take: imports (arrow among them) take most of it, an input next to nothing."""
_SLICE = 0.5
"""Seconds on one target before the next one's turn."""
_LOOK = 40
"""One input in so many is traced for the lines it reaches: tracing slows a reader some ten times."""
_POOL = 400
"""Inputs kept for one target."""
PACKAGES = tuple(f"{REPOSITORY}/{name}/" for name in ("expander", "filters", "prompts", "analysis"))
"""Where the project's own code lies."""


@dataclass(slots=True)
class Tally:
    """What one target has seen."""

    inputs: int = 0
    seconds: float = 0.0
    lines: int = 0
    """Lines of the project that traced inputs reached."""
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """What a process saw in a slice of time."""
        self.inputs += other.inputs
        self.seconds += other.seconds
        self.lines = max(self.lines, other.lines)
        self.findings += other.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, over what, and where findings go."""

    inputs: int
    seconds: float | None
    targets: Sequence[Target]
    folder: Path
    seed: int


class _Trace:
    """The lines of the project's own files that ran."""

    def __init__(self) -> None:
        self.seen: set[tuple[CodeType, int]] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> _Trace | None:  # noqa: ARG002 - sys.settrace's own
        if not frame.f_code.co_filename.startswith(PACKAGES):
            return None
        if event == "line":
            self.seen.add((frame.f_code, frame.f_lineno))
        return self


class _Worker:
    """A process with a pipe of its own: one that dies in the middle of a word leaves no lock taken that others wait for."""

    def __init__(self, plan: Plan, place: int, life: int, counts: Any, started: float) -> None:
        context = multiprocessing.get_context("fork")
        self.place, self.life = place, life
        self.at_work = context.RawArray("c", 1 << 14)
        self.tallies, told = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_work, args=(plan, place, life, counts, self.at_work, told.send, started), daemon=True
        )
        self.process.start()
        told.close()

    def told(self) -> Iterator[tuple[str, Tally]]:
        """Whatever it has said so far."""
        try:
            while self.tallies.poll():
                yield self.tallies.recv()
        except (EOFError, OSError, pickle.UnpicklingError):  # it died with a tally half said
            return

    def died_of(self) -> tuple[str, bytes, str] | None:
        """The target, the input it died of, and how; None where it ended well. Raises RuntimeError where it had no input yet."""
        code = self.process.exitcode
        if code == 0:
            return None
        name, _, data = bytes(self.at_work.raw).partition(b"\n")
        if not name.strip(b"\0"):
            raise RuntimeError(f"a process of the campaign ended with {code} before its first input")
        kind = f"died: {signal.Signals(-code).name if code is not None and code < 0 else code}"
        return name.decode(), data[2 : 2 + int.from_bytes(data[:2])], kind


def run(plan: Plan, processes: int) -> dict[str, Tally]:
    """Run the plan in so many processes; a process that dies is itself a finding, and another takes its place."""
    counts = multiprocessing.get_context("fork").RawArray("q", processes)
    tallies = {target.name: Tally() for target in plan.targets}
    started = time.monotonic()
    workers = {place: _Worker(plan, place, 0, counts, started) for place in range(processes)}
    try:
        while workers:
            connection.wait([wait for each in workers.values() for wait in (each.process.sentinel, each.tallies)])
            for place, worker in list(workers.items()):
                alive = worker.process.is_alive()
                for name, tally in worker.told():
                    tallies[name].add(tally)
                if alive:
                    continue
                del workers[place]
                worker.process.join()
                worker.tallies.close()
                if (death := worker.died_of()) is None:
                    continue
                name, data, kind = death
                tallies[name].findings[kind] += 1
                keep(plan.folder, name, data, kind)
                if not _over(plan, counts, started):
                    workers[place] = _Worker(plan, place, worker.life + 1, counts, started)
    finally:
        for worker in workers.values():
            worker.process.terminate()
    return tallies


def _over(plan: Plan, counts: Any, started: float) -> bool:
    return sum(counts) >= plan.inputs or (plan.seconds is not None and time.monotonic() > started + plan.seconds)


def _work(plan: Plan, place: int, life: int, counts: Any, at_work: Any, say: Any, started: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    dice = random.Random(f"{plan.seed} {place} {life}")
    pools = {target.name: list(target.seeds) for target in plan.targets}
    reached: dict[str, _Trace] = {target.name: _Trace() for target in plan.targets}
    known: set[tuple[str, str]] = set()
    try:
        for target in _turns(plan, place):
            tally, name = Tally(), target.name.encode() + b"\n"
            begun = time.monotonic()
            while time.monotonic() < begun + _SLICE and not _over(plan, counts, started):
                for _ in range(10):
                    data = mutated(target, pools[target.name], dice)
                    note = name + len(data).to_bytes(2) + data
                    at_work[: len(note)] = note
                    counts[place] += 1
                    found = _tried(target, data, pools[target.name], reached[target.name], dice)
                    tally.inputs += 1
                    if found is not None:
                        tally.findings[found] += 1
                        if (target.name, found) not in known:
                            known.add((target.name, found))
                            _report(plan.folder, target, data, found)
            tally.seconds = time.monotonic() - begun
            tally.lines = len(reached[target.name].seen)
            say((target.name, tally))
            if _over(plan, counts, started):
                return
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        scratch.remove()


def _turns(plan: Plan, place: int) -> Iterator[Target]:
    """The targets round and round, each process from another place on."""
    targets = [*plan.targets[place:], *plan.targets[:place]]
    while True:
        yield from targets


def _tried(target: Target, data: bytes, pool: list[bytes], trace: _Trace, dice: random.Random) -> str | None:
    if dice.randrange(_LOOK):
        return failure(target, data)
    before = len(trace.seen)
    sys.settrace(trace)
    try:
        found = failure(target, data, seconds=10.0)
    finally:
        sys.settrace(None)
    if len(trace.seen) > before and found is None:
        pool.append(data)
        if len(pool) > _POOL:
            del pool[dice.randrange(len(target.seeds), len(pool))]
    return found


def _report(folder: Path, target: Target, data: bytes, found: str) -> None:
    keep(folder, target.name, minimised(data, lambda tried: failure(target, tried) == found), found)


def keep(folder: Path, name: str, data: bytes, found: str) -> Path:
    """Write a finding's input, and beside it what went wrong."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    path = place / hashlib.sha256(found.encode()).hexdigest()[:12]
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(f"{name}: {found}\n{data!r}\n", "utf-8")
    return path
