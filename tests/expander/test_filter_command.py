"""`filter`: stored replies judged anew, without a request."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from expander.store.schema import seal
from expander.stored_run import stored_run
from filters.rules import RuleSet
from tests.conftest import REPOSITORY
from tests.expander.corpus_runs import EXAMPLES, ROWS, cli, expanded, results
from tests.expander.running import command, environment, query, read_lines, run

MANY = 3_200  # rows: judged in several processes
FAULTS = (
    *("--offline-fault", "rule-markdown=0.5x1"),  # repaired in lenient, rejected in strict; sound when asked for anew
    *("--offline-fault", "rule-few-turns=0.2"),
    *("--offline-fault", "rule-third-speaker=0.15"),
)


@pytest.fixture(scope="module")
def lenient_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expanded(tmp_path_factory.mktemp("runs") / "lenient", *FAULTS)


@pytest.fixture(scope="module")
def strict_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expanded(tmp_path_factory.mktemp("runs") / "strict", "--strict", "--max-regenerations", 2, *FAULTS)


@pytest.fixture
def lenient(tmp_path: Path, lenient_run: Path) -> Path:
    return Path(shutil.copytree(lenient_run, tmp_path / "lenient"))


@pytest.fixture
def strict(tmp_path: Path, strict_run: Path) -> Path:
    return Path(shutil.copytree(strict_run, tmp_path / "strict"))


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory, lenient_run: Path) -> Path:
    """The lenient run's rows and replies over and over, under new ids."""
    large = Path(shutil.copytree(lenient_run, tmp_path_factory.mktemp("runs") / "large"))
    with closing(sqlite3.connect(large / "store.sqlite")) as store, store:
        store.execute("CREATE TEMP TABLE copy (n INTEGER, last INTEGER)")
        last = store.execute("SELECT max(id) FROM reply").fetchone()[0]
        store.executemany("INSERT INTO copy VALUES (?, ?)", ((n, last) for n in range(1, MANY // ROWS + 1)))
        store.create_function("seal", -1, seal)
        store.execute(
            "INSERT INTO reply SELECT *, seal(row_id, generation, received, seconds, prompt_tokens, completion_tokens, body)"
            " FROM (SELECT id + n * last, row_id || '-' || n AS row_id, generation, received, seconds, prompt_tokens,"
            " completion_tokens, body FROM reply, copy)"
        )
        # A row's replies are found by its id; only the one that decided is named by number.
        store.execute(
            "INSERT INTO row SELECT *, seal(id, position, post_id, sample, topic, post, outcome, rule, reason, replies,"
            " reply_id, reading) FROM (SELECT id || '-' || n AS id, position + n * 1000 AS position, post_id, sample, topic,"
            " post, outcome, rule, reason, '' AS replies, reply_id + n * last AS reply_id, reading FROM row, copy)"
        )
    return large


@pytest.fixture
def large(tmp_path: Path, large_run: Path) -> Path:
    return Path(shutil.copytree(large_run, tmp_path / "large"))


def outcomes(folder: Path) -> dict[str, str]:
    return dict(query(folder, "SELECT id, coalesce(rule, outcome) FROM row ORDER BY id"))


# There and back


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(["--strict"], id="strict"),
        pytest.param(["--without-rule", "third-speaker", "--without-rule", "too-few-turns"], id="rules off"),
        pytest.param(["--min-turns", "12"], id="longer"),
        pytest.param(["--max-turns", "3", "--min-turns", "0"], id="shorter"),
    ],
)
def test_the_way_back_gives_other_files(lenient: Path, there: list[str]) -> None:
    before = results(lenient)
    assert cli("filter", lenient, *there).code == 0
    assert results(lenient) != before
    assert cli("filter", lenient).code == 0
    assert results(lenient) == before


def test_the_same_rules_change_something(lenient: Path) -> None:
    before = results(lenient), query(lenient, "SELECT * FROM row ORDER BY id")
    done = cli("filter", lenient)
    assert f"{ROWS} rows judged anew; 0 changed." in done.out
    assert (results(lenient), query(lenient, "SELECT * FROM row ORDER BY id")) == before


def test_files_and_store_disagree(lenient: Path) -> None:
    cli("filter", lenient, "--strict", "--min-turns", 8)
    kept, rest = read_lines(lenient / "dialogues.jsonl"), read_lines(lenient / "rejected.jsonl")
    assert {row["id"]: "kept" for row in kept} | {row["id"]: row["rule"] for row in rest} == outcomes(lenient)
    shown = cli("show", lenient, rest[0]["id"])
    assert rest[0]["rule"] in shown.out


# What it says


def test_the_table_and_the_changes_disagree_with_the_store(lenient: Path, tmp_path: Path) -> None:
    before = outcomes(lenient)
    done = cli("filter", lenient, "--strict", "--changes", tmp_path / "changes.jsonl")
    after = outcomes(lenient)
    moved = {row: (before[row], after[row]) for row in before if before[row] != after[row]}
    changes = {change["id"]: change for change in read_lines(tmp_path / "changes.jsonl")}
    assert {row: (changes[row]["from"], changes[row]["to"]) for row in moved} == moved
    assert all(changes[row]["reason"] for row in moved)
    assert all(change["from"] == change["to"] for row, change in changes.items() if row not in moved)
    assert len(moved) > 5
    for (old, new), count in Counter(moved.values()).items():
        line = next(line.split() for line in done.out.splitlines() if line.split()[:2] == [old, new])
        assert line[2] == str(count)
        assert {moved[row] for row in line[3:]} == {(old, new)}


def test_a_text_is_printed(lenient: Path) -> None:
    done = cli("filter", lenient, "--strict")
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in done.out + done.err)


