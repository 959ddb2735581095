"""When and by which signal a command is killed, and what is left of its processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from subprocess import Popen

_LOOK_EVERY = 0.002  # seconds between two looks whether the moment has come
_ORPHANS_END = 5.0  # seconds that children have to notice their parent's death


class How(StrEnum):
    """The ways to end a process."""

    KILL = "SIGKILL"
    KILL_GROUP = "SIGKILL to the group"
    TERM = "SIGTERM"
    INT = "SIGINT"
    INT_TWICE = "SIGINT twice"


class When(StrEnum):
    """What a moment is counted from."""

    ANY = "any time"
    START = "start-up"
    REQUESTS = "after so many requests"
    WRITING = "while results are written"
    RENAMING = "while a whole folder takes its name"
    CHILDREN = "while its processes work"
    HELD = "while answers are withheld"


@dataclass(frozen=True, slots=True)
class Moment:
    """When to send the signal."""

    when: When
    seconds: float
    """After the start, or after what `when` names."""
    requests: int = 0

    def __str__(self) -> str:
        after = f" ({self.requests})" if self.when in {When.REQUESTS, When.HELD} else ""
        return f"{self.when}{after} + {self.seconds * 1000:.0f} ms"


@dataclass(frozen=True, slots=True)
class Watched:
    """A process, and what its moment may depend on."""

    process: Popen[bytes]
    marker: str
    folder: Path
    whole: int
    """Files that an undisturbed command leaves."""
    came: Callable[[], int]
    """Requests of this session that have reached the endpoint."""
    answered: Callable[[], int]
    """Requests of this session that the endpoint has answered."""


def draw(chance: random.Random, *, seconds: float, requests: int, how: How, whens: tuple[When, ...]) -> Moment:
    """A random moment of a command that takes so many seconds and requests when nobody disturbs it."""
    when = chance.choice(whens)
    if how is How.INT_TWICE and requests and chance.random() < 0.5:
        when = When.HELD
    match when:
        case When.ANY:
            return Moment(when, chance.uniform(0.0, seconds))
        case When.START:
            return Moment(when, chance.uniform(0.0, min(seconds, 1.2)))
        case When.REQUESTS:
            return Moment(when, chance.uniform(0.0, 0.05), chance.randint(1, requests))
        case When.HELD:
            return Moment(when, chance.uniform(0.0, 0.2), chance.randint(1, max(1, requests * 3 // 4)))
        case When.WRITING:
            return Moment(when, chance.choice([0.0, chance.uniform(0.0, 0.02), chance.uniform(0.0, 0.2)]))
        case When.RENAMING:
            return Moment(when, chance.uniform(0.0, 0.03))
        case When.CHILDREN:
            return Moment(when, chance.uniform(0.0, 1.0))


def wait(moment: Moment, watched: Watched) -> bool:
    """Return at the moment; False where the process has ended before it came."""
    conditions: dict[When, Callable[[], bool]] = {
        When.REQUESTS: lambda: watched.answered() >= moment.requests,
        When.HELD: lambda: watched.came() > moment.requests,
        When.WRITING: lambda: any(_drafts(watched.folder)),
        When.RENAMING: lambda: _is_whole(watched.folder, watched.whole),
        When.CHILDREN: lambda: len(list(marked(watched.marker))) > 1,
    }
    come = conditions.get(moment.when)
    while come is not None and not come():
        if watched.process.poll() is not None:
            return False
        time.sleep(_LOOK_EVERY)
    end = time.monotonic() + moment.seconds
    while time.monotonic() < end and watched.process.poll() is None:
        time.sleep(_LOOK_EVERY)
    return watched.process.poll() is None


def send(how: How, process: Popen[bytes], *, pause: float) -> bool:
    """Send the signal or signals. False where a process that got one SIGINT did not live to see the second.

    Ctrl-C reaches all processes of a terminal, SIGTERM of a supervisor the one it knows.
    """
    match how:
        case How.KILL:
            process.kill()
        case How.KILL_GROUP:
            os.killpg(process.pid, signal.SIGKILL)
        case How.TERM:
            process.terminate()
        case How.INT | How.INT_TWICE:
            os.killpg(process.pid, signal.SIGINT)
            if how is How.INT_TWICE:
                end = time.monotonic() + pause
                while time.monotonic() < end and process.poll() is None:
                    time.sleep(_LOOK_EVERY)
                if process.poll() is not None:
                    return False
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
    return True


def marked(marker: str) -> Iterator[int]:
    """Processes that live and have the marker in their environment."""
    wanted = marker.encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes():
                    yield int(entry.name)


def orphans(marker: str) -> list[str]:
    """Names of the processes that outlive their parent by more than they may; they are ended here."""
    end = time.monotonic() + _ORPHANS_END
    while (left := list(marked(marker))) and time.monotonic() < end:
        time.sleep(0.05)
    names = []
    for number in left:
        with contextlib.suppress(OSError):
            names.append((Path("/proc") / str(number) / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
            os.kill(number, signal.SIGKILL)
    return names


def _drafts(folder: Path) -> Iterator[Path]:
    for pattern in (".*.part", "out/.*.part", "out/arms/*/.*.part"):
        yield from folder.glob(pattern)


def _is_whole(folder: Path, files: int) -> bool:
    """Whether a hidden folder holds all files, or the one that it replaces has stepped aside."""
    with contextlib.suppress(OSError):  # renamed as it is read
        if any(folder.glob(".*.before")):
            return True
        return any(sum(path.is_file() for path in draft.rglob("*")) >= files for draft in folder.glob(".*.part"))
    return True
