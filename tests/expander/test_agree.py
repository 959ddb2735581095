"""`agree`: alpha and accuracy on folders small enough to be worked out by hand, and on real ones of the offline endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.expander.annotating import small_corpus, write_corpus
from tests.expander.annotation_cases import duels, scores, strategies, topics
from tests.expander.corpus_runs import Done, cli
from tests.expander.running import read_lines

INFORMATION, QUESTION, OTHERS = ["Information"], ["Question"], ["Others"]


def agreed(folder: Path, *arguments: object) -> tuple[dict[str, Any], Done]:
    done = cli("agree", *arguments, "--json", folder / "agreement.json")
    assert done.code == 0, done.err
    return json.loads((folder / "agreement.json").read_text("utf-8")), done


def alphas(document: dict[str, Any]) -> dict[str, float | None]:
    return {each["of"]: each["alpha"] for each in document["agreement"]}


@pytest.mark.parametrize(
    ("distance", "alpha"),
    # Answers ab, a | b, b. MASI: (2 * 2/3 / 4) over (8/12). Jaccard: (1/4) over (7/12). Nominal: (1/2) over (10/12).
    [("masi", 1 / 2), ("jaccard", 1 - 3 / 7), ("nominal", 2 / 5)],
)
def test_alpha_of_sets_differs_from_paper(tmp_path: Path, distance: str, alpha: float) -> None:
    one, other = topics(tmp_path / "one", ["ab", "b"]), topics(tmp_path / "other", ["a", "b"])
    document, _ = agreed(tmp_path, one, other, "--distance", distance)
    assert alphas(document) == pytest.approx({"limited": alpha, "unlimited": alpha})


def test_alpha_of_labels_or_their_table_differs_from_paper(tmp_path: Path) -> None:
    """a a b b - against a b b b -: one of four units differs; 3 of 8 answers are a: 1 - (2/8) / (2*3*5 / (8*7))."""
    one = topics(tmp_path / "one", ["a", "a", "b", "b", None], model="x")
    other = topics(tmp_path / "other", ["a", "b", "b", "b", "a"], model="y")
    document, done = agreed(tmp_path, one, other)
    (said, _) = document["agreement"]
    assert said["alpha"] == pytest.approx(1 - 0.25 / (30 / 56))
    assert (said["units"], said["answers"]) == (4, 8)
    assert said["interval"]["low"] < said["alpha"] < said["interval"]["high"]
    assert {each["label"]: each["given"] for each in said["labels"]} == {"b": [2, 3], "a": [2, 1]}
    assert all(each["alpha"] == pytest.approx(said["alpha"]) for each in said["labels"])  # two labels: one yes or no
    assert "one has no answer, or no whole one, for 1 of 5" in done.out
    assert "one model" not in done.out
    assert "0.533" in done.out


def test_a_label_alone_agrees_otherwise_than_as_a_yes_or_no(tmp_path: Path) -> None:
    """Three annotators; label c is in every answer, so nothing can be said of it."""
    folders = [topics(tmp_path / name, [each + "c" for each in said]) for name, said in zip("xyz", ("ab", "aa", "bb"))]  # noqa: B905
    document, _ = agreed(tmp_path, *folders)
    labels = {each["label"]: each["alpha"] for each in document["agreement"][0]["labels"]}
    # a: 2 of 3 say yes in the first unit, 1 of 3 in the second: 1 - (2 * 2 * 1 / 2 * 2) / (2 * 3 * 3 / 5)
    assert labels["a"] == pytest.approx(1 - 4 / 3.6)
    assert labels["c"] is None


def test_utterances_of_one_dialogue_count_as_many_dialogues(tmp_path: Path) -> None:
    one = strategies(tmp_path / "one", [(QUESTION, INFORMATION), (QUESTION, QUESTION), (INFORMATION, OTHERS)] * 4)
    other = strategies(tmp_path / "other", [(QUESTION, OTHERS), (QUESTION, QUESTION), (INFORMATION, OTHERS)] * 4)
    document, _ = agreed(tmp_path, one, other)
    said = document["agreement"][0]
    # 24 units, 4 differ; 48 answers: 24 Question, 12 Information, 12 Others
    assert (said["units"], said["answers"]) == (24, 48)
    assert said["alpha"] == pytest.approx(1 - (8 / 48) / ((48**2 - 24**2 - 12**2 - 12**2) / (48 * 47)))
    assert "clusters" in said["interval"]["method"]


def test_scores_or_verdicts_are_mixed(tmp_path: Path) -> None:
    one = scores(tmp_path / "one", [(2, 1, 0, 1), (1, 1, 2, 1), None])
    other = scores(tmp_path / "other", [(2, 2, 0, 1), (1, 1, 2, 1), (0, 0, 0, 0)])
    document, done = agreed(tmp_path, one, other)
    found = alphas(document)
    assert found["content"] == found["helpfulness"] == 1
    # 1 1 | 2 1: 1 - (2/4) / (2 * 1 * 3 / (4 * 3))
    assert found["empathy"] == pytest.approx(0)
    assert found["safety"] is None
    assert "no further apart" in done.out


def test_real_runs_of_one_model_disagree(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path)
    for name, temperature in (("cool", 0), ("warm", 1)):
        options = ("--task", "strategy", "--temperature", temperature, "--out", tmp_path / name)
        assert cli("annotate", corpus, *options).code == 0
    document, done = agreed(tmp_path, tmp_path / "cool", tmp_path / "warm")
    assert alphas(document) == {"unlimited": 1, "limited": 1}
    assert document["agreement"][0]["units"] == 12
    assert "how steady it is, not how right" in done.out


def test_accuracy_differs_from_paper(tmp_path: Path) -> None:
    """Of 5 utterances with a label of people (case and spelling as the list has them), 3 are right; "Unknown" is none."""
    folder = strategies(
        tmp_path / "run",
        [(QUESTION, INFORMATION), (QUESTION, OTHERS), (INFORMATION, None)],
        given=[(["question"], QUESTION), (QUESTION, ["Unknown"]), (["Providing Information"], QUESTION)],
    )
    document, done = agreed(tmp_path, folder, "--with-given")
    values = {each["metric"]: each["value"] for each in document["figures"]}
    assert values["strategy_answered"] == pytest.approx(4 / 5)
    assert values["strategy_exact"] == pytest.approx(3 / 5)
    assert document["majority"] == "Question"
    assert {each["metric"]: each["value"] for each in document["baseline"]}["strategy_exact"] == pytest.approx(4 / 5)
    rows = dict(zip(document["confusion"]["human"], document["confusion"]["counts"], strict=True))
    columns = document["confusion"]["annotator"]
    assert dict(zip(columns, rows["Question"], strict=True)) == {"Question": 2, "Information": 1, "(none)": 1}
    assert "Question → Information" in done.out


def test_psy_insight_cannot_be_held_against_its_own_labels(tmp_path: Path, data: Path) -> None:
    options = ("--task", "strategy", "--limit", 20, "--out", tmp_path / "run")
    assert cli("annotate", data / "psy_insight_cn.json", *options).code == 0
    document, _ = agreed(tmp_path, tmp_path / "run", "--with-given")
    values = {each["metric"]: each["value"] for each in document["figures"]}
    human = [m.get("given strategy") for row in read_lines(tmp_path / "run" / "corpus.jsonl") for m in row["messages"]]
    assert sum(each["human"] for each in document["labels"]) == sum(
        len(set(each or ()) - {"Unknown"}) for each in human
    )
    assert 0 < values["strategy_exact"] <= values["strategy_overlap"] <= values["strategy_answered"] <= 1


def test_folders_that_cannot_agree_are_compared_or_end_in_a_traceback(tmp_path: Path) -> None:
    one, other = topics(tmp_path / "one", ["a", "b"]), topics(tmp_path / "other", ["a", "b"])
    labels, judge = strategies(tmp_path / "labels", [(QUESTION, None)]), scores(tmp_path / "judge", [(1, 1, 1, 1)])
    pairs = duels(tmp_path / "pairs", [("first", "second")])
    far, run = topics(tmp_path / "far", ["a"] * 4), tmp_path / "open"
    lines = read_lines(far / "annotations.jsonl")
    (far / "annotations.jsonl").write_text("".join(json.dumps({**row, "id": f"x{row['id']}"}) + "\n" for row in lines))
    run.mkdir()
    (run / "annotations.jsonl").write_text(json.dumps({**lines[0], "outcome": "unanswered"}) + "\n")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "annotations.jsonl").write_text('{"id": "d0", "outcome": "read", "unlimited": "我的秘密"}\n', "utf-8")
    for arguments, says in (
        ((one,), "two folders"),
        ((one, one), "twice"),
        ((one, labels), "about topics and"),
        ((judge, pairs), "judge (cehs)"),
        ((one, far), "No dialogue is in two"),
        ((one, run), "not finished"),
        ((one, broken), "annotations.jsonl:1: is no annotation: unlimited"),
        ((one, tmp_path / "absent"), "no annotations are here"),
        ((one, other, "--json", one / "annotations.jsonl"), "belongs to a corpus"),
        ((one, "--with-given"), "strategy and emotion"),
        ((labels, "--with-given"), "no strategy labels of its own"),
        ((labels, one, "--with-given"), "give one"),
    ):
        done = cli("agree", *arguments)
        assert done.code == 2, arguments
        assert says in done.err, done.err
        assert "Traceback" not in done.err
        assert "秘密" not in done.err


def test_dialogues_with_one_id_and_other_words_are_paired(tmp_path: Path) -> None:
    one = strategies(tmp_path / "one", [(QUESTION, INFORMATION)] * 3)
    other = strategies(tmp_path / "other", [(QUESTION, INFORMATION)] * 3)
    rows = read_lines(other / "corpus.jsonl")
    rows[0]["messages"][1]["content"] = "完全不同的一句话。"
    write_corpus(other / "corpus.jsonl", rows)
    document, done = agreed(tmp_path, one, other)
    assert document["agreement"][0]["units"] == 4
    assert "1 dialogues have one id and different words" in done.out


def test_answers_from_two_codebooks_are_compared(tmp_path: Path) -> None:
    corpus, book = small_corpus(tmp_path), tmp_path / "book.yaml"
    book.write_text("- {name: 考试焦虑, definition: 担心考试}\n- {name: 家, definition: 家里}\n", "utf-8")
    assert cli("annotate", corpus, "--task", "topics", "--out", tmp_path / "one").code == 0
    own = ("--codebook", book, "--out", tmp_path / "other")
    assert cli("annotate", corpus, "--task", "topics", *own).code == 0
    done = cli("agree", tmp_path / "one", tmp_path / "other")
    assert done.code == 2
    assert "another codebook" in done.err
