"""`report` from its arguments to its files and exit code: in a process of its own where warnings and tracebacks would show."""

from __future__ import annotations

import json
import lzma
from itertools import islice
from pathlib import Path

import pytest

from tests.expander.corpus_runs import EXAMPLES, ROWS, Done, cli, expanded
from tests.expander.report_runs import Made, english, read, report, sound, write
from tests.expander.running import read_lines, run


@pytest.fixture(scope="module")
def smile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expanded(tmp_path_factory.mktemp("runs") / "smile")


@pytest.fixture(scope="module")
def empathy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expanded(
        tmp_path_factory.mktemp("runs") / "empathy", "--template", "empathy", "--without-rule", "too-few-turns"
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, smile: Path, empathy: Path) -> Made:
    """Two runs on the same posts, reported by the command as a shell starts it."""
    folder = tmp_path_factory.mktemp("both")
    page = folder / "page" / "both.html"
    done = run("report", smile, empathy, "--examples", 5, "-o", page, cwd=folder)
    assert done.returncode == 0, done.stderr
    return read(page, Done(done.returncode, done.stdout, done.stderr))


def kept(folder: Path) -> int:
    return len(read_lines(folder / "dialogues.jsonl"))


def test_posts_of_a_run_are_not_taken_from_its_store(both: Made, smile: Path) -> None:
    assert kept(smile) == ROWS
    for key in ("cosine_own_post", "cosine_random_post", "cosine_own_post_line", "random_post_above_line"):
        figure = both.figure(key, "smile")
        assert (figure["n"], figure["value"] is not None) == (ROWS, True)
    # The offline endpoint cuts the answer apart: its dialogues are far closer to their own posts than to others.
    assert both.figure("cosine_own_post", "smile")["value"] > 0.9
    assert both.figure("cosine_random_post", "smile")["value"] < 0.4


def test_arms_that_share_posts_are_not_compared_post_by_post(both: Made, smile: Path, empathy: Path) -> None:
    posts = [
        {line["provenance"]["post_id"] for line in read_lines(folder / "dialogues.jsonl")}
        for folder in (smile, empathy)
    ]
    shared = len(posts[0] & posts[1])
    assert shared > 30
    (turns,) = [each for each in both.document["comparisons"] if each["metric"] == "turns_per_dialogue"]
    assert (turns["corpus"], turns["reference"]) == ("empathy", "smile")
    assert "pair" in f"{turns['test']} {turns['interval']} {turns['remark']}".lower()
    assert turns["n"] == turns["n_reference"] == shared


def test_examples_do_not_stand_side_by_side(both: Made) -> None:
    assert len(both.document["examples"]) == 5
    for example in both.document["examples"]:
        assert [shown["corpus"] for shown in example] == ["smile", "empathy"]
        assert example[0]["similarity"] is example[1]["similarity"] is None  # both of one post


def test_the_answers_are_not_printed(both: Made) -> None:
    for answer in both.document["answers"]:
        assert answer["question"] in both.done.out
        assert answer["sentences"]
    assert "The page: " in both.done.out


def test_counts_differ_from_those_by_hand(both: Made, smile: Path) -> None:
    messages = [message for line in read_lines(smile / "dialogues.jsonl") for message in line["messages"]]
    assert both.figure("total_dialogues", "smile")["value"] == ROWS
    assert both.figure("total_utterances", "smile")["value"] == len(messages)
    assert both.figure("total_characters", "smile")["value"] == sum(len(message["content"]) for message in messages)
    clients = [message for message in messages if message["role"] == "user"]
    assert both.figure("total_client_utterances", "smile")["value"] == len(clients)


def test_the_same_seed_gives_another_report(tmp_path: Path, smile: Path, empathy: Path, both: Made) -> None:
    again = report(tmp_path, smile, empathy, "--examples", 5)
    assert again.document == both.document


