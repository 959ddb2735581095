"""Damages the store of real runs, then lets the real command line go on, and sees whether anything is lost without a word.

`python -m tests.campaigns.disk --corruptions 200 [--only 42,182] [--seed 0] [--report FILE.json]`. Exit code 1 where a promise
is broken.

A trial copies a run's folder, damages one of its files, and gives the run's `expand` again. It must end in one of two ways:
complete, or refused with the damaged file's name and `recover`; then `recover` is given, and `expand` once more. At the end
every row is accounted for, no reply differs from what the endpoint had said, and every reply whose bytes a plain search still
finds in an undamaged page is in the store.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tests.campaigns.forked import forked, preload
from tests.expander.running import Server, accounted, command, environment, read_lines, rogue, write_posts

ROWS = 60
STORED = 40  # rows of the run that is damaged; the others come after
PAGE = 4096
STORE, LOG = "store.sqlite", "store.sqlite-wal"
KINDS = ("flip", "flip in the log", "cut", "cut the log", "page of zeros", "flip in the head", "page of another")


class Ground(NamedTuple):
    """Runs to damage, and what goes on with them."""

    finished: Path
    """Ended well: all is in the store's file."""
    killed: Path
    """Killed in the middle: some is in its log alone."""
    posts: Path
    server: Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one damage."""

    number: int
    kind: str
    where: str
    end: str
    """`resumed`, or `refused and recovered`, or `refused, nothing to read`."""
    stored: int
    """Replies before the damage."""
    hit: int
    """Of these, those with no copy in one piece in a page that was not damaged: nobody could promise them."""
    readable: int
    """Of the stored ones, those that `recover` kept; where it was not needed, those that were not asked for again."""
    repeated: int
    """Requests for rows whose reply had been stored."""
    broken: tuple[str, ...]


@dataclass(slots=True)
class Damaged:
    """A folder with one file damaged."""

    where: str
    file: str
    pages: set[int] = field(default_factory=set)
    """Numbers, from 0, of the pages of that file that are not as they were; of a log, its frames."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corruptions", type=int, default=200)
    parser.add_argument("--only", help="trials by their numbers, such as 42,182 or 90-119, in place of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    started = time.monotonic()
    preload()
    with tempfile.TemporaryDirectory(prefix="disk-campaign-") as scratch, ground(Path(scratch)) as base:
        chosen = _numbers(options.only) if options.only else range(options.corruptions)
        trials = [trial(base, Path(scratch) / "trial", number, options.seed) for number in chosen]
    ends = {kind: dict(Counter(each.end for each in trials if each.kind == kind)) for kind in KINDS}
    broken = [f"trial {each.number} ({each.kind}, {each.where}): {what}" for each in trials for what in each.broken]
    report = {
        "seed": options.seed,
        "corruptions": len(trials),
        "seconds": round(time.monotonic() - started, 1),
        "ends": ends,
        "replies_stored_before": sum(each.stored for each in trials),
        "replies_hit_themselves": sum(each.hit for each in trials),
        "replies_readable_after": sum(each.readable for each in trials),
        "requests_repeated": sum(each.repeated for each in trials),
        "most_hit_by_one_page": max((each.hit for each in trials if not each.kind.startswith("cut")), default=0),
        "broken": broken,
    }
    print(json.dumps(report, indent=2, ensure_ascii=False))  # noqa: T201
    if options.report is not None:
        whole = {**report, "trials": [asdict(each) for each in trials]}
        options.report.write_text(json.dumps(whole, indent=1, ensure_ascii=False), "utf-8")
    return 1 if broken else 0


def _numbers(text: str) -> list[int]:
    chosen: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    return chosen


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """The two runs, made by the real command line against a server in a process of its own."""
    posts = write_posts(folder / "posts.jsonl", ROWS)
    with rogue("good", folder) as server:
        finished, killed = folder / "finished", folder / "killed"
        done = forked("expand", posts, *_options(server, finished), "--limit", STORED)
        assert done.code == 0, done.said
        _kill_in_the_middle(posts, server, killed)
        yield Ground(finished, killed, posts, server)


def _options(server: Server, out: Path) -> tuple[object, ...]:
    return ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", 4)


def _kill_in_the_middle(posts: Path, server: Server, out: Path) -> None:
    arguments = ("expand", posts, *_options(server, out), "--limit", STORED, "--rpm", 600)
    with subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and _replies(out) < STORED // 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert (out / LOG).stat().st_size > 0


def _replies(folder: Path) -> int:
    if not (folder / STORE).exists():
        return 0
    with closing(sqlite3.connect(f"file:{folder / STORE}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM reply").fetchone()[0])


def trial(base: Ground, folder: Path, number: int, seed: int) -> Trial:
    """Damage a copy of a run, go on with it, and hold what comes of it against what was there."""
    chance = random.Random(f"{seed}-{number}")
    kind = KINDS[number % len(KINDS)]
    source = base.killed if "log" in kind or number // len(KINDS) % 2 else base.finished
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    if number % 2 == 0:
        _settle(folder)
    before = stored(base, source)
    damage = _damage(folder, kind, chance)
    to_be_found = _findable(folder, before, damage)
    asked_before = len(base.server.lines())
    again = ("expand", base.posts, *_options(base.server, folder))
    broken: list[str] = []
    kept: dict[str, bytes] | None = None

    def came(end: str, after: dict[str, bytes]) -> Trial:
        repeated = max(0, len(base.server.lines()) - asked_before - (ROWS - len(before)))
        readable = len(before.items() & after.items())
        return Trial(
            number=number,
            kind=kind,
            where=damage.where,
            end=end,
            stored=len(before),
            hit=len(before) - len(to_be_found),
            readable=readable - repeated if end == "resumed" else readable,
            repeated=repeated,
            broken=tuple(broken),
        )

    done, end = forked(*again), "resumed"
    if done.code == 2:
        end = "refused and recovered"
        if str(folder) not in done.said or "recover" not in done.said:
            broken.append(f"the refusal names no file or no way on: {done.said[-300:]}")
        recovered = forked("recover", folder)
        if recovered.code == 2 and "nothing in it can be read" in recovered.said:
            end = "refused, nothing to read"
            broken += [f"{len(to_be_found)} replies could have been read"] if to_be_found else []
            return came(end, {})
        if recovered.code:
            broken.append(f"recover ended with {recovered.code}: {recovered.said[-300:]}")
        elif "whole" not in recovered.said and not list(folder.glob(f"{STORE}.damaged*")):
            broken.append("the damaged file is gone")
        kept = stored(base, folder)
        done = forked(*again)
    if done.code:
        broken.append(f"going on ended with {done.code}: {done.said[-300:]}")
    if broken:
        return came(end, kept or {})
    after = stored(base, folder)
    kept = after if kept is None else kept
    repeated = len(base.server.lines()) - asked_before - (ROWS - len(before))
    broken += _compared(folder, before, kept, after, to_be_found, repeated)
    if _dialogues(base.finished).items() - _dialogues(folder).items():
        broken.append("dialogues are not those of the run as it was")
    return came(end, kept)


def _settle(folder: Path) -> None:
    """Make the copy a folder that was always here: what is damaged then is no copy of a folder at work, but the run itself."""
    path = folder / "lock.holder"
    if path.exists():
        found = (folder / STORE).stat()
        path.write_text(json.dumps({**json.loads(path.read_text()), "store": [found.st_dev, found.st_ino]}))


def _dialogues(folder: Path) -> dict[str, str]:
    """What its reader gets of each row; of the same posts and replies, the same."""
    return {row["id"]: json.dumps(row["messages"]) for row in read_lines(folder / "dialogues.jsonl")}


def _compared(
    folder: Path,
    before: dict[str, bytes],
    kept: dict[str, bytes],
    after: dict[str, bytes],
    found: set[str],
    repeated: int,
) -> list[str]:
    broken = []
    try:
        accounted(folder, ROWS)
    except AssertionError as error:
        broken.append(f"rows are missing or double: {str(error)[:200]}")
    if wrong := [row for row, body in chain(kept.items(), after.items()) if before.get(row, body) != body]:
        broken.append(f"{len(wrong)} replies are not what the endpoint said")
    if unread := found - kept.keys():
        broken.append(f"{len(unread)} replies stood whole in undamaged pages and were not read")
    if repeated > len(before) - len(found):
        broken.append(f"{repeated} requests were repeated, and {len(before) - len(found)} replies were beyond reading")
    return broken


def stored(base: Ground, folder: Path) -> dict[str, bytes]:
    """Each row's first reply, read from a copy, so that looking changes nothing."""
    copy = base.posts.parent / "looked-at"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with closing(sqlite3.connect(copy / STORE)) as connection:
        return dict(connection.execute("SELECT row_id, body FROM reply ORDER BY id DESC").fetchall())


def _damage(folder: Path, kind: str, chance: random.Random) -> Damaged:
    file = LOG if "log" in kind else STORE
    content = bytearray((folder / file).read_bytes())
    unit, head = (PAGE + 24, 32) if file == LOG else (PAGE, 0)

    def page_of(place: int) -> int:
        return max(0, place - head) // unit

    if kind.startswith("cut"):
        place = chance.randrange(len(content))
        damaged = Damaged(f"{file} cut to {place} bytes", file, set(range(page_of(place), page_of(len(content)) + 1)))
        del content[place:]
    elif kind == "page of zeros":
        number = chance.randrange(len(content) // PAGE)
        content[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
        damaged = Damaged(f"page {number} of zeros", file, {number})
    elif kind == "page of another":
        one, other = chance.sample(range(len(content) // PAGE), 2)
        content[one * PAGE : (one + 1) * PAGE] = content[other * PAGE : (other + 1) * PAGE]
        damaged = Damaged(f"page {one} holds page {other}", file, {one})
    else:
        place = chance.randrange(100 if kind == "flip in the head" else len(content))
        content[place] ^= chance.randrange(1, 256)
        damaged = Damaged(f"byte {place} of {file}", file, {page_of(place)})
    (folder / file).write_bytes(content)
    return damaged


def _findable(folder: Path, before: dict[str, bytes], damage: Damaged) -> set[str]:
    """Rows whose reply stands whole in a page that was not damaged: its id, some numbers, its body, in one piece.

    Pages of the log count up to its last commit: what follows was never stored.
    """
    found = set()
    for file in (STORE, LOG):
        path = folder / file
        content = path.read_bytes() if path.exists() else b""
        if file == LOG:
            content = content[: _end_of_commits(content)]
        unit, head = (PAGE + 24, 32) if file == LOG else (PAGE, 0)
        for row, body in before.items():
            start = -1
            while (start := content.find(row.encode(), start + 1)) >= 0:
                end = content.find(body, start, start + len(row) + 64 + len(body))
                page = max(0, start - head) // unit
                if end >= 0 and not (file == damage.file and page in damage.pages):
                    found.add(row)
    return found


def _end_of_commits(log: bytes) -> int:
    """Bytes up to the end of the last frame that ends a commit: its header's second number is not 0 (SQLite's file format, 4)."""
    ends = range(32 + 24 + PAGE, len(log) + 1, 24 + PAGE)
    commits = [end for end in ends if any(log[end - PAGE - 20 : end - PAGE - 16])]
    return commits[-1] if commits else 0


if __name__ == "__main__":
    sys.exit(main())