def test_a_dry_run_changes_something(lenient: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in lenient.iterdir() if path.name != "store.sqlite-shm"}
    dry = cli("filter", lenient, "--strict", "--dry-run", "--changes", tmp_path / "dry.jsonl")
    assert {path.name: path.read_bytes() for path in lenient.iterdir() if path.name != "store.sqlite-shm"} == before
    real = cli("filter", lenient, "--strict", "--changes", tmp_path / "real.jsonl")
    assert dry.out.startswith(real.out)
    assert (tmp_path / "dry.jsonl").read_bytes() == (tmp_path / "real.jsonl").read_bytes()


# The run goes on


def test_expand_refuses_the_new_rules_or_takes_the_old(lenient: Path) -> None:
    options = ("expand", EXAMPLES, "--out", lenient)
    early = run(*options, "--strict", cwd=lenient)
    assert early.returncode == 2
    assert "rules:" in early.stderr
    assert "`filter" in early.stderr
    cli("filter", lenient, "--strict")
    filtered, replies = results(lenient), query(lenient, "SELECT count(*) FROM reply")
    assert run(*options, cwd=lenient).returncode == 2
    again = run(*options, "--strict", cwd=lenient)
    assert again.returncode == 0, again.stderr
    assert results(lenient) == filtered
    assert query(lenient, "SELECT count(*) FROM reply") == replies


def test_the_rule_set_is_stored_in_part(lenient: Path) -> None:
    options = ("--strict", "--without-rule", "answer-copied", "--without-rule", "preamble", "--min-turns", 3)
    cli("filter", lenient, *options, "--max-turns", 40)
    off = frozenset({"answer-copied", "preamble"})
    rules = RuleSet(off=off, strict=True, min_turns=3, max_turns=40)
    run_ = stored_run(lenient)
    assert run_.rules == rules
    assert run_.settings["rules"] == rules.fingerprint()


def test_a_run_begins_with_rules_that_filter_does_not_know(tmp_path: Path) -> None:
    options = ("--without-rule", "third-speaker", "--min-turns", 8)
    folder = expanded(tmp_path / "run", *FAULTS, *options)
    before = results(folder)
    assert f"{ROWS} rows judged anew; 0 changed" in cli("filter", folder, *options).out
    assert results(folder) == before
    assert "third-speaker" not in outcomes(folder).values()


def test_a_failed_row_comes_to_life(tmp_path: Path) -> None:
    folder = expanded(tmp_path / "run", "--offline-fault", "500=0.3xalways", "--max-attempts", 1)
    failed = {row for row, outcome in outcomes(folder).items() if outcome == "server-error"}
    assert failed == {row for (row,) in query(folder, "SELECT id FROM row WHERE outcome = 'failed'")}
    assert failed
    done = cli("filter", folder, "--min-turns", 11)
    assert f"{ROWS - len(failed)} rows judged anew" in done.out
    assert {row for row, outcome in outcomes(folder).items() if outcome == "server-error"} == failed


# Several replies for one row


def test_a_later_reply_decides_though_an_earlier_one_passes(strict: Path) -> None:
    before = results(strict)
    kept = query(strict, "SELECT reply.generation FROM row JOIN reply ON reply.id = reply_id WHERE outcome = 'kept'")
    assert {generation for (generation,) in kept} == {0, 1}
    done = cli("filter", strict)
    rows = read_lines(strict / "dialogues.jsonl")
    assert {row["provenance"]["generation"] for row in rows} == {0}
    assert any(row["provenance"]["repairs"] for row in rows)
    assert "more stand as before, with another reason or reading" in done.out
    cli("filter", strict, "--strict")
    assert results(strict) == before


def test_the_last_reply_is_not_the_one_shown_where_none_passes(strict: Path) -> None:
    cli("filter", strict, "--min-turns", 200)
    rows = query(
        strict,
        "SELECT reply_id, (SELECT max(id) FROM reply WHERE row_id = row.id) FROM row WHERE rule = 'too-few-turns'",
    )
    assert rows
    assert all(decided == last for decided, last in rows)


# A template whose demands changed