def test_posts_beside_a_corpus_that_has_none(tmp_path: Path) -> None:
    made = report(tmp_path, write(tmp_path / "talk.jsonl", sound(12)), "--posts", EXAMPLES, "--examples", 1)
    assert made.figure("cosine_random_post", "talk")["value"] is not None
    assert not [each for each in made.document["figures"] if each["metric"] == "cosine_own_post"]


def test_a_corpus_of_posts_is_not_read(tmp_path: Path) -> None:
    made = report(tmp_path, EXAMPLES, "--examples", 1)
    assert made.corpus("posts")["kind"] == "psyqa"
    assert made.figure("total_utterances", "posts")["value"] == 2 * made.figure("total_dialogues", "posts")["value"]


def test_chinese_and_english_side_by_side(tmp_path: Path, smile: Path) -> None:
    talk, people = write(tmp_path / "talk.jsonl", english(9)), write(tmp_path / "people.jsonl", english(12)[3:])
    made = report(tmp_path, smile, talk, "--human", people, "--examples", 2)
    assert {(each["corpus"], each["reference"]) for each in made.document["comparisons"]} == {("talk", "people")}
    keys = {
        figure["corpus"]: figure["metric"]
        for figure in made.document["figures"]
        if figure["metric"].startswith("distinct_2")
    }
    assert set(keys) == {"smile", "talk", "people"}


def test_the_offline_embedding_endpoint_is_not_used(tmp_path: Path, smile: Path) -> None:
    made = report(tmp_path, smile, "--embeddings", "endpoint", "--examples", 1)
    assert "TF-IDF" not in str(made.document["settings"]["embeddings"])
    assert made.figure("pairwise_cosine_mean", "smile")["value"] is not None
    assert made.figure("cosine_own_post", "smile")["value"] > made.figure("cosine_random_post", "smile")["value"]


