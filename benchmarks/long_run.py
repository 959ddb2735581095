"""A run of a million rows: memory over its length, event loop lag, store size, resume, `filter`, `export`.

`python benchmarks/long_run.py [--rows 1000000] [--folder DIR] [--keep] [--export FORMAT ...]`

Everything is done by the command line itself, each command in a process of its own, against a loopback server in another
that answers after a fixed latency and keeps nothing. What is found is printed as it is found and stands in
FOLDER/figures.json. With `--folder`, the same command goes on with the steps that are missing, so a step that was cut off is
done again; the run in it goes on too, and its figures then speak of its last session.

Measured for a million rows on two cores: the run 17 minutes, 94 MB at a tenth of it and 94 to 102 at its end, the event loop at
most 10 to 13 ms late 99 % of the time, a store of 9.4 GB; `filter` 4 minutes and 130 MB; an export as `messages` took 3 minutes, as
`parquet` 4, each with the memory of a tenth of it (0.998 and 1.025 times). The first new request of a run that goes on came after
19 to 23 s, whether or not its files were cached; without a process that reads ahead after 22 to 30, and 34 where nothing was
cached. It takes some 20 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.client_cost import EXAMPLES, HERE, write_posts
from benchmarks.watched import Sample, Watched, watch

_MORE = 1_000  # new posts for each resume
_SHORT_EVERY = 20  # one reply in so many has too few turns, so that there is something to reject and to judge anew
_RESUME_WITHIN = 30.0  # seconds to the first new request
_FLAT = 1.1  # memory at the end against memory at a tenth
_FORMATS = ("messages", "sharegpt", "llama-factory", "parquet", "sft-sessions", "soulchat", "csv")

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One long run: where it is and how it is made."""

    folder: Path
    rows: int
    concurrency: int
    latency: float
    formats: tuple[str, ...] = _FORMATS

    @property
    def posts(self) -> Path:
        return self.folder / "posts.jsonl"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def log(self) -> Path:
        return self.folder / "last-command.log"


class Server:
    """The loopback server, and what it counted."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"

    def arrivals(self) -> Mapping[str, Any]:
        """Requests since its start, and when the first since the last call came (`time.monotonic()`)."""
        with urllib.request.urlopen(f"{self.url}/arrivals", timeout=10) as answer:  # noqa: S310 - our own, on loopback
            found: Mapping[str, Any] = orjson.loads(answer.read())
        return found

    def requests(self) -> int:
        return int(self.arrivals()["requests"])

    def peak_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


@contextmanager
def serving(latency: float) -> Iterator[Server]:
    command = [sys.executable, str(HERE / "loopback_server.py"), str(latency), str(_SHORT_EVERY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process, int(process.stdout.readline()))
        finally:
            process.terminate()


# Steps


def make_posts(course: Course) -> Figures:
    write_posts(course.posts, course.rows)
    return {"rows": course.rows, "bytes": course.posts.stat().st_size}


def expand(course: Course) -> Figures:
    """The run itself."""
    with serving(course.latency) as server:
        seen = watch(_expand(course, server), codes=(0,), progress=server.requests, log=course.log)
        asked, server_mb = server.requests(), server.peak_mb()
    sent = [sample for sample in seen.samples if 0 < sample.done < asked]
    rest = [sample for sample in seen.samples if sample.done >= asked]
    store = sum(path.stat().st_size for path in course.run.glob("store.sqlite*"))
    results_from = rest[0].at if rest else seen.wall
    curve = {f"{share:.0%}": _at(sent, share * asked).mb for share in (0.1, 0.25, 0.5, 0.75, 1.0)}
    return {
        "requests": asked,
        "wall": seen.wall,
        "cpu": seen.cpu,
        "rows_per_second": asked / results_from,
        "mb_at": curve,
        "mb_100_to_10": curve["100%"] / curve["10%"],
        "peak_mb": seen.peak_mb,
        "peak_mb_sending": max(sample.mb for sample in sent),
        "peak_mb_results": max((sample.mb for sample in rest), default=None),
        "results_seconds": seen.wall - results_from,
        "event_loop": _line(r"Event loop: .*", seen.said),
        "store_bytes": store,
        "store_bytes_per_row": store / course.rows,
        "dialogues_bytes": (course.run / "dialogues.jsonl").stat().st_size,
        "server_peak_mb": server_mb,
    }


def resume(course: Course, number: int, base: int, *, cold: bool) -> Figures:
    """The same command after new posts were put at the end of the input: seconds from its start to its first request."""
    _append(course.posts, base, number * _MORE)
    if cold:
        for path in (course.posts, *course.run.glob("store.sqlite*")):
            _forget(path)
    with serving(course.latency) as server:
        seen = watch(_expand(course, server), log=course.log)
        found = server.arrivals()
    return {
        "new_rows": found["requests"],
        "first_request_after": found["first"] - seen.started,
        "wall": seen.wall,
        "peak_mb": seen.peak_mb,
    }


def show(course: Course) -> Figures:
    """One row by its id, and the run's summary."""
    with (course.run / "dialogues.jsonl").open("rb") as file:
        row_id = orjson.loads(next(islice(file, 1000, None)))["id"]
    one = watch(["show", str(course.run), row_id], log=course.log)
    whole = watch(["show", str(course.run)], log=course.log)
    return {"one_row": one.wall, "one_row_mb": one.peak_mb, "summary": whole.wall, "summary_mb": whole.peak_mb}


def refilter(course: Course) -> Figures:
    """Every stored reply judged by other rules, in as many processes as there are cores."""
    seen = watch(["filter", str(course.run), "--without-rule", "too-few-turns"], log=course.log)
    return {**_cost(seen), "mb_at": _shares(seen)}


