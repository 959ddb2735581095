"""The short form of the campaign: every target on a few hundred structured inputs, the same in every run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.campaigns.fuzz import campaign
from tests.campaigns.fuzz.contract import Target, failure, held
from tests.campaigns.fuzz.minimise import minimised
from tests.campaigns.fuzz.strategies import inputs
from tests.campaigns.fuzz.targets import TARGETS
from tests.conftest import REPOSITORY

_DEAR = {"template": 25, "config-options": 15, "options": 10, "reply": 60, "parquet": 60}
"""Inputs for targets that take milliseconds each."""
_USUAL = 120
_CASES = Path(__file__).parent / "found"
"""Inputs that broke a promise once, a folder a target."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_breaks_its_promise(name: str) -> None:
    """Of the hand-made inputs: what a reader is for, and what has broken one before."""
    target = TARGETS[name]
    assert [(seed[:80], found) for seed in target.seeds if (found := failure(target, seed, seconds=10.0))] == []


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_breaks_its_promise(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=_DEAR.get(name, _USUAL),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=inputs(target))
    def holds(data: bytes) -> None:
        assert failure(target, data, seconds=10.0) is None

    holds()


@pytest.mark.parametrize("case", sorted(_CASES.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_that_broke_a_promise_once_breaks_it_again(case: Path) -> None:
    assert failure(TARGETS[case.parent.name], case.read_bytes(), seconds=10.0) is None


def _wants_no_x(data: bytes) -> None:
    held(b"x" not in data, "no x")


def _never_ends(data: bytes) -> None:
    while b"x" in data:
        pass


@pytest.mark.parametrize(
    ("run", "found"),
    [
        pytest.param(_wants_no_x, "BrokenPromiseError: no x", id="a-broken-promise"),
        pytest.param(_never_ends, "HangError", id="a-hang"),
    ],
)
def test_the_campaign_overlooks(run: object, found: str) -> None:
    assert callable(run)
    target = Target(name="t", promise="", run=run, seeds=(b"a",))
    assert failure(target, b"aaaa", seconds=0.2) is None
    assert failure(target, b"aaxaa", seconds=0.2) == found
    assert minimised(b"aaxaa", lambda tried: failure(target, tried, seconds=0.2) == found) == b"x"


def _dies(data: bytes) -> None:
    import os
    import signal

    if b"z" in data:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_that_kills_its_process_is_no_finding(tmp_path: Path) -> None:
    target = Target(name="dies", promise="", run=_dies, seeds=(b"aaa",), words=(b"z",))
    plan = campaign.Plan(inputs=50, seconds=20, targets=[target], folder=tmp_path, seed=1)
    tallies = campaign.run(plan, 1)
    assert tallies["dies"].findings["died: SIGKILL"] > 0
    kept = [path for path in (tmp_path / "dies").iterdir() if path.suffix != ".txt"]
    assert kept
    assert b"z" in kept[0].read_bytes()


def test_the_long_form_tries_fewer_inputs_than_asked_for(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.campaigns.fuzz", "--inputs", "1000", "--processes", "2", "--seed", "1"),
            *("--target", "given-labels", "--target", "status", "--findings", tmp_path / "found", "--report", report),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    counts = json.loads(report.read_text("utf-8"))
    assert sum(count["inputs"] for count in counts.values()) >= 1_000
    assert all(count["lines"] > 5 for count in counts.values())


@given(st.binary(max_size=40))
@settings(max_examples=50, derandomize=True, database=None, deadline=None)
def test_a_finding_kept_is_not_the_input(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("kept")
    assert campaign.keep(folder, "jsonl", data, "x").read_bytes() == data