def test_names_are_mixed_up(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.jsonl", sound(4)), write(tmp_path / "b.jsonl", sound(5, 50))
    people = write(tmp_path / "c.jsonl", sound(6, 90))
    names = ("--name", "first", "--name", "second", "--name", "people")
    made = report(tmp_path, one, two, "--human", people, *names, "--baseline", "second", "--examples", 1)
    assert [(each["name"], each["dialogues"]) for each in made.document["corpora"]] == [
        ("first", 4),
        ("second", 5),
        ("people", 6),
    ]
    held = {(each["corpus"], each["reference"]) for each in made.document["comparisons"]}
    assert held == {("first", "people"), ("second", "people"), ("first", "second")}


def test_two_corpora_of_one_name_are_mixed_up(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    one, two = write(tmp_path / "a.jsonl", sound(4)), write(tmp_path / "x" / "a.jsonl", sound(5, 50))
    made = report(tmp_path, one, two, "--examples", 1)
    assert [each["name"] for each in made.document["corpora"]] == ["a", "a (2)"]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("talk") / "talk.jsonl", sound(3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("TALK", "--codebook", "none.yaml"), "none.yaml: this codebook cannot be read", id="no codebook"),
        pytest.param(("TALK", "--codebook", "TALK"), "this codebook cannot be read", id="a codebook that is no YAML"),
        pytest.param(("TALK", "-o", "page.pdf"), "page.pdf: the page is HTML", id="no page"),
        pytest.param(("TALK", "-o", "TALK/page.html"), "page.html", id="a file for a folder"),
        pytest.param(("TALK", "--baseline", "nobody"), "--baseline nobody", id="no such baseline"),
        pytest.param(("TALK", "--embeddings", "no-model"), "no-model", id="no local model"),
        pytest.param(
            ("TALK", "--embeddings", "endpoint", "--base-url", "http://127.0.0.1:1"), "--model", id="no model"
        ),
        pytest.param(
            ("TALK", "--base-url", "http://127.0.0.1:1", "--model", "m"), "--embeddings endpoint", id="a lone URL"
        ),
        pytest.param(
            ("TALK", "--embeddings", "no-model", "--base-url", "http://127.0.0.1:1"),
            "--embeddings endpoint",
            id="a URL beside a folder",
        ),
        pytest.param(("TALK", "--tokenizer", "no-tokenizer"), "no-tokenizer", id="no tokenizer"),
        pytest.param(("TALK", "--posts", "none.json"), "none.json", id="no posts"),
        pytest.param(("TALK", "--name", "a", "--name", "b"), "--name is given 2 times", id="too many names"),
        pytest.param(("TALK", "TALK", "--name", "a", "--name", "a"), "one name to two", id="a name twice"),
        pytest.param(("none.jsonl",), "none.jsonl", id="no such corpus"),
        pytest.param((), "Name a corpus", id="no corpus"),
    ],
)
def test_wrong_usage_ends_in_more_than_a_line(
    tmp_path: Path, talk: Path, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("report", *(argument.replace("TALK", str(talk)) for argument in arguments))
    assert (done.code, done.out) == (2, "")
    (last,) = [line for line in done.err.splitlines() if not line.endswith("...")]
    assert words in last
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("text", ["", "3", "topics: 5", "- 3", "- {title: x}", "- ''"])
def test_a_codebook_of_something_else_passes(tmp_path: Path, talk: Path, text: str) -> None:
    (tmp_path / "codebook.yaml").write_text(text, "utf-8")
    done = cli("report", talk, "--codebook", tmp_path / "codebook.yaml", "-o", tmp_path / "report.html")
    assert done.code == 2
    assert "a codebook is a list of topics" in done.err


def test_people_pass_for_a_baseline(tmp_path: Path, talk: Path) -> None:
    """They are held against everything anyway; the corpora would silently be held against the first instead."""
    people = write(tmp_path / "people.jsonl", sound(3, 90))
    done = cli("report", talk, "--human", people, "--baseline", "people", "-o", tmp_path / "report.html")
    assert done.code == 2
    assert "--baseline people" in done.err
    assert "there are: talk" in done.err


def test_a_report_replaces_what_it_reads(tmp_path: Path) -> None:
    corpus = write(tmp_path / "report.json", sound(2))
    before = corpus.read_bytes()
    done = cli("report", corpus, "-o", tmp_path / "report.html")
    assert done.code == 2
    assert "belongs to a corpus that is read" in done.err
    assert corpus.read_bytes() == before


def test_an_unfinished_run_is_reported(tmp_path: Path, smile: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "store.sqlite").write_bytes((smile / "store.sqlite").read_bytes())
    done = cli("report", tmp_path / "run", "-o", tmp_path / "report.html")
    assert done.code == 2
    assert "has not written its dialogues yet" in done.err


def test_real_corpora_break_the_report(tmp_path: Path, data: Path) -> None:
    """A slice of SMILECHAT against the Chinese and the English part of Psy-Insight."""
    with lzma.open(data / "smilechat.jsonl.xz", "rt", encoding="utf-8") as file:
        corpus = tmp_path / "smilechat.jsonl"
        corpus.write_text("".join(islice(file, 80)), "utf-8")
    people = tuple(
        write_json(tmp_path / name, json.loads((data / name).read_text("utf-8"))[:40])
        for name in ("psy_insight_cn.json", "psy_insight_en.json")
    )
    made = report(tmp_path, corpus, "--human", people[0], "--human", people[1], "--examples", 3)
    assert [(each["name"], each["language"]) for each in made.document["corpora"]] == [
        ("smilechat", "zh"),
        ("psy_insight_cn", "zh"),
        ("psy_insight_en", "en"),
    ]
    assert {(each["corpus"], each["reference"]) for each in made.document["comparisons"]} == {
        ("smilechat", "psy_insight_cn")
    }
    assert any("75 cases" in remark for remark in made.corpus("psy_insight_cn")["remarks"])


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return path


def test_a_run_whose_template_needs_no_post_is_held_against_posts_of_its_own(tmp_path: Path) -> None:
    run("expand", EXAMPLES, "--template", "standardT", "--limit", "8", "--out", tmp_path / "run", cwd=tmp_path)
    made = report(tmp_path, tmp_path / "run", "--examples", 1)
    assert not [each for each in made.document["figures"] if each["metric"] == "cosine_own_post"]
