"""`report` on annotation folders and with judgements: end to end at the offline endpoint, and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.expander.annotating import dialogue, write_corpus
from tests.expander.annotation_cases import duels, scores, strategies
from tests.expander.corpus_runs import ROWS, cli, expanded
from tests.expander.report_runs import report
from tests.expander.running import read_lines

QUIET = ("--examples", 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms of the examples, judged in both ways and labelled."""
    folder = tmp_path_factory.mktemp("runs")
    for template in ("smile", "empathy"):
        expanded(folder / template, "--template", template)
        judge = ("--task", "judge", "--out", folder / f"{template}-cehs")
        assert cli("annotate", folder / template, *judge).code == 0
    pairwise = ("--task", "judge", "--rubric", "pairwise", "--against", folder / "empathy", "--out", folder / "pairs")
    assert cli("annotate", folder / "smile", *pairwise).code == 0
    assert cli("annotate", folder / "smile", "--task", "topics", "--out", folder / "labelled").code == 0
    return folder


def talks(path: Path, letter: str, rows: int = 4) -> Path:
    return write_corpus(path, [{**dialogue(number), "id": f"{letter}{number}"} for number in range(rows)])


def test_an_annotation_folder_is_no_corpus(tmp_path: Path, runs: Path) -> None:
    made = report(tmp_path, runs / "labelled", *QUIET)
    assert made.corpus("labelled")["dialogues"] == ROWS
    said = [label for row in read_lines(runs / "labelled" / "annotations.jsonl") for label in row["labels"]]
    (ranking,) = [each for each in made.document["rankings"] if each["name"] == "topics"]
    assert sum(entry["count"] for entry in ranking["entries"]) == len(said)
    assert cli("audit", runs / "labelled").code == 0
    done = cli("export", runs / "labelled", "--to", "messages", "--out", tmp_path / "out", "--license", "mit")
    assert done.code == 2
    assert "corpus.jsonl" in done.err
    for command in ("report", "audit"):
        done = cli(command, runs / "pairs")
        assert done.code == 2
        assert "--judgements" in done.err


def test_judgements_of_real_runs_are_lost_or_changed(tmp_path: Path, runs: Path) -> None:
    given = [word for name in ("smile-cehs", "empathy-cehs", "pairs") for word in ("--judgements", runs / name)]
    made = report(tmp_path, runs / "smile", runs / "empathy", *given, *QUIET)
    for arm in ("smile", "empathy"):
        rows = read_lines(runs / f"{arm}-cehs" / "annotations.jsonl")
        for key in ("content", "empathy", "helpfulness", "safety"):
            mean = sum(row["scores"][key] for row in rows) / len(rows)
            assert made.figure(f"cehs_{key}", arm)["value"] == pytest.approx(mean)
    held = {each["metric"]: each for each in made.document["comparisons"]}
    assert held["cehs_empathy"]["difference"] == pytest.approx(
        made.figure("cehs_empathy", "empathy")["value"] - made.figure("cehs_empathy", "smile")["value"]
    )
    assert f"Over {ROWS} pairs" in held["cehs_empathy"]["remark"]
    verdicts = [row["verdicts"]["interactivity"] for row in read_lines(runs / "pairs" / "annotations.jsonl")]
    points = sum({"corpus": 1.0, "tie": 0.5, "against": 0.0}[verdict] for verdict in verdicts) / len(verdicts)
    assert made.figure("pairwise_interactivity_win_rate", "smile")["value"] == pytest.approx(points)
    assert made.figure("pairwise_interactivity_win_rate", "empathy")["value"] == pytest.approx(1 - points)
    assert "SoulChat, Table 2" in made.page
    assert "Won by the first place, interactivity" in made.page


