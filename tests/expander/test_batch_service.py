"""A run by way of a Batch API that delays, expires, fails, loses answers and cuts downloads off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.expander.batch_server import BatchService, batch_service
from tests.expander.batching import answered, batch, good, result
from tests.expander.running import accounted, query, read_lines, write_posts

KEY = "sk-test-4242424242"


@pytest.fixture
def service() -> Iterator[BatchService]:
    with batch_service() as running:
        yield running


class Run:
    """A run's commands, all with the same settings."""

    def __init__(self, folder: Path, service: BatchService, rows: int) -> None:
        self.out = folder / "run"
        self._service = service
        self._posts = write_posts(folder / "posts.jsonl", rows)

    def export(self, *options: object, code: int = 0) -> str:
        return self._do(code, "export", self._posts, "--out", self.out, "--model", "m", *options)

    def submit(self, code: int = 0, *, url: str | None = None, attempts: int = 2) -> str:
        where = ("--base-url", url or self._service.url)
        return self._do(code, "submit", self.out, *where, "--max-attempts", attempts)

    def poll(self, code: int = 0, *options: object) -> str:
        return self._do(code, "poll", self.out, *options)

    def fetch(self, code: int, *options: object) -> str:
        return self._do(code, "fetch", self.out, "--max-attempts", 2, *options)

    def asked(self) -> list[dict[str, Any]]:
        return read_lines(self.out / "requests.jsonl")

    def _do(self, code: int, *arguments: object) -> str:
        done = batch(*arguments, OPENAI_API_KEY=KEY)
        assert done.code == code, done.err
        assert "Traceback" not in done.err
        assert "sk-" not in done.out + done.err
        return done.out + done.err


def test_a_batch_does_not_come_back(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 25)
    job.export("--rows-per-file", 10)
    assert job.submit().count(" requests in batch_") == 3
    assert "Nothing to submit" in job.submit()
    assert len(service.batches) == 3
    assert {made["completion_window"] for made in service.batches.values()} == {"24h"}
    assert {made["endpoint"] for made in service.batches.values()} == {"/v1/chat/completions"}
    assert job.poll().count("is validating") == 3
    assert "No batch has ended" in job.fetch(3)
    service.finish("batch_1", good)
    assert "batch_1 is completed, 10 of 10 done" in job.poll()
    assert "15 rows wait for their results" in job.fetch(3)
    for name in ("batch_0", "batch_2"):
        service.finish(name, good)
    job.poll(0, "--wait")
    job.fetch(0)
    assert len(accounted(job.out, 25)[0]) == 25
    assert "No batch is out" in job.fetch(0)
    assert query(job.out, "SELECT count(*) FROM reply") == [(25,)]
    assert service.keys == {f"Bearer {KEY}"}
    assert all(KEY.encode() not in path.read_bytes() for path in job.out.iterdir())


def test_rows_that_are_out_are_asked_for_twice(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 10)
    job.export("--rows-per-file", 6)
    job.submit()
    assert "10 rows need no request: being worked on" in job.export()
    assert "Nothing to submit" in job.submit()
    service.finish("batch_0", good)
    job.fetch(3)
    assert "4 rows need no request: being worked on" in job.export()
    service.finish("batch_1", good)
    job.fetch(0)


def test_expired_and_failed_rows_are_not_asked_for_again(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 12)
    job.export()
    job.submit()
    refused = job.asked()[1]["custom_id"]

    def partly(line: dict[str, Any]) -> dict[str, Any]:
        return result({"error": {"code": "boom"}}, 500) if line["custom_id"] == refused else good(line)

    service.finish("batch_0", partly, status="expired", only=5)
    told = job.fetch(3)
    assert "8 rows are asked for again" in told
    rules = sorted(row["rule"] for row in read_lines(job.out / "rejected.jsonl"))
    assert rules == ["batch-expired"] * 7 + ["server-error"]
    job.export()
    assert len(job.asked()) == 8
    job.submit()
    service.finish("batch_1", good, status="cancelled", only=3)
    job.fetch(3)
    assert [row["rule"] for row in read_lines(job.out / "rejected.jsonl")] == ["batch-cancelled"] * 5
    job.export()
    job.submit()
    service.fail("batch_2", "token_limit_exceeded")
    assert "batch_2 is failed (token_limit_exceeded)" in job.fetch(3)
    assert {row["reason"] for row in read_lines(job.out / "rejected.jsonl")} == {"token_limit_exceeded"}
    job.export()
    job.submit()
    service.finish("batch_3", good)
    job.fetch(0)
    assert len(accounted(job.out, 12)[0]) == 12


