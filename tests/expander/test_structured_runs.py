"""`--structured` on the command line, against an endpoint that obeys, and against one that does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.expander.running import accounted, query, read_lines, rogue, run, write_posts

ROWS = 8


@pytest.fixture
def obedient() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.expander.obedient_server"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def expand(url: str, folder: Path, *options: object) -> Any:
    posts = write_posts(folder / "posts.jsonl", ROWS)
    return run("expand", posts, "--base-url", url, "--model", "m", "--out", folder / "run", *options, cwd=folder)


def settings(folder: Path) -> Any:
    return json.loads(query(folder / "run", "SELECT value FROM meta WHERE key = 'settings'")[0][0])


def test_without_a_constraint_every_reply_is_kept(obedient: str, tmp_path: Path) -> None:
    done = expand(obedient, tmp_path)
    assert done.returncode == 0, done.stderr
    kept, _ = accounted(tmp_path / "run", ROWS)
    assert 0 < len(kept) < ROWS
    assert "constrained" not in settings(tmp_path)


@pytest.mark.parametrize("kind", ["regex", "json"])
def test_a_reply_is_lost_to_its_format(obedient: str, tmp_path: Path, kind: str) -> None:
    done = expand(obedient, tmp_path, "--structured", kind)
    assert done.returncode == 0, done.stderr
    assert "The endpoint obeys" in done.stderr
    kept, rest = accounted(tmp_path / "run", ROWS)
    assert len(kept) == ROWS, [row["reason"] for row in rest]
    assert all(not row["provenance"].get("repairs") for row in kept)
    forced = [row["provenance"]["constrained"] for row in kept]
    assert all(one["kind"] == kind and len(one["sha256"]) == 64 for one in forced)
    assert settings(tmp_path)["constrained"]["sha256"] == forced[0]["sha256"]
    again = run("filter", tmp_path / "run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(read_lines(tmp_path / "run" / "dialogues.jsonl")) == ROWS


def test_a_run_goes_on_under_another_constraint(obedient: str, tmp_path: Path) -> None:
    assert expand(obedient, tmp_path, "--structured", "regex").returncode == 0
    before = query(tmp_path / "run", "SELECT count(*) FROM reply")
    for options in ((), ("--structured", "json"), ("--structured", "regex", "--structured-longest", 30)):
        done = expand(obedient, tmp_path, *options)
        assert done.returncode == 2, done.stderr
        assert "constrained" in done.stderr
    assert query(tmp_path / "run", "SELECT count(*) FROM reply") == before
    assert expand(obedient, tmp_path, "--structured", "regex").returncode == 0
    assert query(tmp_path / "run", "SELECT count(*) FROM reply") == before


def test_an_endpoint_that_ignores_the_field_is_paid_for_nothing(tmp_path: Path) -> None:
    with rogue("good", tmp_path) as server:
        refused = expand(server.url, tmp_path, "--structured", "regex")
        assert refused.returncode == 2, refused.stderr
        assert "does not obey" in refused.stderr
        assert "--structured-fallback" in refused.stderr
        allowed = expand(server.url, tmp_path, "--structured", "regex", "--structured-fallback")
    assert allowed.returncode == 0, allowed.stderr
    assert "Going on without a constraint" in allowed.stderr
    kept, _ = accounted(tmp_path / "run", ROWS)
    assert kept
    assert all(row["provenance"]["constrained"] is False for row in kept)


def test_an_ablation_cannot_hold_forced_decoding_against_free(obedient: str, tmp_path: Path) -> None:
    posts, config = write_posts(tmp_path / "posts.jsonl", ROWS), tmp_path / "arms.yaml"
    config.write_text("arms:\n  - {template: smile, name: forced, structured: regex}\n")
    done = run(
        *("ablate", posts, "--arm", "free=smile", "--arm-config", config, "--base-url", obedient, "--model", "m"),
        *("--out", tmp_path / "ablation"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    arms = tmp_path / "ablation" / "arms"
    assert len(accounted(arms / "forced", ROWS)[0]) == ROWS
    assert 0 < len(accounted(arms / "free", ROWS)[0]) < ROWS
    page = (tmp_path / "ablation" / "report.html").read_text("utf-8")
    assert "structured" in page


def test_a_batch_line_carries_no_constraint(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 2)
    options = ("--model", "m", "--out", tmp_path / "run", "--structured", "regex", "-o", tmp_path / "requests.jsonl")
    done = run("batch", "export", posts, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bodies = [line["body"] for line in read_lines(tmp_path / "requests.jsonl")]
    assert len(bodies) == 2
    assert all("求助者" in body["structured_outputs"]["regex"] for body in bodies)


def test_a_dry_run_hides_the_constraint(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 2)
    done = run("expand", posts, "--structured", "regex", "--dry-run", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "constraint (regex)" in done.stdout
    assert "求助者" in done.stdout.partition("constraint (regex)")[2]