def tenth(course: Course) -> Figures:
    """A tenth of the dialogues as a corpus of their own."""
    path = course.folder / "tenth.jsonl"
    with (course.run / "dialogues.jsonl").open("rb") as whole, path.open("wb") as part:
        part.writelines(islice(whole, course.rows // 10))
    return {"bytes": path.stat().st_size}


def export(course: Course, to: str) -> Figures:
    """One format: the whole run beside a tenth of it."""
    found: Figures = {}
    for name, corpus in (("tenth", course.folder / "tenth.jsonl"), ("whole", course.run)):
        out = course.folder / f"export-{to}"
        shutil.rmtree(out, ignore_errors=True)
        seen = watch(
            ["export", str(corpus), "--to", to, "--out", str(out), "--license", "cc0-1.0", "--language", "zh"],
            log=course.log,
        )
        found[name] = {**_cost(seen), "bytes": sum(path.stat().st_size for path in out.iterdir())}
        shutil.rmtree(out)
    found["mb_whole_to_tenth"] = found["whole"]["peak_mb"] / found["tenth"]["peak_mb"]
    return found


def steps(course: Course, known: Mapping[str, Figures]) -> Iterator[tuple[str, Callable[[], Figures]]]:
    """Every step by name, in order; a later one reads what an earlier one found."""
    yield "posts", partial(make_posts, course)
    yield "expand", partial(expand, course)
    yield "resume", partial(resume, course, 1, known["posts"]["bytes"], cold=False)
    yield "resume, nothing cached", partial(resume, course, 2, known["posts"]["bytes"], cold=True)
    yield "show", partial(show, course)
    yield "filter", partial(refilter, course)
    yield "tenth", partial(tenth, course)
    for to in course.formats:
        yield f"export {to}", partial(export, course, to)


# Their parts


def _expand(course: Course, server: Server) -> list[str]:
    options = ["--base-url", f"{server.url}/v1", "--model", "loopback", "--out", str(course.run)]
    return ["expand", str(course.posts), *options, "--concurrency", str(course.concurrency)]


def _append(path: Path, base: int, rows: int) -> None:
    """Have so many posts that are new after the first `base` bytes, whatever stands there now."""
    questions = orjson.loads(EXAMPLES.read_bytes())
    chance = random.Random(1)
    os.truncate(path, base)
    with path.open("ab") as file:
        for number in range(rows):
            question = chance.choice(questions)
            post = {
                "question": question["question"],
                "description": f"{question['description']}（新{number}）",
                "answer": chance.choice(question["answers"])["answer_text"],
            }
            file.write(orjson.dumps(post) + b"\n")


def _forget(path: Path) -> None:
    """Have the kernel drop what it caches of the file, as after a restart."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _at(samples: list[Sample], done: float) -> Sample:
    """The first sample at which so much was done; the last where none was."""
    return next((sample for sample in samples if sample.done >= done), samples[-1])


def _shares(seen: Watched) -> dict[str, float]:
    """Memory by how much of the time had passed."""
    shares = (0.1, 0.5, 0.9)
    return {f"{share:.0%}": min(seen.samples, key=lambda each: abs(each.at - share * seen.wall)).mb for share in shares}


def _cost(seen: Watched) -> Figures:
    return {"wall": seen.wall, "cpu": seen.cpu, "peak_mb": seen.peak_mb}


def _line(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[0] if found else None


def verdicts(course: Course, known: Mapping[str, Figures]) -> Iterator[str]:
    """Each goal with what was found."""
    ratio = known["expand"]["mb_100_to_10"]
    yield f"{_met(ratio <= _FLAT)}: memory at the end / at a tenth of the run: {ratio:.3f} (goal {_FLAT})"
    for name in ("resume", "resume, nothing cached"):
        after = known[name]["first_request_after"]
        yield f"{_met(after < _RESUME_WITHIN)}: {name}: {after:.1f} s to the first request (goal {_RESUME_WITHIN:.0f})"
    for to in course.formats:
        ratio = known[f"export {to}"]["mb_whole_to_tenth"]
        yield f"{_met(ratio <= _FLAT)}: export {to}: memory of all / of a tenth: {ratio:.3f} (goal {_FLAT})"


def _met(goal: bool) -> str:  # noqa: FBT001
    return "met" if goal else "NOT MET"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3 if value < 10 else 1)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return value


def go(course: Course) -> None:
    """Take the steps that the folder has no figures of."""
    file = course.folder / "figures.json"
    known: dict[str, Figures] = orjson.loads(file.read_bytes()) if file.exists() else {}
    known.setdefault("course", {"rows": course.rows, "concurrency": course.concurrency, "latency": course.latency})
    if known["course"]["rows"] != course.rows:
        raise SystemExit(f"{course.folder} holds a run of {known['course']['rows']:,} rows. Give another --folder.")
    for name, step in steps(course, known):
        if name not in known:
            started = time.monotonic()
            known[name] = step()
            file.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))
            took = time.monotonic() - started
        else:
            took = 0.0
        shown = orjson.dumps(_rounded(known[name])).decode().replace('"', "").replace(",", ", ")
        print(f"{name} ({took:.0f} s): {shown[1:-1]}", flush=True)
    for line in verdicts(course, known):
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="go on in this folder, and leave everything in it")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder there")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before the server answers")
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--export", action="append", choices=_FORMATS, help="only this format; may be repeated")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="long-run-"))
    folder.mkdir(parents=True, exist_ok=True)
    course = Course(
        folder=folder.resolve(),
        rows=options.rows,
        concurrency=options.concurrency,
        latency=options.latency,
        formats=tuple(options.export or _FORMATS),
    )
    print(f"{course.rows:,} rows in {course.folder}", flush=True)
    try:
        go(course)
    finally:
        if options.folder is None and not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
