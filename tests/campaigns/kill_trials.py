"""One trial: a command is started, killed at a random moment once or twice, resumed to its end, and held against its promises."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple

from tests.campaigns.counting_proxy import Counts, counts, served
from tests.campaigns.kill_checks import (
    Findings,
    Look,
    compare_account,
    compare_looks,
    compare_results,
    compare_stopped,
    drafts,
    files,
    look,
    whole_files,
    whole_folder,
)
from tests.campaigns.kill_commands import CONCURRENCY, Ground, Killable
from tests.campaigns.kill_moments import How, Moment, Watched, When, draw, orphans, send, wait
from tests.expander.running import command as command_line
from tests.expander.running import environment

MARKER = "KILL_CAMPAIGN_TRIAL"
_SECOND_KILLS = 0.25  # share of the trials whose resumption is killed too
_FLAKY = 0.2  # share of the sessions whose endpoint refuses some requests at first
_MISSES = 8  # times that the process may end before its moment until the trial is given up
_FINISH = 300.0  # seconds that an undisturbed command may take
_DRAIN = 60.0  # seconds from a signal that finishes what is in flight to the end
_QUIET = 0.1  # seconds without a new request after which a dead client's last ones have all come
_DROP = 8.0  # seconds from a signal that drops everything to the end; both on a busy machine

_LATE = 1.0  # seconds that a process whose work is done may still take to end with 0

_CODES = {
    How.KILL: {-9},
    How.KILL_GROUP: {-9},
    # Before the command has set up its handlers, and after it has taken them down, the system's own answer holds.
    How.TERM: {130, -15},
    How.INT: {130, -2},
    How.INT_TWICE: {130, -2},
}
_REPEATS = {How.TERM: 0, How.INT: 0}
"""Requests answered in vain that a signal may cost; `CONCURRENCY` for the others."""


class Reference(NamedTuple):
    """What a command leaves when nobody disturbs it."""

    seconds: float
    requests: int
    files: dict[str, bytes]
    look: Look


class Kill(NamedTuple):
    """One signal that found its process alive."""

    how: How
    moment: Moment
    code: int
    seconds: float
    """From the signal to the end."""


@dataclass
class Outcome:
    """What became of one trial."""

    command: str
    number: int
    kills: list[Kill] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    """By kill: requests whose answers came and were not stored, so that they were sent again."""
    findings: Findings = field(default_factory=Findings)
    seconds: float = 0.0
    missed: int = 0


class _Session(NamedTuple):
    process: Popen[bytes]
    watched: Watched
    output: Path
    errors: Path


def _while_python_started(code: int, errors: str) -> bool:
    """Python ends with 1 where Ctrl-C falls into its own first 40 ms, before any line of the program is run."""
    return code == 1 and errors.endswith("KeyboardInterrupt\n") and "run.py" not in errors


def reference(ground: Ground, command: Killable) -> Reference:
    """The command run once without a kill."""
    folder = ground.folder / f"reference-{_slug(command)}"
    folder.mkdir()
    command.prepare(ground, folder)
    started = time.monotonic()
    session = _start(ground, command, folder, 0, "plain")
    code = session.process.wait(_FINISH)
    seconds = time.monotonic() - started
    assert code == 0, f"{command.name} fails without a kill: {session.errors.read_text('utf-8')[-2000:]}"
    _remove_output(session)
    log = _log(ground, folder)
    requests = counts(log).answered
    assert bool(requests) is command.asks
    return Reference(seconds, requests, files(folder), look(folder, command.stores))


def trial(ground: Ground, command: Killable, undisturbed: Reference, how: How, number: int, seed: str) -> Outcome:
    """Kill, resume and check. Where the process kept ending before its moment, the outcome has no kill."""
    missed = 0
    started = time.monotonic()
    for attempt in range(_MISSES):
        one = _Trial(ground, command, undisturbed, how, number, random.Random(f"{seed}-{attempt}"), attempt)
        one.run()
        if one.outcome.kills or one.outcome.findings.broken:
            break
        missed += 1
    one.outcome.missed = missed
    one.outcome.seconds = time.monotonic() - started
    return one.outcome


class _Trial:
    def __init__(
        self,
        ground: Ground,
        command: Killable,
        undisturbed: Reference,
        how: How,
        number: int,
        chance: random.Random,
        attempt: int,
    ) -> None:
        self.outcome = Outcome(command.name, number)
        self._ground, self._command, self._undisturbed = ground, command, undisturbed
        self._how, self._chance = how, chance
        self._folder = ground.folder / f"{_slug(command)}-{attempt}-{number}"
        self._found = self.outcome.findings
        self._seen = Look()
        self._hows: dict[int, How] = {}
        """By session."""

    def run(self) -> None:
        self._folder.mkdir()
        self._command.prepare(self._ground, self._folder)
        for session in range(1, 3 if self._chance.random() < _SECOND_KILLS else 2):
            if not self._kill(session):
                break
        if self.outcome.kills or self._found.broken:
            self._resume()

    def _kill(self, number: int) -> bool:
        command, found, folder, how = self._command, self._found, self._folder, self._how
        moment = self._moment(number)
        before = files(folder)
        session = _start(self._ground, command, folder, number, self._mode(moment), self._undisturbed)
        if not wait(moment, session.watched):
            found.need(session.process.wait() == 0, "ended with another code than 0 though nobody killed it")
            _remove_output(session)
            return False
        signalled = time.monotonic()
        lived = send(how, session.process, pause=self._chance.uniform(0.02, 0.6))
        code = self._end(session, signalled)
        self.outcome.kills.append(Kill(how, moment, code, time.monotonic() - signalled))
        self._hows[number] = how
        errors = session.errors.read_text("utf-8", "replace")
        late = code == 0 and self.outcome.kills[-1].seconds <= _LATE
        expected = code in _CODES[how] or late or _while_python_started(code, errors)
        found.need(expected, f"ended with {code} after {how} ({moment}): {errors[-600:]}")
        found.need(lived or moment.when is not When.HELD, f"did not wait for what was in flight ({moment})")
        if code == 130:
            found.need("Traceback" not in errors, f"a traceback after {how} ({moment}): {errors[-900:]}")
            found.need(
                "To go on: " in errors or not command.goes_on,
                f"does not say how to go on ({moment}): {errors[-600:]!r}",
            )
        if left := orphans(session.watched.marker):
            found.need(False, f"{len(left)} processes outlive their parent ({moment}): {left[:2]}")
        drains = how in _REPEATS and code == 130
        self._look(before, drains=drains)
        if drains and moment.when is When.REQUESTS and moment.requests <= self._undisturbed.requests // 2:
            compare_stopped(
                self._folder, command, self._seen, found
            )  # not near the end: it was the workers that stopped
        _remove_output(session)
        return True

    def _moment(self, number: int) -> Moment:
        # What is left when the first kill has taken its share: half, give or take.
        undisturbed, part = self._undisturbed, 1.0 if number == 1 else 0.6
        requests = max(1, round(undisturbed.requests * part)) if undisturbed.requests else 0
        seconds = 1.2 * undisturbed.seconds * part  # trials run side by side, and slower than the reference did
        return draw(self._chance, seconds=seconds, requests=requests, how=self._how, whens=self._whens())

    def _whens(self) -> tuple[When, ...]:
        if self._command.asks:
            return When.ANY, When.START, When.REQUESTS, When.REQUESTS, When.WRITING
        if self._command.has_children:
            return When.CHILDREN, When.CHILDREN, When.ANY
        if self._command.whole_folder:
            return When.ANY, When.WRITING, When.RENAMING, When.RENAMING
        return When.ANY, When.WRITING, When.WRITING

    def _mode(self, moment: Moment) -> str:
        if moment.when is When.HELD:
            return f"hold-{moment.requests}"
        return "flaky" if self._chance.random() < _FLAKY else "plain"

    def _end(self, session: _Session, signalled: float) -> int:
        limit = _DRAIN if self._how in _REPEATS else _DROP
        try:
            return session.process.wait(max(0.1, signalled + limit - time.monotonic()))
        except TimeoutExpired:
            self._found.need(False, f"still runs {limit:g} s after {self._how}")
            session.process.kill()
            return session.process.wait()

    def _look(self, before: dict[str, bytes], *, drains: bool) -> None:
        """As the kill left everything, the last requests that it had sent answered."""
        self._quiet()
        now = look(self._folder, self._command.stores)
        compare_looks(self._seen, now, self._found)
        self._seen = now
        if self._command.whole_folder:
            whole_folder(self._folder, before, self._undisturbed.files, self._found)
        else:
            whole_files(self._folder, before, self._undisturbed.files, self._found)
        if drains:
            self._found.need(not drafts(self._folder), f"leaves half a file behind: {drafts(self._folder)}")

    def _quiet(self) -> None:
        """Wait until the proxy has no request under way, those among them whose client has been killed."""
        log, end = _log(self._ground, self._folder), time.monotonic() + _DRAIN
        before = counts(log)
        while time.monotonic() < end:
            time.sleep(_QUIET if self._command.asks else 0.0)
            now = counts(log)
            if now == before and not now.under_way:
                return
            before = now
        self._found.need(False, "the endpoint is still answering long after the kill")

    def _resume(self) -> None:
        """The same command once more, at once and to the end."""
        command, found = self._command, self._found
        number = len(self._hows) + 1
        session = _start(self._ground, command, self._folder, number, "plain")
        try:
            code = session.process.wait(_FINISH)
        except TimeoutExpired:
            session.process.kill()
            code = session.process.wait()
        output, errors = (path.read_text("utf-8", "replace") for path in (session.output, session.errors))
        _remove_output(session)
        found.need(code == 0, f"the command that goes on ends with {code}: {errors[-900:]}")
        if left := orphans(session.watched.marker):
            found.need(False, f"{len(left)} processes outlive the command that went on: {left[:2]}")
        if code != 0:
            return
        self._quiet()
        now = look(self._folder, command.stores)
        compare_looks(self._seen, now, found)
        compare_results(self._folder, command, now, (self._undisturbed.files, self._undisturbed.look), found)
        if command.asks:
            answers = served(_log(self._ground, self._folder))
            in_vain = compare_account(answers, now, output, command, found)
            for killed, how in self._hows.items():
                allowed = _REPEATS.get(how, CONCURRENCY)
                self.outcome.repeated.append(in_vain.pop(killed, 0))
                found.need(
                    self.outcome.repeated[-1] <= allowed,
                    f"{self.outcome.repeated[-1]} answers of session {killed} were not stored; {how} may cost {allowed}",
                )
            found.need(not in_vain, "answers were not stored though nobody killed their session")


def _start(
    ground: Ground, command: Killable, folder: Path, number: int, mode: str, undisturbed: Reference | None = None
) -> _Session:
    name = folder.name
    output, errors = (ground.folder / f"{name}-{number}.{kind}" for kind in ("out", "err"))
    marker = f"{name}-{number}-{ground.folder.name}"
    arguments = command.arguments(ground, folder, ground.url(name, number, mode))
    log = _log(ground, folder)
    before = counts(log)
    whole = len(undisturbed.files) if undisturbed else 0
    with output.open("wb") as out, errors.open("wb") as err:
        process = Popen(
            command_line(*arguments),
            cwd=ground.folder,
            env=environment(**{MARKER: marker}),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    watched = Watched(
        process,
        f"{MARKER}={marker}\0",
        folder,
        whole,
        came=partial(_since, log, before, "came"),
        answered=partial(_since, log, before, "answered"),
    )
    return _Session(process, watched, output, errors)


def _since(log: Path, before: Counts, what: str) -> int:
    now: int = getattr(counts(log), what)
    then: int = getattr(before, what)
    return now - then


def _remove_output(session: _Session) -> None:
    session.output.unlink()
    session.errors.unlink()


def _log(ground: Ground, folder: Path) -> Path:
    return ground.served / f"{folder.name}.jsonl"


def _slug(command: Killable) -> str:
    return command.name.replace(" ", "-")
