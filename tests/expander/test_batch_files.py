"""Requests out, results in, by way of files: the run is the one that `expand` would have made, and no reply is lost."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.expander.batching import answered, answered_offline, batch, batch_command, good, result, write_results
from tests.expander.corpus_runs import EXAMPLES, ROWS
from tests.expander.running import accounted, command, environment, query, read_lines, run, write_posts


def exported(folder: Path, rows: int, *options: object) -> tuple[Path, Path, Path]:
    """A run whose requests were written: posts, run folder, request file."""
    posts, out, requests = write_posts(folder / "posts.jsonl", rows), folder / "run", folder / "requests.jsonl"
    done = batch("export", posts, "--out", out, "--model", "m", "-o", requests, *options)
    assert done.code == 0, done.err
    return posts, out, requests


def test_a_run_by_files_differs_from_one_that_sends(tmp_path: Path) -> None:
    sent, out = tmp_path / "sent", tmp_path / "filed"
    assert run("expand", EXAMPLES, "--out", sent, cwd=tmp_path).returncode == 0
    assert batch("export", EXAMPLES, "--out", out).code == 0
    waiting = read_lines(out / "rejected.jsonl")
    assert {row["rule"] for row in waiting} == {"in-batch"}
    results = answered_offline(out / "requests.jsonl", tmp_path / "results.jsonl")
    done = batch("import", out, results)
    assert done.code == 0, done.err
    assert (out / "rejected.jsonl").read_bytes() == (sent / "rejected.jsonl").read_bytes() == b""
    ours, theirs = read_lines(out / "dialogues.jsonl"), read_lines(sent / "dialogues.jsonl")
    assert ours == theirs
    assert len(ours) == ROWS
    again = run("expand", EXAMPLES, "--out", out, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{ROWS:,} rows were done before" in again.stderr


OPTIONS = ("--request-seed", 5, "--temperature", 0.5, "--top-p", 0.9, "--max-tokens", 700, "--stop", "完")


def test_a_request_in_a_file_differs_from_one_that_is_sent(tmp_path: Path) -> None:
    posts, template = write_posts(tmp_path / "posts.jsonl", 12), tmp_path / "mine.yaml"
    text = (Path(__file__).parents[2] / "prompts" / "smile.yaml").read_text("utf-8")
    template.write_text(text + '\nsystem: "你是一名咨询师。"\n', "utf-8")
    settings = ("--template", template, "--model", "m", *OPTIONS, "--extra-body", '{"top_k": 20}', "--samples", 2)
    received: list[bytes] = []

    async def serve() -> None:
        async def take(request: web.Request) -> web.Response:
            received.append(await request.read())
            return web.json_response(good({"custom_id": "x"})["response"]["body"])

        app = web.Application()
        app.router.add_post("/v1/chat/completions", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        done = await asyncio.to_thread(
            run, "expand", posts, *settings, "--base-url", url, "--out", tmp_path / "sent", cwd=tmp_path
        )
        await runner.cleanup()
        assert done.returncode == 0, done.stderr

    asyncio.run(serve())
    requests = tmp_path / "requests.jsonl"
    batch("export", posts, *settings, "--out", tmp_path / "filed", "-o", requests)
    lines = requests.read_bytes().splitlines()
    assert sorted(received) == sorted(line.split(b'"body":', 1)[1][:-1] for line in lines)
    assert {line["custom_id"] for line in read_lines(requests)} == {
        row for (row,) in query(tmp_path / "sent", "SELECT id FROM row")
    }


TABLES = ("SELECT * FROM row", "SELECT * FROM reply", "SELECT * FROM tally", "SELECT * FROM missing")


def test_importing_twice_changes_something(tmp_path: Path) -> None:
    _, out, requests = exported(tmp_path, 20)
    lines = [{"custom_id": line["custom_id"], **good(line)} for line in read_lines(requests)]
    lines[3] |= result({"error": {"code": "boom"}}, 500)
    results = write_results(tmp_path / "results.jsonl", [*lines, *lines[10:]])
    first = batch("import", out, results)
    assert first.code == 3
    assert "19 replies taken in, 10 ignored" in first.err
    tables = [query(out, table) for table in TABLES]
    files = [(out / name).read_bytes() for name in ("dialogues.jsonl", "rejected.jsonl")]
    again = batch("import", out, results)
    assert again.code == 3
    assert "0 replies taken in, 29 ignored" in again.err
    assert [query(out, table) for table in TABLES] == tables
    assert [(out / name).read_bytes() for name in ("dialogues.jsonl", "rejected.jsonl")] == files


FAILURES: list[tuple[dict[str, Any], str]] = [
    (result({"error": {"code": "boom", "message": "sk-secret"}}, 500), "server-error"),
    (result({"error": {"code": "bad_prompt", "message": "sk-secret"}}, 400), "refused"),
    (result(None, 429) | {"error": {"error": {"code": 429, "message": "sk-secret"}}}, "rate-limited"),
    ({"response": None, "error": {"code": "batch_expired", "message": "sk-secret"}}, "batch-expired"),
    ({"response": None, "error": {"code": "batch_cancelled", "message": "sk-secret"}}, "batch-cancelled"),
    ({"response": None, "error": {"code": "sk-secret 1"}}, "batch-failed"),
    (result({"object": "chat.completion", "choices": []}), "broken-reply"),
    (result(None), "broken-reply"),
]


def test_a_row_without_a_reply_is_not_asked_for_again(tmp_path: Path) -> None:
    rows = len(FAILURES) + 2
    posts, out, requests = exported(tmp_path, rows)
    asked = read_lines(requests)
    kinds = dict(zip([line["custom_id"] for line in asked], FAILURES, strict=False))
    lines = [
        {"custom_id": line["custom_id"], **(kinds[line["custom_id"]][0] if line["custom_id"] in kinds else good(line))}
        for line in asked
    ]
    done = batch("import", out, write_results(tmp_path / "results.jsonl", lines))
    assert done.code == 3
    assert f"{len(FAILURES)} rows are asked for again" in done.err
    rejected = {row["id"]: row["rule"] for row in read_lines(out / "rejected.jsonl")}
    assert rejected == {row_id: kind for row_id, (_, kind) in kinds.items()}
    reasons = [row["reason"] for row in read_lines(out / "rejected.jsonl")]
    assert [reason for reason in reasons if reason.startswith("HTTP ")][:3] == [
        "HTTP 500 (boom)",
        "HTTP 400 (bad_prompt)",
        "HTTP 429 (429)",
    ]
    everything = b"".join(path.read_bytes() for path in out.iterdir()) + (done.out + done.err).encode()
    assert b"sk-secret" not in everything
    batch("export", posts, "--out", out, "--model", "m", "-o", requests)
    assert {line["custom_id"] for line in read_lines(requests)} == set(kinds)
    last = batch("import", out, answered(requests, tmp_path / "more.jsonl"))
    assert last.code == 0, last.err
    kept, _ = accounted(out, rows)
    assert len(kept) == rows


def test_a_broken_line_or_an_unknown_row_is_not_named(tmp_path: Path) -> None:
    _, out, requests = exported(tmp_path, 4)
    results = answered(requests, tmp_path / "results.jsonl")
    first, *rest = results.read_bytes().splitlines()
    broken = [b"{", b"\xff\xfe", b"[]", b'{"custom_id": 3}', b'{"custom_id": "x"}', first[:-40], requests.read_bytes()]
    foreign = json.dumps({"custom_id": "elsewhere", **good({"custom_id": "elsewhere"})}).encode()
    results.write_bytes(b"\n".join([*broken[:-1], b"", *rest, foreign]))
    done = batch("import", out, results)
    assert done.code == 3
    for line in range(1, 7):
        assert f"{results}:{line}: " in done.err
    assert f"{results}:11: its custom_id is no row of this run" in done.err
    assert "3 replies taken in" in done.err
    kept, waiting = accounted(out, 4)
    assert (len(kept), [row["rule"] for row in waiting]) == (3, ["in-batch"])
    wrong = batch("import", out, requests)
    assert "a request; name the file of results instead" in wrong.err


def test_a_reply_that_fails_the_rules_is_not_asked_for_anew(tmp_path: Path) -> None:
    posts, out, requests = exported(tmp_path, 6, "--max-regenerations", 1, "--request-seed", 3)
    first = read_lines(requests)
    bad = [{"custom_id": line["custom_id"], **good(line, "求助者：你好\n支持者：你好")} for line in first]
    results = write_results(tmp_path / "first.jsonl", bad)
    done = batch("import", out, results)
    assert "6 rows are asked for again by the next `batch export`, 6 of them because" in done.err
    again = ("export", posts, "--out", out, "--model", "m", "-o", requests, "--request-seed", 3)
    batch(*again, "--max-regenerations", 1)
    second = read_lines(requests)
    assert [line["custom_id"] for line in second] == [line["custom_id"] for line in first]
    assert not {line["body"]["seed"] for line in first} & {line["body"]["seed"] for line in second}
    batch("import", out, results)  # the first replies once more
    assert query(out, "SELECT count(*) FROM reply") == [(6,)]
    for line in bad[:3]:
        line["response"]["body"]["id"] += "-second"
    mixed = bad[:3] + [{"custom_id": line["custom_id"], **good(line)} for line in second[3:]]
    done = batch("import", out, write_results(tmp_path / "second.jsonl", mixed))
    assert done.code == 0, done.err
    kept, rejected = accounted(out, 6)
    assert [row["provenance"]["generation"] for row in kept] == [1, 1, 1]
    assert {(row["outcome"], row["generation"]) for row in rejected} == {("rejected", 1)}


def test_an_empty_reply_is_delivered_or_not_asked_for_anew(tmp_path: Path) -> None:
    posts, out, requests = exported(tmp_path, 2)
    for asked in range(3):
        assert len(read_lines(requests)) == 2
        lines = [{"custom_id": line["custom_id"], **good(line, "")} for line in read_lines(requests)]
        for line in lines:
            line["response"]["body"]["id"] += str(asked)
        done = batch("import", out, write_results(tmp_path / "results.jsonl", lines))
        assert done.code == (0 if asked == 2 else 3), done.err
        batch("export", posts, "--out", out, "--model", "m", "-o", requests)
    assert {(row["rule"], row["generation"]) for row in read_lines(out / "rejected.jsonl")} == {("empty-reply", 2)}


def test_a_killed_import_loses_or_doubles_a_reply(tmp_path: Path) -> None:
    rows, chance = 1200, random.Random(3)
    _, out, requests = exported(tmp_path, rows)
    results = answered(requests, tmp_path / "results.jsonl")
    kills = 0
    while (stored := query(out, "SELECT count(*) FROM reply")[0][0]) < rows and kills < 5:
        with subprocess.Popen(
            batch_command("import", out, results),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while query(out, "SELECT count(*) FROM reply")[0][0] == stored and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
            kills += 1
    assert kills >= 2
    done = batch("import", out, results)
    assert done.code == 0, done.err
    kept, _ = accounted(out, rows)
    assert len(kept) == rows
    assert query(out, "SELECT count(*), count(DISTINCT row_id) FROM reply") == [(rows, rows)]


def test_a_reply_that_was_stored_and_not_judged_is_lost(tmp_path: Path) -> None:
    """As a kill between the two leaves it."""
    import sqlite3
    from contextlib import closing

    from expander.store.schema import sealed

    _, out, requests = exported(tmp_path, 3)
    line = good(read_lines(requests)[0])
    body = json.dumps(line["response"]["body"], ensure_ascii=False, separators=(",", ":")).encode()
    with closing(sqlite3.connect(out / "store.sqlite")) as connection, connection:
        row_id = read_lines(requests)[0]["custom_id"]
        line_of_it = sealed(row_id, 0, 0.0, 0.0, 100, 50, body)
        connection.execute("INSERT INTO reply VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", line_of_it)
    done = batch("import", out, answered(requests, tmp_path / "results.jsonl"))
    assert done.code == 0, done.err
    assert query(out, "SELECT count(*), count(DISTINCT row_id) FROM reply") == [(3, 3)]
    assert len(accounted(out, 3)[0]) == 3


def test_a_killed_export_leaves_what_the_next_one_does_not_mend(tmp_path: Path) -> None:
    posts, out, requests = write_posts(tmp_path / "posts.jsonl", 3000), tmp_path / "run", tmp_path / "requests.jsonl"
    arguments = ("export", posts, "--out", out, "--model", "m", "-o", requests, "--rows-per-file", 1000)
    with subprocess.Popen(
        batch_command(*arguments), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not requests.exists() and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert query(out, "SELECT count(*) FROM row")[0][0] >= 1000
    done = batch(*arguments)
    assert done.code == 0, done.err
    names = ["requests.jsonl", "requests-2.jsonl", "requests-3.jsonl"]
    ids = [line["custom_id"] for name in names for line in read_lines(tmp_path / name)]
    assert len(ids) == len(set(ids)) == 3000
    assert not list(tmp_path.glob(".*.part"))


def test_files_grow_beyond_their_limits(tmp_path: Path) -> None:
    posts, out, requests = exported(tmp_path, 30, "--rows-per-file", 12)
    assert [len(read_lines(tmp_path / f"requests{n}.jsonl")) for n in ("", "-2", "-3")] == [12, 12, 6]
    size = requests.stat().st_size / 12
    more = ("--megabytes-per-file", 5.5 * size / 1e6)
    done = batch("export", posts, "--out", out, "--model", "m", "-o", tmp_path / "b.jsonl", *more)
    assert done.err.count("Do not send it") == 3
    parts = sorted(tmp_path.glob("b*.jsonl"))
    assert sum(len(read_lines(part)) for part in parts) == 30
    assert all(part.stat().st_size <= 5.5 * size for part in parts)
    assert len(parts) == 6


def test_an_export_mixes_two_conditions(tmp_path: Path) -> None:
    posts, out, requests = exported(tmp_path, 3)
    before = requests.read_bytes()
    done = batch("export", posts, "--out", out, "--model", "m", "-o", requests, "--temperature", 0.3)
    assert done.code == 2
    assert "temperature" in done.err
    assert requests.read_bytes() == before
    sent = subprocess.run(
        command("expand", posts, "--out", out, "--model", "n", "--base-url", "http://127.0.0.1:9/v1"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert sent.returncode == 2
    assert "model" in sent.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["import", "none", "results.jsonl"], "results.jsonl", id="no such results"),
        pytest.param(["import", ".", "posts.jsonl"], "store.sqlite", id="no run"),
        pytest.param(["submit", "."], "batch export", id="submit what is no run"),
        pytest.param(["fetch", "sent"], "batch export", id="fetch of a run that exported nothing"),
        pytest.param(["export", "none.json"], "none.json", id="no such posts"),
        pytest.param(["export", "posts.jsonl", "-o", "."], "folder", id="output is a folder"),
    ],
)
def test_wrong_usage_of_batch_is_not_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_posts(tmp_path / "posts.jsonl", 2)
    if "sent" in arguments:
        run("expand", "posts.jsonl", "--out", "sent", cwd=tmp_path)
    done = batch(*arguments)
    assert done.code == 2, done.err
    assert named in done.err
    assert "Traceback" not in done.err