def test_scores_or_duels_differ_from_paper(tmp_path: Path) -> None:
    ours, theirs = talks(tmp_path / "ours.jsonl", "d"), talks(tmp_path / "theirs.jsonl", "r")
    judged = scores(tmp_path / "judged", [(2, 1, 0, 1), (1, 1, 2, 1), None])
    # Ours wins both orders, always the first place, a tie, and half an answer: 1, 1/2, 1/2, 1
    fought = duels(tmp_path / "fought", [("first", "second"), ("first", "first"), ("tie", "tie"), ("first", "")])
    made = report(tmp_path, ours, theirs, "--judgements", judged, "--judgements", fought, *QUIET)
    values = {key: made.figure(f"cehs_{key}", "ours")["value"] for key in ("judged", "content", "empathy", "total")}
    assert values == pytest.approx({"judged": 2 / 3, "content": 1.5, "empathy": 1.0, "total": 4.5})
    assert made.figure("pairwise_helpfulness_win_rate", "ours")["value"] == pytest.approx(3 / 4)
    assert made.figure("pairwise_helpfulness_win_rate", "theirs")["value"] == pytest.approx(1 / 4)
    assert made.figure("pairwise_helpfulness_first_place", "ours")["value"] == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert made.figure("pairwise_helpfulness_consistency", "ours")["value"] == pytest.approx(2 / 3)
    assert (
        "1 answers could not be read"
        in made.figure("pairwise_helpfulness_ties".replace("ties", "tie_rate"), "ours")["remark"]
    )
    assert any("3 of 4 dialogues were judged" in remark for remark in made.document["remarks"])


def test_scores_of_two_judges_are_held_against_each_other(tmp_path: Path) -> None:
    ours, theirs = talks(tmp_path / "ours.jsonl", "d"), talks(tmp_path / "theirs.jsonl", "r")
    one = scores(tmp_path / "one", [(2, 1, 0, 1)] * 4, model="x")
    other = scores(tmp_path / "other", [(1, 1, 0, 1)] * 4, model="y")
    rows = [{**row, "id": f"r{number}"} for number, row in enumerate(read_lines(other / "annotations.jsonl"))]
    write_corpus(other / "annotations.jsonl", rows)
    made = report(tmp_path, ours, theirs, "--judgements", one, "--judgements", other, *QUIET)
    assert not [each for each in made.document["comparisons"] if each["metric"].startswith("cehs")]
    assert any("different judges" in remark for remark in made.document["remarks"])


def test_two_duels_of_one_corpus_share_a_figure(tmp_path: Path) -> None:
    ours, theirs = talks(tmp_path / "ours.jsonl", "d"), talks(tmp_path / "theirs.jsonl", "r")
    third = talks(tmp_path / "third.jsonl", "s")
    won, lost = duels(tmp_path / "won", [("first", "second")] * 3), duels(tmp_path / "lost", [("second", "first")] * 3)
    rows = [{**row, "against_id": f"s{number}"} for number, row in enumerate(read_lines(lost / "annotations.jsonl"))]
    write_corpus(lost / "annotations.jsonl", rows)
    made = report(tmp_path, ours, theirs, third, "--judgements", won, "--judgements", lost, *QUIET)
    assert made.figure("pairwise_helpfulness_win_rate_1", "ours")["value"] == 1
    assert made.figure("pairwise_helpfulness_win_rate_2", "ours")["value"] == 0
    assert made.figure("pairwise_helpfulness_win_rate_2", "third")["value"] == 1


def test_an_own_rubric_is_taken_for_a_published_one_or_is_unknown(tmp_path: Path) -> None:
    corpus, rubric = talks(tmp_path / "ours.jsonl", "d"), tmp_path / "cehs.yaml"
    keys = ("content", "empathy", "helpfulness", "safety")
    entries = "".join(
        f"- {{key: {key}, low: 0, high: {1 + place}, description: 好}}\n" for place, key in enumerate(keys)
    )
    rubric.write_text(f"kind: scores\ncriteria:\n{entries}", "utf-8")
    judge = ("--task", "judge", "--rubric", rubric, "--out", tmp_path / "judged")
    assert cli("annotate", corpus, *judge).code == 0
    given = ("--judgements", tmp_path / "judged")
    done = cli("report", corpus, *given, *QUIET, "-o", tmp_path / "page.html")
    assert done.code == 2
    assert "--rubric cehs.yaml" in done.err
    made = report(tmp_path, corpus, *given, "--rubric", rubric, *QUIET)
    (metric,) = [each for each in made.document["metrics"] if each["key"] == "cehs_safety"]
    assert metric["unit"] == "points, 0 to 4"


