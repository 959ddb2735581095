"""Kills the real command line at random moments and sees whether it keeps its promises.

`python -m tests.campaigns.kill --kills 200 [--seed 0] [--minutes 30] [--report FILE.md|FILE.json]`. Exit code 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.campaigns.kill_commands import COMMANDS, ground
from tests.campaigns.kill_moments import How
from tests.campaigns.kill_trials import Outcome, Reference, reference, trial

SHARES = {"expand": 0.4, "annotate": 0.21, "ablate": 0.1, "export": 0.2, "batch import": 0.06, "report": 0.03}
"""Of the trials. A trial of `ablate` or `report` takes several times as long as the others: both draw a page."""
_TOGETHER = 2  # trials side by side


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the report: one command under one signal."""

    command: str
    signal: str
    kills: int
    survived: int
    """Kills of trials in which every promise was kept."""
    rows: int
    lost: int
    doubled: int
    missing: int
    repeated_most: int
    """Requests sent again, at the most for one kill."""
    repeated: int
    seconds_to_end: float
    """From the signal to the process's end, at the most."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """All of it."""

    seed: int
    seconds: float
    lines: tuple[Line, ...]
    moments: dict[str, int]
    """Kills by what their moment was counted from."""
    missed: int
    """Processes that ended before their moment; they are no kills."""
    left_out: int
    """Trials that would have begun too late."""
    broken: tuple[str, ...]

    @property
    def kills(self) -> int:
        return sum(line.kills for line in self.lines)


def plan(kills: int, names: Sequence[str]) -> list[tuple[str, How]]:
    """Which command gets which signal, as many as there are to be kills. Every command gets the signals in turn."""
    total = sum(SHARES[name] for name in names)
    wanted = {name: SHARES[name] / total * kills for name in names}
    counts = {name: int(share) for name, share in wanted.items()}
    for name in sorted(names, key=lambda name: counts[name] - wanted[name])[: kills - sum(counts.values())]:
        counts[name] += 1
    hows = list(How)
    return [
        (name, hows[(offset + turn) % len(hows)]) for offset, name in enumerate(names) for turn in range(counts[name])
    ]


def campaign(
    kills: int, *, seed: int, folder: Path, names: Sequence[str] = tuple(SHARES), seconds: float = math.inf
) -> Campaign:
    """Run a trial for each kill; after so many seconds no other trial begins. The folder is for everything they write."""
    started = time.monotonic()
    planned = plan(kills, names)
    # A shell starts what it leaves in the background with SIGINT ignored, and every process started from there inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ground(folder, set(names)) as shared, ThreadPoolExecutor(_TOGETHER) as pool:
        references: dict[str, Reference] = {
            name: reference(shared, COMMANDS[name]) for name, _ in dict(planned).items()
        }

        def one(number: int) -> Outcome | None:
            if time.monotonic() - started > seconds:
                return None
            name, how = planned[number]
            done = trial(shared, COMMANDS[name], references[name], how, number, f"{seed}-{number}")
            _say(f"{number + 1:>4} {name:<13} {how:<20} {_told(done)}")
            return done

        order = random.Random(seed).sample(range(len(planned)), len(planned))
        done = [
            (planned[number], outcome) for number, outcome in zip(order, pool.map(one, order), strict=True) if outcome
        ]
    return summed(done, seed=seed, left_out=len(planned) - len(done), seconds=time.monotonic() - started)


def summed(done: Sequence[tuple[tuple[str, How], Outcome]], *, seed: int, left_out: int, seconds: float) -> Campaign:
    """The report of these trials."""
    groups: dict[tuple[str, How], list[Outcome]] = {}
    outcomes = [outcome for _, outcome in done]
    for key, outcome in done:
        groups.setdefault(key, []).append(outcome)
    commands, hows = list(COMMANDS), list(How)
    ordered = sorted(groups.items(), key=lambda group: (commands.index(group[0][0]), hows.index(group[0][1])))
    moments: dict[str, int] = {}
    for outcome in outcomes:
        for kill in outcome.kills:
            moments[kill.moment.when] = moments.get(kill.moment.when, 0) + 1
    broken = [f"{each.command} ({each.number}): {what}" for each in outcomes for what in each.findings.broken]
    broken += [f"{each.command} ({each.number}): was never killed in time" for each in outcomes if not each.kills]
    return Campaign(
        seed=seed,
        seconds=round(seconds, 1),
        lines=tuple(_line(name, how, group) for (name, how), group in ordered),
        moments=moments,
        missed=sum(each.missed for each in outcomes),
        left_out=left_out,
        broken=tuple(broken),
    )


def _line(name: str, how: How, outcomes: Sequence[Outcome]) -> Line:
    found = [each.findings for each in outcomes]
    kills = [kill for each in outcomes for kill in each.kills]
    repeated = [count for each in outcomes for count in each.repeated]
    return Line(
        command=name,
        signal=how,
        kills=len(kills),
        survived=sum(len(each.kills) for each in outcomes if not each.findings.broken),
        rows=sum(each.rows for each in found),
        lost=sum(each.lost for each in found),
        doubled=sum(each.doubled for each in found),
        missing=sum(each.missing for each in found),
        repeated_most=max(repeated, default=0),
        repeated=sum(repeated),
        seconds_to_end=round(max((kill.seconds for kill in kills), default=0.0), 2),
        seconds=round(sum(each.seconds for each in outcomes), 1),
    )


def markdown(found: Campaign) -> str:
    """The report as a page of Markdown."""
    head = "command signal kills survived rows lost doubled missing|most repeated a kill|repeated|s to end|s in all"
    names = [*head.partition("|")[0].split(), *head.split("|")[1:]]
    rows = [[str(value) for value in asdict(line).values()] for line in found.lines]
    table = [names, ["---", "---", *["---:"] * (len(names) - 2)], *rows]
    moments = ", ".join(f"{count} {when}" for when, count in sorted(found.moments.items()))
    verdict = "Every promise was kept." if not found.broken else f"{len(found.broken)} promises were broken:"
    return "\n".join(
        [
            f"# {found.kills} kills, seed {found.seed}, {found.seconds:.0f} s",
            "",
            *(f"| {' | '.join(row)} |" for row in table),
            "",
            f"Moments: {moments}. {found.missed} processes ended before their moment; they are not counted.",
            *([f"Time was up before {found.left_out} further trials began."] if found.left_out else []),
            "",
            verdict,
            *(f"* {what}" for what in found.broken),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 where every promise was kept, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no trial after so many")
    parser.add_argument("--report", type=Path, help="a .md or .json file; printed where there is none")
    parser.add_argument("--command", action="append", choices=list(SHARES), help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        names = tuple(options.command or SHARES)
        seconds = options.minutes * 60
        found = campaign(options.kills, seed=options.seed, folder=Path(folder), names=names, seconds=seconds)
    text = markdown(found)
    if options.report is not None:
        as_json = json.dumps({**asdict(found), "kills": found.kills}, indent=1, ensure_ascii=False)
        options.report.write_text(as_json if options.report.suffix == ".json" else text, "utf-8")
    _say(text)
    return 1 if found.broken else 0


def _told(outcome: Outcome) -> str:
    kills = "; ".join(f"{kill.moment} -> {kill.code}" for kill in outcome.kills) or "never killed in time"
    return kills + "".join(f"\n     BROKEN: {what}" for what in outcome.findings.broken)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
