"""What the job itself costs: rows per CPU-second, throughput at a given latency, peak memory.

`python benchmarks/client_cost.py [--rows 20000] [--rounds 3] [--memory-rows 200000]`

Every figure is of a whole process (start, imports, results included), as the kernel accounts for it, against a loopback
server in another process that is not the bottleneck. Ratios are taken within a round, one program after the other, so
that a machine whose speed drifts does not favour one of them.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "expander" / "examples" / "posts.json"


class Cost(NamedTuple):
    """One finished process."""

    cpu: float
    """User and system seconds."""
    wall: float
    peak_mb: float


@contextmanager
def server(latency: float) -> Iterator[str]:
    """The loopback server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "loopback_server.py"), str(latency)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def write_posts(path: Path, rows: int) -> None:
    """So many different posts, made from the project's examples."""
    questions = orjson.loads(EXAMPLES.read_bytes())
    chance = random.Random(0)
    with path.open("wb") as file:
        for number in range(rows):
            question = chance.choice(questions)
            post = {
                "question": question["question"],
                "description": f"{question['description']}（{number}）",
                "answer": chance.choice(question["answers"])["answer_text"],
            }
            file.write(orjson.dumps(post) + b"\n")


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end. Raises RuntimeError when it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=HERE.parent)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"{command[1:3]} failed:\n{output.read().decode()[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss / 1024)


def sending_rate(folder: Path, latency: float) -> float:
    """Rows a second from the first request to the last reply, by the times in the store."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        count, first, last = connection.execute("SELECT count(*), min(received), max(received) FROM reply").fetchone()
    return float(count / (last - first + latency))


def job(posts: Path, folder: Path, url: str, concurrency: int) -> list[str]:
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--base-url", url, "--model", "loopback", "--concurrency", str(concurrency), "--out", str(folder)]
    return [sys.executable, "run.py", "expand", str(posts), *options]


def other(kind: str, posts: Path, folder: Path, url: str, concurrency: int) -> list[str]:
    script = str(HERE / "other_loops.py")
    return [sys.executable, script, kind, str(posts), str(folder.with_suffix(".jsonl")), url, str(concurrency)]


def cpu_rounds(folder: Path, rows: int, rounds: int, latency: float, concurrency: int) -> None:
    """Rows per CPU-second beside the other loops."""
    posts = folder / "posts.jsonl"
    write_posts(posts, rows)
    costs: dict[str, list[Cost]] = {"usual": [], "aiohttp": [], "job": []}
    rates: list[float] = []
    with server(latency) as url:
        for number in range(rounds):
            for name in ("usual", "aiohttp"):
                costs[name].append(cost_of(other(name, posts, folder / name, url, concurrency)))
            costs["job"].append(cost_of(job(posts, folder / "run", url, concurrency)))
            rates.append(sending_rate(folder / "run", latency))
            shown = "  ".join(f"{name} {rows / costs[name][-1].cpu:,.0f}" for name in costs)
            print(f"round {number + 1}: rows per CPU-second  {shown}", flush=True)
    for name in ("usual", "aiohttp"):
        ratios = [theirs.cpu / ours.cpu for theirs, ours in zip(costs[name], costs["job"], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"job / {name}, rows per CPU-second: median {statistics.median(ratios):.2f} ({spread})")
    allowed = concurrency / latency
    whole = [rows / cost.wall for cost in costs["job"]]
    print(f"{concurrency} in flight at {latency * 1000:.0f} ms allow {allowed:,.0f} rows/s")
    for name, measured in (("from the first request to the last reply", rates), ("start and results included", whole)):
        middle = statistics.median(measured)
        print(f"job, {name}: {middle:,.0f} rows/s, {middle / allowed:.1%}")


def memory(folder: Path, rows: int, latency: float, concurrency: int) -> None:
    """Peak memory of a large run beside that of a small one."""
    peaks = {}
    with server(latency) as url:
        for count in (2_000, rows):
            posts = folder / f"posts-{count}.jsonl"
            write_posts(posts, count)
            cost = cost_of(job(posts, folder / "run", url, concurrency))
            peaks[count] = cost.peak_mb
            print(f"{count:,} rows: peak {cost.peak_mb:.0f} MB, {count / cost.wall:,.0f} rows/s", flush=True)
    print(f"peak at {rows:,} rows / peak at 2,000 rows: {peaks[rows] / peaks[2_000]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--memory-rows", type=int, default=0, help="also compare peak memory at so many rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.rounds:
            cpu_rounds(Path(name), options.rows, options.rounds, options.latency, options.concurrency)
        if options.memory_rows:
            memory(Path(name), options.memory_rows, 0.02, options.concurrency)


if __name__ == "__main__":
    main()