def test_judgements_about_nothing_here_are_dropped_in_silence(tmp_path: Path) -> None:
    ours, twin = talks(tmp_path / "ours.jsonl", "d"), talks(tmp_path / "twin.jsonl", "d")
    theirs, judged = talks(tmp_path / "theirs.jsonl", "r"), scores(tmp_path / "judged", [(2, 1, 0, 1)] * 4)
    labels = strategies(tmp_path / "labels", [(["Question"], None)])
    fought = duels(tmp_path / "fought", [("first", "second")] * 3)
    again = scores(tmp_path / "again", [(2, 1, 0, 1)] * 4)
    for arguments, says in (
        ((theirs, "--judgements", judged), "holds any of the 4 dialogues"),
        ((ours, "--judgements", fought), "other dialogues"),
        ((ours, "--judgements", labels), "its task is strategy"),
        ((ours, twin, "--judgements", judged), "--judgements ours="),
        ((ours, "--judgements", f"nobody={judged}"), "no corpus of this report is named nobody"),
        ((ours, theirs, "--judgements", f"theirs={judged}"), "theirs holds none"),
        ((ours, "--judgements", judged, "--judgements", again), "`agree` says"),
        ((ours, "--judgements", tmp_path / "absent"), "no annotations are here"),
    ):
        done = cli("report", *arguments, *QUIET, "-o", tmp_path / "page.html")
        assert done.code == 2, arguments
        assert says in done.err, done.err
        assert not (tmp_path / "page.html").exists()
    made = report(tmp_path, ours, twin, "--judgements", f"twin={judged}", *QUIET)
    assert made.figure("cehs_content", "twin")["value"] == 2


def test_pairs_are_matched_by_their_paths_where_ids_are_the_same(tmp_path: Path) -> None:
    ours, theirs = talks(tmp_path / "ours.jsonl", "d"), talks(tmp_path / "theirs.jsonl", "d")
    fought = duels(tmp_path / "fought", [("first", "second")] * 3, corpus=str(theirs), against=str(ours))
    rows = [{**row, "against_id": row["id"]} for row in read_lines(fought / "annotations.jsonl")]
    write_corpus(fought / "annotations.jsonl", rows)
    made = report(tmp_path, ours, theirs, "--judgements", fought, *QUIET)
    assert made.figure("pairwise_helpfulness_win_rate", "theirs")["value"] == 1
    assert made.figure("pairwise_helpfulness_win_rate", "ours")["value"] == 0


def test_labels_of_people_are_not_held_against_the_annotators(tmp_path: Path) -> None:
    question, information = ["Question"], ["Information"]
    folder = strategies(
        tmp_path / "run",
        [(question, information), (question, question), (information, None)],
        given=[(question, question), (question, None), (information, question)],
    )
    made = report(tmp_path, folder / "corpus.jsonl", *QUIET)
    assert made.figure("strategy_exact", "corpus")["value"] == pytest.approx(3 / 5)
    assert made.figure("strategy_answered", "corpus")["value"] == pytest.approx(4 / 5)
    (ranking,) = [each for each in made.document["rankings"] if each["name"] == "strategy_confusions"]
    assert {entry["text"]: entry["count"] for entry in ranking["entries"]} == {
        "Question → (none)": 1,
        "Question → Information": 1,
    }
    assert any("two sets of strategy labels" in remark for remark in made.document["remarks"])
    assert json.dumps(made.document).count("always Question") == len(
        [each for each in made.document["comparisons"] if each["reference"] == "always Question"]
    )
