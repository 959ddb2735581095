"""What becomes of a run under every fault the offline endpoint can play, alone and mixed.

`python -m tests.campaigns.fault_matrix [--rows 600] [--only WORDS] [--report FILE]`

Each cell of the table (`fault_matrix_cells`) is one run of the real command line against the real server, each in a process
of its own. What happened is read from the run's folder and from the server's own record of what it was asked, never from
what the run says of itself, and held against the cell. Exits with 1 where a cell differs.

The last lines are a figure, not a test: the rate with a fifth of the rows refused twice beside the rate without faults.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.client_cost import write_posts
from tests.campaigns.fault_matrix_cells import CELLS, CONCURRENCY, Cell
from tests.campaigns.fault_matrix_checks import Session, differences
from tests.campaigns.fault_matrix_running import expand, outcomes, serving
from tests.expander.running import query

SPORADIC_ROWS = 3000  # of them the last refused wait when nothing is left to do: 4 s of 19 at the fault-free rate
SPORADIC_LATENCY = 0.2  # seconds; 32 in flight then take 160 rows a second, which no processor here notices
SPORADIC_CONCURRENCY = 32


def played(cell: Cell, rows: int, folder: Path) -> list[Session]:
    """The cell's run, and where it is to be resumed the one that goes on; `folder` is empty and the caller's to remove."""
    posts = folder / "posts.jsonl"
    write_posts(posts, rows)
    sessions = []
    served = folder / "served.jsonl"
    with serving(served, cell) as url:
        sessions.append(_session(cell, posts, folder / "run", cell.url or url, served))
    if cell.stops or cell.resumed:
        served = folder / "served-again.jsonl"
        with serving(served, Cell(name="sound")) as url:
            sessions.append(_session(cell, posts, folder / "run", url, served))
    return sessions


def _session(cell: Cell, posts: Path, out: Path, url: str, served: Path) -> Session:
    ended = expand(cell, posts, out, url)
    return Session(ended, served.read_text().splitlines(), outcomes(out))


def row_of_report(cell: Cell, sessions: list[Session], wrong: list[str]) -> str:
    """One line of the table."""
    first, last = sessions[0], sessions[-1]
    exits = " then ".join(str(session.ended.code) for session in sessions)
    asked = " + ".join(str(len(session.asked)) for session in sessions)
    seconds = " + ".join(f"{session.ended.seconds:.1f}" for session in sessions)
    resumed = f" then {last.counts()}" if last is not first else ""
    verdict = "as expected" if not wrong else "; ".join(wrong)
    cells = (cell.name, exits, f"{first.counts()}{resumed}", asked, seconds, f"{first.ended.peak_mb:.0f}", verdict)
    return f"| {' | '.join(cells)} |"


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fault-matrix-") as name:
        yield Path(name)


def sporadic(rows: int) -> str:
    """Rates with and without sporadic refusals, over the whole run and over the first 90 % of replies."""
    rates: dict[str, tuple[float, float]] = {}
    for name, faults in (("sound", ()), ("sporadic", ("429-seconds=0.2x2",))):
        cell = Cell(
            name=name,
            faults=faults,
            serve=("--latency", str(SPORADIC_LATENCY), "--refusal-wait", "2"),
            options=("--concurrency", str(SPORADIC_CONCURRENCY)),
        )
        with _folder() as folder:
            posts = folder / "posts.jsonl"
            write_posts(posts, rows)
            with serving(folder / "served.jsonl", cell) as url:
                ended = expand(cell, posts, folder / "run", url)
            assert ended.code == 0, ended.errors
            sql = "SELECT received FROM reply ORDER BY received"
            times = [received for (received,) in query(folder / "run", sql)]
        began = times[0] - SPORADIC_LATENCY
        most = round(0.9 * rows)
        rates[name] = (rows / (times[-1] - began), most / (times[most - 1] - began))
    whole, early = (rates["sporadic"][part] / rates["sound"][part] for part in (0, 1))
    return (
        f"{rows:,} rows, {SPORADIC_CONCURRENCY} in flight, {SPORADIC_LATENCY * 1000:.0f} ms: "
        f"{rates['sound'][0]:.1f} rows/s without faults, {rates['sporadic'][0]:.1f} rows/s with 20 % of rows refused twice for "
        f"2 s: {whole:.2f} of it, and {early:.2f} over the first 90 % of replies."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--only", default="", help="cells whose name holds these words")
    parser.add_argument("--report", type=Path, help="also write the table there")
    parser.add_argument("--sporadic-rows", type=int, default=SPORADIC_ROWS, help="of the last figure; 0 leaves it out")
    options = parser.parse_args()
    lines: list[str] = []

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        lines.append(line)

    say(f"{options.rows} rows a cell, {CONCURRENCY} in flight.\n")
    say("| fault | exit | rows | requests | seconds | peak MB | |")
    say("|---|---|---|---|---|---|---|")
    failed = 0
    for cell in CELLS:
        if options.only not in cell.name:
            continue
        with _folder() as folder:
            sessions = played(cell, options.rows, folder)
            wrong = differences(cell, sessions, options.rows, folder / "run")
        failed += bool(wrong)
        say(row_of_report(cell, sessions, wrong))
    if options.sporadic_rows:
        say("\n" + sporadic(options.sporadic_rows))
    if options.report:
        options.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
