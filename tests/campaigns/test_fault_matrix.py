"""The fault matrix with few rows: every fault, most of them mixed, against the outcome that the table names."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.client_cost import write_posts
from expander.offline.faults import KINDS, RULES, prompt_key
from expander.rows import join_question
from expander.store import post_of
from prompts import Values, load
from tests.campaigns.fault_matrix import played
from tests.campaigns.fault_matrix_cells import CELLS, Cell, Fate
from tests.campaigns.fault_matrix_checks import Session, differences
from tests.campaigns.fault_matrix_running import expand, outcomes, serving
from tests.expander.running import query

ROWS = 80
AT_ONCE = 4  # most cells spend their time on waits
LISTED = ("400", "401", "403", "404", "408", "409", "413", "422", "500", "502", "503", "529")

Played = dict[str, Future[list[str]]]


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The cells that are to be tested, several at once; each gives what was not as expected."""

    def play(cell: Cell) -> list[str]:
        folder = tmp_path_factory.mktemp("cell")
        return differences(cell, played(cell, ROWS, folder), ROWS, folder / "run")

    callspecs = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {found.params["cell"] for found in callspecs if found is not None and "cell" in found.params}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {cell.name: pool.submit(play, cell) for cell in CELLS if cell.name in chosen}


@pytest.mark.parametrize("cell", [cell.name for cell in CELLS if cell.in_ci])
def test_a_fault_comes_to_another_end(cell: str, matrix: Played) -> None:
    assert matrix[cell].result() == []


def test_a_fault_is_in_no_cell() -> None:
    """Of all that the endpoint can play; what rules find has tests of its own."""
    in_cells = {fault.split("=")[0] for cell in CELLS for fault in cell.faults}
    assert (KINDS | {*LISTED}) - RULES <= in_cells
    in_ci = {fault.split("=")[0] for cell in CELLS if cell.in_ci for fault in cell.faults}
    assert in_cells - in_ci <= {"403", "404"}  # they stop a run as 401 does, and are tested where that is


def test_the_others_wait_for_refused_rows(tmp_path: Path) -> None:
    """A fifth of the rows is refused twice with Retry-After 2: the rest is stored before the first of them is."""
    cell = Cell(name="sporadic", faults=("429-seconds=0.2x2",), serve=("--refusal-wait", "2"))
    posts, out, served = tmp_path / "posts.jsonl", tmp_path / "run", tmp_path / "served.jsonl"
    write_posts(posts, ROWS)
    with serving(served, cell) as url:
        ended = expand(cell, posts, out, url)
    session = Session(ended, served.read_text().splitlines(), outcomes(out))
    assert ended.code == 0, ended.errors
    assert set(session.met.values()) == {"429-seconds"}
    template = load("smile")
    hits = []
    for (stored,) in query(out, "SELECT row.post FROM reply JOIN row ON row.id = reply.row_id ORDER BY reply.id"):
        post = post_of(stored).post
        values = Values(question=join_question(post.title, post.description), answer=post.answer)
        hits.append(prompt_key(template.render(values)).hex() in session.met)
    assert hits == sorted(hits)
    assert hits.count(True) == len(session.met)


def test_a_difference_goes_unnoticed(tmp_path: Path) -> None:
    """The comparison itself: a run held against the wrong cell differs in exit code, outcome and requests."""
    cell = next(cell for cell in CELLS if cell.name == "429-far")
    sessions = played(cell, 40, tmp_path)
    assert differences(cell, sessions, 40, tmp_path / "run") == []
    other = Cell(name="other", faults=cell.faults)
    found = " ".join(differences(other, sessions, 40, tmp_path / "run"))
    assert "exit code 3" in found
    assert "failed rate-limited, expected kept" in found
    asked_twice = Cell(name="twice", faults=cell.faults, fates={"429-far": Fate("failed", "rate-limited", 2)})
    assert "1 requests, expected 2" in " ".join(differences(asked_twice, sessions, 40, tmp_path / "run"))
    unmet = Cell(name="unmet", faults=cell.faults, fates={**cell.fates, "500": Fate()})
    assert differences(unmet, sessions, 40, tmp_path / "run") == ["no row met ['500']"]
    sessions[0].rows.popitem()
    assert "39 rows have an outcome" in differences(cell, sessions, 40, tmp_path / "run")