def template_file(folder: Path) -> Path:
    return Path(shutil.copy(REPOSITORY / "prompts" / "smile.yaml", folder / "mine.yaml"))


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_template_with_other_demands_cannot_be_taken_over(tmp_path: Path) -> None:
    template = template_file(tmp_path)
    folder = expanded(tmp_path / "run", "--template", template)
    before = results(folder)
    replaced(template, "min: 5", "min: 11")
    options = ("expand", EXAMPLES, "--out", folder, "--template", template)
    refused = run(*options, cwd=tmp_path)
    assert refused.returncode == 2
    assert "format:" in refused.stderr
    assert "`filter" in refused.stderr
    assert "0 changed" in cli("filter", folder).out  # the run keeps its own template
    assert "too-few-turns" in run("filter", folder, "--template", template, cwd=tmp_path).stdout
    assert run(*options, cwd=tmp_path).returncode == 0
    replaced(template, "min: 11", "min: 5")
    run("filter", folder, "--template", template, cwd=tmp_path)
    assert results(folder) == before


def test_a_template_with_other_words_is_taken(tmp_path: Path, lenient: Path) -> None:
    template = template_file(tmp_path)
    replaced(template, "not excessively long", "rather short")
    before = results(lenient)
    done = cli("filter", lenient, "--template", template)
    assert done.code == 2
    assert "another prompt" in done.err
    assert results(lenient) == before


# Refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["--without-rule", "too-short"], "no such rule: too-short; the rules are empty-reply, ", id="unknown"
        ),
        pytest.param(["--without-rule", "empty-reply"], "cannot be switched off", id="must stay on"),
        pytest.param(["--min-turns", "9", "--max-turns", "8"], "no dialogue can have both", id="bounds"),
    ],
)
def test_rules_that_cannot_be_are_taken(tmp_path: Path, lenient: Path, options: list[str], message: str) -> None:
    before = results(lenient)
    for arguments in (("filter", lenient), ("expand", EXAMPLES, "--out", tmp_path / "new")):
        done = cli(*arguments, *options)
        assert done.code == 2
        assert message in done.err
    assert results(lenient) == before
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_run_gets_a_lock(tmp_path: Path) -> None:
    done = cli("filter", tmp_path)
    assert done.code == 2
    assert "no run is stored here" in done.err
    assert not list(tmp_path.iterdir())


def has_begun(folder: Path) -> bool:
    """Whether a run in another process has written its settings."""
    try:
        return (folder / "store.sqlite").exists() and bool(query(folder, "SELECT 1 FROM meta"))
    except sqlite3.OperationalError:  # the file is there, its tables are not
        return False


def test_filter_works_on_a_run_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = command("expand", EXAMPLES, "--out", folder, "--offline-latency", 30)
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as going:
        try:
            deadline = time.monotonic() + 20
            while not has_begun(folder):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            done = cli("filter", folder, "--strict")
            assert done.code == 2
            assert "another process is working on this run" in done.err
            assert cli("filter", folder, "--strict", "--dry-run").code == 0
        finally:
            going.kill()


def test_a_changes_file_that_cannot_be_written_leaves_a_changed_run(lenient: Path, tmp_path: Path) -> None:
    before = results(lenient), outcomes(lenient)
    done = cli("filter", lenient, "--strict", "--changes", tmp_path / "nowhere" / "changes.jsonl")
    assert done.code == 2
    assert "Nothing was changed" in done.err
    assert (results(lenient), outcomes(lenient)) == before


# Many rows


def test_several_processes_judge_differently(large: Path, lenient: Path) -> None:
    cli("filter", lenient, "--strict")
    done = run("filter", large, "--strict", cwd=large)
    assert done.returncode == 0, done.stderr
    one, many = outcomes(lenient), outcomes(large)
    assert len(many) > MANY - ROWS
    assert all(outcome == one[row.partition("-")[0]] for row, outcome in many.items())
    assert len(read_lines(large / "dialogues.jsonl")) == list(many.values()).count("kept")


def test_a_killed_filter_leaves_a_run_between_two_rule_sets(large: Path) -> None:
    before = outcomes(large)
    for seconds in (0.4, 0.8, 1.2):
        with subprocess.Popen(command("filter", large, "--strict"), cwd=large, env=environment()) as going:
            time.sleep(seconds)
            going.send_signal(signal.SIGKILL)
        changed = outcomes(large) != before
        assert stored_run(large).rules.strict == changed
        if changed:
            break
    assert run("filter", large, "--strict", cwd=large).returncode == 0
    assert stored_run(large).rules.strict
    assert len(read_lines(large / "dialogues.jsonl")) == list(outcomes(large).values()).count("kept")


def test_a_full_disk_leaves_a_run_between_two_rule_sets(large: Path) -> None:
    before = outcomes(large), stored_run(large), results(large)
    limited = ["bash", "-c", 'ulimit -f 256; exec "$@"', "bash", *command("filter", large, "--strict")]
    done = subprocess.run(limited, cwd=large, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "make room" in done.stderr
    assert (outcomes(large), stored_run(large), results(large)) == before
