"""Holds what happened against a cell: every row's outcome, every prompt's requests, the exit, the bounds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.campaigns.fault_matrix_cells import CONCURRENCY, LATENCY, Cell, Fate
from tests.campaigns.fault_matrix_running import KEY, Ended, Outcome
from tests.expander.running import accounted

CLEAN = Fate()
LIMIT_OVERHEAD = 0.1  # requests beyond one a row that a limited server may cost, as a share of the rows
LIMIT_FOUND_IN = 3  # and times what is in flight, until the limit is found: 80 rows took 90 to 117 requests in 38 runs, most on busy cores
UNREADABLE = 5  # differences of one kind that are shown


class Session:
    """One command of a cell: how it ended, what the server was asked, and the store's rows after it."""

    def __init__(self, ended: Ended, served: list[str], rows: dict[str, Outcome]) -> None:
        self.ended = ended
        self.asked = [json.loads(line) for line in served]
        self.rows = rows
        self.requests = Counter(line["prompt"] for line in self.asked)
        self.met = {line["prompt"]: line["met"] for line in reversed(self.asked) if line["met"]}

    def counts(self) -> str:
        """Rows by outcome, rejected and failed ones by rule or kind."""
        counted = Counter(" ".join(part for part in (row.outcome, row.rule) if part) for row in self.rows.values())
        return ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "none"


def differences(cell: Cell, sessions: list[Session], rows: int, out: Path) -> list[str]:
    """Everything in which the cell's run is not as expected; empty where all is."""
    first, last = sessions[0], sessions[-1]
    wrong = list(_stop(cell, first) if cell.stops else _whole(cell, first, rows))
    if last is not first:
        wrong += _resumed(first, last, rows)
    for session in sessions:
        if session.ended.seconds > cell.within:
            wrong.append(f"{session.ended.seconds:.0f} s, at most {cell.within:.0f} expected")
        if session.ended.peak_mb > cell.peak_mb:
            wrong.append(f"{session.ended.peak_mb:.0f} MB, at most {cell.peak_mb:.0f} expected")
        if "Traceback" in session.ended.errors or KEY in session.ended.errors:
            wrong.append("a traceback or the key in what was said")
    if last.ended.code in {0, 3}:
        accounted(out, rows)
    wrong += [f"the key is in {path.name}" for path in out.iterdir() if KEY.encode() in path.read_bytes()]
    return wrong


def _whole(cell: Cell, session: Session, rows: int) -> Iterator[str]:
    """Of a run that worked through all its rows."""
    failing = any(fate.outcome == "failed" for fate in cell.fates.values())
    if session.ended.code != (3 if failing else 0):
        yield f"exit code {session.ended.code}: {session.ended.errors[-500:]}"
    if len(session.rows) != rows:
        yield f"{len(session.rows)} rows have an outcome"
    asked = set(session.requests) - {None}
    if asked != set(session.rows):
        yield f"{len(asked ^ set(session.rows))} prompts are not those of the rows"
    if unmet := set(cell.fates) - set(session.met.values()):
        yield f"no row met {sorted(unmet)}"
    if cell.limited:
        most = rows * (1 + LIMIT_OVERHEAD) + LIMIT_FOUND_IN * CONCURRENCY
        if not rows <= len(session.asked) <= most:
            yield f"{len(session.asked)} requests, at most {most:.0f} expected"
        yield from _shown(f"a row is {row}" for row in session.rows.values() if row.outcome != "kept")
        return
    yield from _shown(
        f"a row that met {session.met.get(prompt)}: {found}"
        for prompt, row in session.rows.items()
        if (found := _unlike(cell.fates.get(session.met.get(prompt) or "", CLEAN), row, session.requests[prompt]))
    )


def _unlike(fate: Fate, row: Outcome, requests: int) -> str:
    if (row.outcome, row.rule) != (fate.outcome, fate.rule):
        return f"{row.outcome} {row.rule or ''}, expected {fate.outcome} {fate.rule or ''}"
    if requests != fate.requests:
        return f"{requests} requests, expected {fate.requests}"
    if fate.reason not in (row.reason or ""):
        return f"its reason is {row.reason}"
    return ""


def _stop(cell: Cell, session: Session) -> Iterator[str]:
    """Of a run that stopped: it says why, and sends no more than was in flight."""
    said = session.ended.errors
    if session.ended.code != 4:
        yield f"exit code {session.ended.code}: {said[-500:]}"
    for words in (*cell.stops, "Stopped: ", "To go on: "):
        if words not in said:
            yield f"it does not say {words!r} but {said[-500:]!r}"
    hits = [line["at"] for line in session.asked if line["met"]]
    if not cell.fates and hits and "xalways" in cell.faults[0] and cell.faults[0].split("=")[0] in STOPPING:
        late = sum(line["at"] > hits[0] + LATENCY for line in session.asked)
        if late > CONCURRENCY:
            yield f"{late} requests after the first refusal, at most {CONCURRENCY} expected"


STOPPING = frozenset({"401", "402", "403", "404", "quota"})
"""Faults of which a single one stops the run."""


def _resumed(first: Session, last: Session, rows: int) -> Iterator[str]:
    """Of the command that went on against a sound server: every row is done, none was asked for twice in vain."""
    if last.ended.code != 0:
        yield f"exit code {last.ended.code} of the command that went on: {last.ended.errors[-500:]}"
    done = {prompt for prompt, row in first.rows.items() if row.outcome != "failed"}
    if set(last.rows) != set(first.rows) | set(last.requests) or len(last.rows) != rows:
        yield f"{len(last.rows)} rows have an outcome after going on"
    if again := done & set(last.requests):
        yield f"{len(again)} rows that were done were asked for again"
    yield from _shown(
        f"going on left a row {row}"
        for prompt, row in last.rows.items()
        if row.outcome != "kept" and prompt not in done
    )


def _shown(found: Iterator[str]) -> list[str]:
    """Each difference once, with how often, and not too many."""
    counted = Counter(found)
    return [f"{count} x {text}" for text, count in counted.most_common(UNREADABLE)]
