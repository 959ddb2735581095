"""Annotation runs that are killed, interrupted, or answered badly, and judges who favour a place."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.expander.annotating import annotator, dialogue, small_corpus, write_corpus
from tests.expander.corpus_runs import cli
from tests.expander.running import command, environment, query, read_lines, run

CONCURRENCY = 8
KILLS = 4


def test_a_killed_run_loses_an_answer_or_asks_twice(tmp_path: Path) -> None:
    rows, chance = 400, random.Random(5)
    corpus, out = small_corpus(tmp_path, rows), tmp_path / "run"
    with annotator("slow", tmp_path) as server:
        where = ("--base-url", server.url, "--model", "m", "--out", out)
        options = ("--task", "topics", *where, "--concurrency", str(CONCURRENCY))
        for _ in range(KILLS):
            before = len(server.lines())
            with subprocess.Popen(
                command("annotate", corpus, *options), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL
            ) as process:
                while len(server.lines()) == before and process.poll() is None:
                    time.sleep(0.005)
                time.sleep(chance.uniform(0.0, 0.1))
                assert process.poll() is None, "the run ended before it was killed: make it longer"
                process.send_signal(signal.SIGKILL)
        done = run("annotate", corpus, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        asked = Counter(line.split()[1] for line in server.lines())
    assert len(asked) == rows
    assert asked.total() - rows <= KILLS * CONCURRENCY
    assert query(out, "SELECT count(*), count(DISTINCT row_id) FROM reply") == [(rows, rows)]
    assert [row["id"] for row in read_lines(out / "annotations.jsonl")] == [f"d{number}" for number in range(rows)]


def test_an_off_list_label_is_lost_or_counted_as_limited(tmp_path: Path) -> None:
    corpus, out = small_corpus(tmp_path, 3), tmp_path / "run"
    with annotator("good", tmp_path) as server:
        done = cli("annotate", corpus, "--task", "topics", "--base-url", server.url, "--model", "m", "--out", out)
    assert done.code == 0, done.err
    for row in read_lines(out / "annotations.jsonl"):
        assert row["unlimited"] == ["焦虑", "与猫的关系", "后恋爱问题"]
        assert row["limited"] == ["焦虑", "后恋爱问题"]
        assert row["replies"][0]["model"] == "rogue-1"
    assert read_lines(out / "corpus.jsonl")[0]["annotations"] == ["焦虑", "与猫的关系", "后恋爱问题"]


@pytest.mark.parametrize(
    ("mode", "options", "asked", "outcome"),
    [
        ("late", (), 3, "read"),
        ("late", ("--regenerate", "1"), 2, "unparseable"),
        ("prose", (), 3, "unparseable"),
        ("prose", ("--max-regenerations", "0"), 1, "unparseable"),
        ("empty", (), 3, "unparseable"),
    ],
)
def test_an_unparseable_answer_is_asked_anew_too_often_or_dropped(
    tmp_path: Path, mode: str, options: tuple[str, ...], asked: int, outcome: str
) -> None:
    corpus, out = small_corpus(tmp_path, 4), tmp_path / "run"
    with annotator(mode, tmp_path) as server:
        arguments = ("annotate", corpus, "--task", "topics", "--base-url", server.url, "--model", "m", "--out", out)
        for _ in range(2):  # kept as such: the second command leaves it alone
            assert cli(*arguments, *options).code == 0
            assert set(Counter(line.split()[1] for line in server.lines()).values()) == {asked}
    for row in read_lines(out / "annotations.jsonl"):
        assert row["outcome"] == outcome
        assert row["replies"][0]["generation"] == asked - 1
        if outcome == "unparseable":
            assert row["labels"] is row["limited"] is None
            assert row["replies"][0]["rule"] == "unparseable-answer"
            assert row["replies"][0]["raw"] is not None
    assert all(("annotations" in row) is (outcome == "read") for row in read_lines(out / "corpus.jsonl"))
    assert query(out, "SELECT count(*) FROM reply") == [(4 * asked,)]


def test_a_refusing_provider_leaves_no_way_on(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path, 3)
    with annotator("401", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", tmp_path / "run")
        done = run("annotate", corpus, "--task", "emotion", *options, cwd=tmp_path)
    assert done.returncode == 4
    assert "To go on: " in done.stderr
    assert {row["outcome"] for row in read_lines(tmp_path / "run" / "annotations.jsonl")} == {"unanswered"}


def test_a_judge_who_favours_the_first_place_names_a_winner(tmp_path: Path) -> None:
    ours, theirs = small_corpus(tmp_path, 3), small_corpus(tmp_path / "b", 3)
    with annotator("first", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", tmp_path / "run")
        judge = ("--task", "judge", "--rubric", "pairwise", "--against", theirs)
        assert cli("annotate", ours, *judge, *options).code == 0
        assert len(server.lines()) == 6
    for row in read_lines(tmp_path / "run" / "annotations.jsonl"):
        assert [order["first"] for order in row["orders"]] == ["corpus", "against"]
        assert [order["answers"]["helpfulness"] for order in row["orders"]] == ["first", "first"]
        assert set(row["verdicts"].values()) == {"tie"}


def test_the_better_side_depends_on_its_place(tmp_path: Path) -> None:
    """The embedded judge counts cues, so the side with more of them wins in either place."""
    poor = [{**dialogue(number), "question_id": f"q{number}"} for number in range(5)]
    for row in poor:
        row["messages"] = [
            {**said, "content": "嗯。"} if said["role"] == "assistant" else said for said in row["messages"]
        ]
    rich = [{**dialogue(number), "id": f"r{number}", "question_id": f"q{number}"} for number in (3, 1, 4)]
    ours, theirs = write_corpus(tmp_path / "poor.jsonl", poor), write_corpus(tmp_path / "rich.jsonl", rich)
    for corpus, against, winner in ((ours, theirs, "against"), (theirs, ours, "corpus")):
        out = tmp_path / winner
        judge = ("--task", "judge", "--rubric", "pairwise", "--against", against, "--out", out)
        assert cli("annotate", corpus, *judge).code == 0
        rows = read_lines(out / "annotations.jsonl")
        assert {frozenset((row["id"][1:], row["against_id"][1:])) for row in rows} == {frozenset(n) for n in "134"}
        assert {row["verdicts"]["interactivity"] for row in rows} == {winner}
        assert {row["paired_by"] for row in rows} == {"question"}
