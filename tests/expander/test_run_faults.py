"""Runs against an endpoint that refuses, breaks, hangs or says nothing."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.expander.running import accounted, query, rogue, run, write_posts


def test_a_limited_endpoint_loses_rows_or_is_asked_in_vain_too_often(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 600), tmp_path / "run"
    with rogue("limited", tmp_path) as server:
        started = time.monotonic()
        done = run("expand", posts, "--base-url", server.url, "--model", "m", "--out", out, cwd=tmp_path)
        took = time.monotonic() - started
        requests = len(server.lines())
    assert done.returncode == 0, done.stderr
    kept, _ = accounted(out, 600)
    assert len(kept) == 600
    assert requests <= 660
    assert took < 60  # 20 s at the limit; what it takes on an idle machine is the benchmark's matter


def test_a_configured_quota_is_overrun(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 150), tmp_path / "run"
    with rogue("limited", tmp_path) as server:
        done = run("expand", posts, "--base-url", server.url, "--model", "m", "--rpm", 1800, "--out", out, cwd=tmp_path)
        assert (done.returncode, server.lines("refused")) == (0, []), done.stderr


def test_other_rows_suffer_for_the_faulty_ones(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 300), tmp_path / "run"
    with rogue("faulty", tmp_path) as server:
        options = ("--max-attempts", 3, "--attempt-timeout", 2, "--concurrency", 64, "--out", out)
        done = run("expand", posts, "--base-url", server.url, "--model", "m", *options, cwd=tmp_path)
        fates = {line.split()[1]: line.split()[0] for line in server.lines()}
        truncated = len(server.lines("truncated"))
    permanent = Counter(fates.values())
    assert permanent["broken"] > 0
    assert permanent["hang"] > 0
    assert truncated > 0
    assert done.returncode == 3, done.stderr
    assert "To go on: " in done.stderr
    kept, rest = accounted(out, 300)
    assert Counter(row["rule"] for row in rest) == {"server-error": permanent["broken"], "timeout": permanent["hang"]}
    assert len(kept) == 300 - permanent["broken"] - permanent["hang"]


def test_sporadic_refusals_slow_the_rest(tmp_path: Path) -> None:
    """A fifth of the rows is refused twice with Retry-After; the others must not wait for them."""
    posts = write_posts(tmp_path / "posts.jsonl", 3000)
    rates = {}
    for mode in ("steady", "sporadic"):
        folder = tmp_path / mode
        folder.mkdir()
        with rogue(mode, folder) as server:
            options = ("--base-url", server.url, "--model", "m", "--out", folder / "run")
            done = run("expand", posts, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        times = [received for (received,) in query(folder / "run", "SELECT received FROM reply ORDER BY received")]
        most = int(0.9 * len(times))  # the last refused rows wait when nothing is left to do beside them
        rates[mode] = most / (times[most] - times[0])
    assert rates["sporadic"] >= 0.5 * rates["steady"]


def test_an_empty_reply_is_delivered(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 60), tmp_path / "run"
    with rogue("empty", tmp_path) as server:
        done = run("expand", posts, "--base-url", server.url, "--model", "m", "--out", out, cwd=tmp_path)
        asked = Counter(line.split()[1] for line in server.lines())
    assert done.returncode == 0, done.stderr
    kept, rest = accounted(out, 60)
    assert rest
    assert all(message["content"] for row in kept for message in row["messages"])
    assert {row["rule"] for row in rest} == {"empty-reply"}
    assert Counter(asked.values()) == {3: len(rest), 1: len(kept)}  # asked for anew twice, although no rule was to be


def test_a_reply_that_fails_the_rules_is_not_asked_for_anew(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 20), tmp_path / "run"
    with rogue("improving", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out)
        done = run("expand", posts, *options, "--max-regenerations", 1, cwd=tmp_path)
        assert done.returncode == 0
        _, rest = accounted(out, 20)
        assert {(row["rule"], row["generation"]) for row in rest} == {("too-few-turns", 1)}
        fresh = tmp_path / "fresh"
        fresh.mkdir()
    with rogue("improving", fresh) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", fresh / "run")
        run("expand", posts, *options, "--max-regenerations", 5, cwd=tmp_path)
        kept, rest = accounted(fresh / "run", 20)
        assert {row["provenance"]["generation"] for row in kept} == {2}
        assert not rest
        assert query(fresh / "run", "SELECT count(*) FROM reply") == [(60,)]  # the rejected ones were paid for too


@pytest.mark.parametrize(
    ("status", "cause"), [("401", "auth"), ("403", "auth"), ("402", "quota"), ("429", "quota"), ("404", "not-found")]
)
def test_a_hopeless_endpoint_is_asked_on_and_on(tmp_path: Path, status: str, cause: str) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 200), tmp_path / "run"
    with rogue(status, tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", 8)
        done = run("expand", posts, *options, cwd=tmp_path, OPENAI_API_KEY="sk-secret")
        assert len(server.lines()) <= 8
    assert done.returncode == 4
    assert f"Stopped: {cause}" in done.stderr
    assert "To go on: " in done.stderr
    assert "sk-secret" not in done.stdout + done.stderr
    assert ("$OPENAI_API_KEY, which is set" in done.stderr) == (cause == "auth")


def test_an_endpoint_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 200)
    started = time.monotonic()
    done = run(
        "expand", posts, "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--out", tmp_path / "run", cwd=tmp_path
    )
    assert done.returncode == 4
    assert "all failed" in done.stderr
    assert "connection" in done.stderr
    assert time.monotonic() - started < 30


def test_requests_that_are_all_refused_end_as_a_finished_run(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 200)
    with rogue("400", tmp_path) as server:
        done = run("expand", posts, "--base-url", server.url, "--model", "m", "--out", tmp_path / "run", cwd=tmp_path)
        assert len(server.lines()) < 100
    assert done.returncode == 4
    assert "refused: HTTP 400 (some_code)" in done.stderr


def test_a_budget_is_overrun(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 200), tmp_path / "run"
    with rogue("slow", tmp_path) as server:
        prices = ("--price-in", 1000, "--price-out", 1000, "--currency", "EUR", "--max-cost", 3)  # 0.15 a reply
        options = ("--base-url", server.url, "--model", "m", "--out", out, "--concurrency", 4)
        done = run("expand", posts, *options, *prices, cwd=tmp_path)
        assert done.returncode == 4
        assert "EUR spent" in done.stderr
        assert 20 <= len(server.lines()) <= 20 + 4
        done = run("expand", posts, *options, "--max-total-tokens", 6000, cwd=tmp_path)
        assert "--max-total-tokens" in done.stderr
        assert 40 <= len(server.lines()) <= 40 + 8
        done = run("expand", posts, *options, cwd=tmp_path)
        assert done.returncode == 0
        assert len(server.lines()) == 200
    accounted(out, 200)
