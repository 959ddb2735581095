"""`ablate` end to end on the embedded endpoint: arms side by side, stopped, killed, resumed, refused, and their page."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from expander.ablation.interleaving import SHARES_AHEAD
from expander.cli import main
from tests.conftest import REPOSITORY
from tests.expander.running import command, environment, query, read_lines, rogue, run, write_posts

EXAMPLES = REPOSITORY / "expander" / "examples" / "posts.json"
ARMS = ("smile", "empathy", "standardT")
FLAGS = tuple(part for arm in ARMS for part in ("--arm", arm))
POSTS = 37
"""Question and answer pairs among the examples, of 28 questions."""


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return found


def arm_folders(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted((folder / "arms").iterdir())}


def replies_by_time(folder: Path) -> list[tuple[float, str, str]]:
    """When each row of any arm got its first reply: time, arm, row."""
    found = []
    for name, arm in arm_folders(folder).items():
        found += [
            (when, name, row) for row, when in query(arm, "SELECT row_id, min(received) FROM reply GROUP BY row_id")
        ]
    return sorted(found)


def farthest_apart(folder: Path, rows: int) -> int:
    """The most rows that an arm ever had replies to, more than another that had not ended."""
    counts: Counter[str] = Counter(dict.fromkeys(arm_folders(folder), 0))
    farthest = 0
    for _, arm, _ in replies_by_time(folder):
        counts[arm] += 1
        behind = [counts[other] for other in counts if other != arm and counts[other] < rows]
        farthest = max([farthest, *(counts[arm] - each for each in behind)])
    return farthest


def killed(folder: Path, replies: int, *arguments: object, how: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """Start the command and end it once every arm's store has a reply and all together so many. Gives code and errors."""
    with subprocess.Popen(
        command(*arguments),
        cwd=folder.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while stored(folder) < replies and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, "it ended too soon: make it slower"
        process.send_signal(how)
        _, errors = process.communicate(timeout=30)
    return process.returncode, errors


def stored(folder: Path) -> int:
    total = 0
    for path in folder.glob("arms/*/store.sqlite"):
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                total += connection.execute("SELECT count(*) FROM reply").fetchone()[0]
        except sqlite3.Error:
            return 0
    return total


def test_arms_differ_in_their_posts_or_one_runs_ahead(tmp_path: Path) -> None:
    out = tmp_path / "ablation"
    done = run(
        "ablate",
        EXAMPLES,
        *FLAGS,
        "--concurrency",
        6,
        "--offline-latency",
        0.02,
        "--examples",
        3,
        "--out",
        out,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    posts = {name: {row[0] for row in query(arm, "SELECT post_id FROM row")} for name, arm in arm_folders(out).items()}
    assert set(posts) == set(ARMS)
    assert posts["smile"] == posts["empathy"] == posts["standardT"]
    assert len(posts["smile"]) == POSTS
    assert farthest_apart(out, POSTS) <= SHARES_AHEAD * 2
    assert [name for _, name, _ in replies_by_time(out)[:30]].count("smile") >= 8

    html, found = (out / "report.html").read_text("utf-8"), report(out)
    assert str(out / "report.html") in done.stdout
    assert 'id="arms"' in html
    assert "Single-turn dialogue: {QA}" in html  # a line that only the baseline's prompt has
    arms = {arm["name"]: arm for arm in found["ablation"]["arms"]}
    for name, folder in arm_folders(out).items():
        replies, prompt, completion = query(
            folder, "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM reply"
        )[0]
        kept = len(read_lines(folder / "dialogues.jsonl"))
        assert (arms[name]["replies"], arms[name]["kept"]) == (replies, kept)
        tokens = next(f for f in found["figures"] if (f["corpus"], f["metric"]) == (name, "tokens_per_kept"))
        assert tokens["value"] == pytest.approx((prompt + completion) / kept)
        assert tokens["interval"]["low"] < tokens["value"] < tokens["interval"]["high"]
    held = {(c["metric"], c["corpus"]): c for c in found["comparisons"]}
    turns = held["turns_per_dialogue", "empathy"]
    assert turns["reference"] == "smile"
    assert "partners swapped" in turns["test"]
    assert all(c["p_corrected"] >= c["p"] for c in found["comparisons"] if c["p"] is not None)
    assert {pareto["key"] for pareto in found["ablation"]["paretos"]} == {"diversity"}
    assert "posts an arm" in found["ablation"]["detectable"]

    shown = run("show", out / "arms" / "smile", cwd=tmp_path)
    assert shown.returncode == 0
    assert stored(out) == 3 * POSTS


def test_a_fast_arm_runs_ahead_of_a_slow_one(tmp_path: Path) -> None:
    posts, out, config = write_posts(tmp_path / "posts.jsonl", 60), tmp_path / "ablation", tmp_path / "arms.yaml"
    with rogue("slow", tmp_path) as server:
        config.write_text(f"arms:\n  - {{name: slow, template: smile, base_url: '{server.url}', model: m}}\n")
        options = ("--arm", "fast=smile", "--arm-config", config, "--concurrency", 4, "--examples", 1, "--out", out)
        done = run("ablate", posts, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 2 <= farthest_apart(out, 60) <= SHARES_AHEAD * 2


SOME = ("ablate", EXAMPLES, *FLAGS, "-n", 12, "--seed", 5, "--concurrency", 6, "--examples", 1)
ROWS = 12 * len(ARMS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole ablation of twelve posts."""
    folder = tmp_path_factory.mktemp("finished") / "ablation"
    done = run(*SOME, "--out", folder, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_a_stopped_ablation_ends_otherwise_than_an_unbroken_one(
    tmp_path: Path, finished: Path, how: signal.Signals
) -> None:
    broken = tmp_path / "broken"
    slow = (*SOME, "--out", broken, "--offline-latency", 0.1)
    code, errors = killed(broken, 9, *slow, how=how)
    assert 9 <= stored(broken) < ROWS
    assert not (broken / "report.html").exists()
    if how is signal.SIGINT:
        assert code == 130
        assert "To go on: " in errors
    done = run(*slow, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert stored(broken) == ROWS
    assert farthest_apart(broken, 12) <= SHARES_AHEAD * 2
    assert report(broken) == report(finished)
    for name, arm in arm_folders(broken).items():
        assert (arm / "dialogues.jsonl").read_bytes() == (finished / "arms" / name / "dialogues.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ((*FLAGS[:4], "--arm", "standard"), "arms.standard."),
        ((*FLAGS[:4],), "order: "),
        ((*FLAGS, "--temperature", "0.5"), "arms.smile.temperature: 1.0 then, 0.5 now"),
        ((*FLAGS, "-n", "11"), "posts.count: 12 then, 11 now"),
        ((*FLAGS, "--max-regenerations", "2"), "protocol.max_regenerations: 0 then, 2 now"),
        (("--arm", "empathy", "--arm", "smile", "--arm", "standardT"), "order: "),
    ],
    ids=["another-template", "an-arm-less", "temperature", "posts", "regenerations", "another-order"],
)
def test_changed_arms_are_mixed_with_stored_ones(
    finished: Path, changed: tuple[str, ...], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = () if "-n" in changed else ("-n", "12")
    assert f"  {key}" in refused(capsys, *changed, *drawn, "--seed", "5", "--out", str(finished))
    assert stored(finished) == ROWS


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command line says when it refuses; it must do so in words."""
    with pytest.raises(SystemExit) as ended:
        main(["ablate", str(EXAMPLES), *arguments])
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert "Traceback" not in said
    return said


def test_the_same_template_twice_makes_a_difference(tmp_path: Path) -> None:
    out = tmp_path / "ablation"
    done = run("ablate", EXAMPLES, "--arm", "a=smile", "--arm", "b=smile", "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = report(out)
    settings = {arm["name"]: arm["settings"]["request_seed"] for arm in found["ablation"]["arms"]}
    assert settings == {"a": "0", "b": "1"}
    dialogues = [(arm / "dialogues.jsonl").read_bytes() for arm in arm_folders(out).values()]
    assert dialogues[0] != dialogues[1]
    tested = [each for each in found["comparisons"] if each["p_corrected"] is not None]
    assert len(tested) > 40
    assert [each["metric"] for each in tested if each["p_corrected"] < 0.05] == []
    assert found["ablation"]["diffs"] == [{"arm": "b", "baseline": "a", "lines": []}]


@pytest.mark.parametrize("order", [("smile", "hard.yaml"), ("hard.yaml", "smile"), ("hard.yaml", "again=hard.yaml")])
def test_an_arm_that_keeps_nothing_leaves_no_page(tmp_path: Path, order: tuple[str, str]) -> None:
    """Replies were paid for, and that none was kept is what the ablation found: also of the baseline, also of all arms."""
    template = (REPOSITORY / "prompts" / "smile.yaml").read_text("utf-8")
    assert "min: 5 " in template
    (tmp_path / "hard.yaml").write_text(template.replace("min: 5 ", "min: 60 "), "utf-8")
    arms = [part for arm in order for part in ("--arm", arm)]
    done = run("ablate", EXAMPLES, *arms, "-n", 8, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = report(tmp_path / "out")
    kept = {each["corpus"]: each["value"] for each in found["figures"] if each["metric"] == "kept_posts"}
    assert kept == {name: float(name == "smile") for name in kept}
    assert len(kept) == 2
    for corpus in found["corpora"]:
        assert ("It holds no dialogue, so it has no figure." in corpus["remarks"]) == (corpus["name"] != "smile")


def test_a_plan_sends_or_writes(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text((REPOSITORY / "prompts" / "smile.yaml").read_text("utf-8").replace("10 exchanges", "12 exchanges"))
    posts = write_posts(tmp_path / "posts.jsonl", 40)
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "A", "--model", "B", "--price-in", 1, "--price-out", 2)
        done = run("ablate", posts, "--arm", "smile", "--arm", mine, *options, "-n", 30, "--plan", cwd=tmp_path)
        assert server.lines() == []
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "outputs").exists()
    for arm in ("smile-A (baseline)", "smile-B", "mine-A", "mine-B"):
        assert f"\n{arm}\n" in f"\n{done.stdout}"
    assert "smile-B against smile-A: the same prompt." in done.stdout
    assert re.search(r"^  \+ .*12 exchanges", done.stdout, re.MULTILINE)
    assert re.search(r"^  - .*10 exchanges", done.stdout, re.MULTILINE)
    assert "120 requests" in done.stdout
    assert re.search(r"tokens: \d+\.\d{4} USD\.", done.stdout)
    assert "With 30 posts an arm" in done.stdout


def test_a_budget_bounds_each_arm_alone(tmp_path: Path) -> None:
    out = tmp_path / "ablation"
    options = ("ablate", EXAMPLES, *FLAGS, "--concurrency", 3, "--out", out, "--examples", 1)
    done = run(*options, "--max-total-tokens", 20_000, cwd=tmp_path)
    assert done.returncode == 4
    assert "--max-total-tokens is 20,000" in done.stderr
    assert "To go on: " in done.stderr
    spent = sum(
        query(arm, "SELECT sum(prompt_tokens + completion_tokens) FROM reply")[0][0]
        for arm in arm_folders(out).values()
    )
    assert 20_000 <= spent < 20_000 + 4 * 3_000  # what three requests in flight add
    assert not (out / "report.html").exists()


def test_smile_protocol_keeps_what_was_rejected_first(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 8), tmp_path / "ablation"
    with rogue("improving", tmp_path) as server:
        options = (
            "--base-url",
            server.url,
            "--model",
            "A",
            "--model",
            "B",
            "--protocol",
            "smile",
            "-n",
            4,
            "--examples",
            1,
        )
        done = run("ablate", posts, "--arm", "smile", *options, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = report(out)
    # Two replies to a prompt are short, whichever arm asks.
    assert sum(arm["replies"] for arm in found["ablation"]["arms"]) == 4 * 4
    assert [arm["kept"] for arm in found["ablation"]["arms"]] == [4, 4]
    refused_by = {each["rule"] for each in found["ablation"]["refusals"]}
    assert len(refused_by) == 1
    assert sum(each["replies"] for each in found["ablation"]["refusals"]) == 8


def test_an_arm_that_is_refused_leaves_the_others_running_alone(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 400), tmp_path / "ablation"
    other = tmp_path / "other"
    other.mkdir()
    with rogue("slow", tmp_path) as server, rogue("401", other) as closed:
        config = tmp_path / "arms.yaml"
        config.write_text(f"arms:\n  - name: shut\n    template: smile\n    base_url: {closed.url}\n    model: m\n")
        options = ("--base-url", server.url, "--model", "m", "--arm-config", config, "--out", out)
        done = run("ablate", posts, "--arm", "empathy", *options, cwd=tmp_path)
        assert done.returncode == 4
        assert "auth:" in done.stderr
        assert "OPENAI_API_KEY" in done.stderr
        assert len(server.lines()) < 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--arm", "smile"), "needs two arms"),
        (("--arm", "smile", "--arm", "empathy", "--tokenizer", "none"), "no tokenizer 'none'"),
        (("--arm", "smile", "--arm", "smile"), "Two arms are called 'smile'"),
        (("--arm", "smile", "--arm", "empathy", "--model", "A", "--model", "B"), "Several --model need --base-url"),
        (("--arm", "smile", "--arm", "empathy", "--concurrency", "1"), "--concurrency 1 is too low"),
        (("--arm", "smile", "--arm", "empathy", "--baseline", "x"), "--baseline x: is no arm"),
        (("--arm", "smile", "--arm", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--arm", "smile", "--arm", "=empathy"), "--arm =empathy: give a template"),
        (("--arm", "smile", "--arm", "empathy", "-n", "29"), "29 distinct questions were asked for"),
        (("--arm", "smile", "--arm", "empathy", "-n", "5", "--sample", "5"), "-n and --sample are the same"),
        (("--arm", "smile", "--arm", "empathy", "--human", "nowhere.json"), "nowhere.json"),
        (("--arm", "smile", "--arm-config", "arms.yaml"), "arms.0.temprature: Extra inputs are not permitted"),
        (
            ("--arm", "smile", "--arm", "empathy", "--protocol", "smile", "--top-p", "0.5"),
            "--protocol smile has top-p 1",
        ),
        (("--arm", "smile", "--arm-config", "none.yaml"), "--arm-config none.yaml: cannot be read"),
    ],
)
def test_wrong_usage_is_found_late_or_ends_in_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arms.yaml").write_text("arms:\n  - template: empathy\n    temprature: 0.5\n")
    assert said in refused(capsys, *arguments)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_five_hundred_posts_in_four_arms_take_three_minutes(tmp_path: Path) -> None:
    """Page included, on two cores. The posts are the examples, told apart by a sentence of their own."""
    examples = json.loads(EXAMPLES.read_text("utf-8"))
    posts = [
        {
            **each,
            "questionID": f"{each['questionID']}-{number}",
            "description": f"{each['description']}这是第{number}次。",
        }
        for number in range(500)
        for each in [examples[number % len(examples)]]
    ]
    path = tmp_path / "posts.json"
    path.write_text(json.dumps(posts, ensure_ascii=False), "utf-8")
    started = time.monotonic()
    options = ("--arm", "standard", "-n", 500, "--out", tmp_path / "ablation")
    done = run("ablate", path, *FLAGS, *options, cwd=tmp_path, timeout=400)
    took = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert stored(tmp_path / "ablation") >= 2000
    assert took < 180