@pytest.mark.parametrize("attempts", [1, 2], ids=["the command dies of it", "the command asks again"])
def test_a_batch_whose_making_went_unheard_is_made_twice(tmp_path: Path, service: BatchService, attempts: int) -> None:
    job = Run(tmp_path, service, 3)
    job.export()
    service.lose_created = 1
    if attempts == 1:
        assert "connection" in job.submit(4, attempts=1)
        assert "3 rows need no request: being worked on" in job.export()
    job.submit()
    assert len(service.batches) == 1
    service.finish("batch_0", good)
    job.fetch(0)


def test_a_step_that_fails_is_begun_anew(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 4)
    job.export("--rows-per-file", 2)
    service.faults = {"POST /v1/batches": [401], "POST /v1/files": [503]}
    told = job.submit(4)
    assert "auth: HTTP 401 (some_code)" in told
    assert "$OPENAI_API_KEY" in told
    assert service.asked.count("POST /v1/files") == 2
    job.submit()
    assert service.asked.count("POST /v1/files") == 3
    assert len(service.batches) == 2
    service.finish("batch_0", good)
    service.finish("batch_1", good)
    service.faults = {f"GET /v1/files/{service.batches['batch_1']['output_file_id']}/content": [500, 500]}
    assert "server-error" in job.fetch(4)
    assert len(read_lines(job.out / "dialogues.jsonl")) == 2
    job.fetch(0)
    assert query(job.out, "SELECT count(*) FROM reply") == [(4,)]


def test_a_download_that_is_cut_off_counts_as_whole(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 6)
    job.export()
    job.submit()
    service.finish("batch_0", good)
    service.cut_downloads = 2
    assert "cut off" in job.fetch(4)
    assert not list(job.out.glob("batch-results*"))
    service.cut_downloads = 1
    job.fetch(0)
    assert query(job.out, "SELECT count(*) FROM reply") == [(6,)]


def test_a_batch_that_forgets_a_row_leaves_it_waiting(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 3)
    job.export()
    job.submit()
    service.finish("batch_0", good, only=2)
    job.fetch(3)
    assert [row["rule"] for row in read_lines(job.out / "rejected.jsonl")] == ["batch-no-answer"]
    job.export()
    assert len(job.asked()) == 1


def test_a_batch_that_the_service_lost_blocks_its_rows(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 4)
    job.export("--rows-per-file", 2)
    job.submit()
    service.finish("batch_1", good)
    del service.files[service.batches["batch_1"]["output_file_id"]]
    del service.batches["batch_0"]
    assert "--give-up" in job.fetch(4)
    assert "4 rows need no request" in job.export()
    job.fetch(3, "--give-up")
    rules = sorted(row["rule"] for row in read_lines(job.out / "rejected.jsonl"))
    assert rules == ["batch-lost", "batch-lost", "batch-no-answer", "batch-no-answer"]
    job.export()
    assert len(job.asked()) == 4


def test_a_changed_request_file_is_sent(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 2)
    job.export()
    with (job.out / "requests.jsonl").open("a") as file:
        file.write(json.dumps({"custom_id": "more"}) + "\n")
    assert "has changed since it was exported" in job.submit(2)
    assert service.asked == []


def test_rows_that_have_their_outcome_are_paid_for_again(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 4)
    job.export()
    results = answered(job.out / "requests.jsonl", tmp_path / "results.jsonl")
    lines = results.read_text("utf-8").splitlines(keepends=True)
    results.write_text("".join(lines[:3]), "utf-8")
    batch("import", job.out, results)
    assert "3 of its 4 rows have their outcome by now" in job.submit(2)
    results.write_text(lines[3], "utf-8")
    batch("import", job.out, results)
    assert "Nothing to submit" in job.submit()
    assert service.asked == []


def test_an_export_of_other_posts_takes_the_place_of_one_that_waits(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 4)
    job.export("--limit", 2, "-o", tmp_path / "a.jsonl")
    job.export("-o", tmp_path / "b.jsonl", "--shard", "1/2", code=2)
    more = write_posts(tmp_path / "more.jsonl", 7)
    more.write_text("".join(more.read_text("utf-8").splitlines(keepends=True)[4:]), "utf-8")
    batch("export", more, "--out", job.out, "--model", "m", "-o", tmp_path / "b.jsonl")
    job.submit()
    assert len(service.batches) == 2
    for name in service.batches:
        service.finish(name, good)
    job.fetch(0)
    assert len(accounted(job.out, 5)[0]) == 5


def test_a_service_without_batches_ends_in_a_riddle(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 2)
    job.export()
    service.faults = {"POST /v1/files": [404]}
    assert "it has no Batch API" in job.submit(4)


def test_a_url_with_a_key_in_it_is_kept(tmp_path: Path, service: BatchService) -> None:
    job = Run(tmp_path, service, 2)
    job.export()
    told = job.submit(2, url="http://user:pass@127.0.0.1/v1")
    assert "credentials" in told
    assert b"pass@" not in (job.out / "batch.sqlite").read_bytes()
