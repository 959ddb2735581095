"""A process, its children among it, and the memory they hold while they go on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_EVERY = 1.0  # seconds between looks
_KIB = 1024

ROOT = Path(__file__).resolve().parent.parent


class Sample(NamedTuple):
    """What one look found."""

    at: float
    """Seconds since the start."""
    mb: float
    """Resident in the process and its children, in MB; pages shared between them count once."""
    done: int
    """What `progress` said."""


class Watched(NamedTuple):
    """A process that came to its end."""

    samples: list[Sample]
    started: float
    """`time.monotonic()`."""
    wall: float
    cpu: float
    """User and system seconds, of children that were waited for too."""
    peak_mb: float
    """The largest of the samples, or of the process alone as the kernel saw it."""
    said: str
    """What it wrote to both its outputs."""


def watch(
    arguments: list[str], *, codes: tuple[int, ...] = (0,), progress: Callable[[], int] = lambda: 0, log: Path
) -> Watched:
    """Run the project's command line to its end, looking once a second. Raises RuntimeError for any other exit code."""
    started = time.monotonic()
    samples: list[Sample] = []
    with log.open("w+b") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "run.py"), *arguments], stdout=output, stderr=output, cwd=ROOT
        )
        try:
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                samples.append(Sample(time.monotonic() - started, _resident(process.pid), progress()))
                _wait(process.pid, samples)
        except BaseException:
            process.kill()
            process.wait()
            raise
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    if process.returncode not in codes:
        raise RuntimeError(f"{arguments[:1]} ended with {process.returncode}:\n{said[-2000:]}")
    return Watched(
        samples=samples,
        started=started,
        wall=time.monotonic() - started,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mb=max([usage.ru_maxrss * _KIB / 1e6, *(sample.mb for sample in samples)]),
        said=said,
    )


def _wait(pid: int, samples: list[Sample]) -> None:
    """Until the next look is due or the process has ended, whichever is first."""
    until = time.monotonic() + (_EVERY if samples[-1].at > 5 else _EVERY / 5)
    while time.monotonic() < until and not _ended(pid):
        time.sleep(0.02)


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _resident(pid: int) -> float:
    kib = 0
    for each in (pid, *_descendants(pid)):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue  # it has ended meanwhile
        kib += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return kib * _KIB / 1e6


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found
