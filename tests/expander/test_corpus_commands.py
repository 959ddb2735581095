"""`audit`, `dedup` and `export`, each from its arguments to its files and exit code."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from expander.export import FORMATS
from tests.expander.corpus_runs import ROWS, cli, expanded, results
from tests.expander.running import read_lines
from tests.expander.running import run as command_run
from tests.expander.trainer_rules import llama_factory_skips, trl_refuses

Row = dict[str, Any]


@pytest.fixture(scope="module")
def smile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = ("--offline-fault", "rule-few-turns=0.2", "--offline-fault", "rule-markdown=0.3")
    return expanded(tmp_path_factory.mktemp("runs") / "smile", *options)


@pytest.fixture(scope="module")
def empathy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expanded(tmp_path_factory.mktemp("runs") / "empathy", "--template", "empathy")


def dialogues(run: Path) -> list[Row]:
    return read_lines(run / "dialogues.jsonl")


def write_lines(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


# audit


def spoken(row: Row, client: str, counselor: str) -> list[tuple[str, str]]:
    names = {"user": client, "assistant": counselor}
    return [(names[message["role"]], message["content"]) for message in row["messages"]]


def as_messages(folder: Path, rows: list[Row]) -> Path:
    return write_lines(folder / "corpus.jsonl", [{"messages": row["messages"]} for row in rows])


def as_smilechat(folder: Path, rows: list[Row]) -> Path:
    for number, row in enumerate(rows):
        said = [{"role": role, "content": text} for role, text in spoken(row, "client", "counselor")]
        (folder / f"{number}.json").write_text(json.dumps(said, ensure_ascii=False), "utf-8")
    return folder


def as_psy_insight(folder: Path, rows: list[Row]) -> Path:
    said = [[{"speaker": who, "content": text} for who, text in spoken(row, "Seeker", "Supporter")] for row in rows]
    path = folder / "corpus.json"
    path.write_text(json.dumps([{"dialog": dialog} for dialog in said], ensure_ascii=False), "utf-8")
    return path


def as_sharegpt(folder: Path, rows: list[Row]) -> Path:
    said = [[{"from": who, "value": text} for who, text in spoken(row, "human", "gpt")] for row in rows]
    return write_lines(folder / "corpus.jsonl", [{"conversations": conversation} for conversation in said])


def as_text(folder: Path, rows: list[Row]) -> Path:
    for number, row in enumerate(rows):
        said = "\n".join(f"{who}：{text}" for who, text in spoken(row, "求助者", "支持者"))
        (folder / f"{number}.txt").write_text(said, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        ("messages", as_messages),
        ("smilechat", as_smilechat),
        ("psy-insight", as_psy_insight),
        ("sharegpt", as_sharegpt),
        ("text", as_text),
    ],
)
def test_a_kind_of_corpus_is_audited_otherwise_than_its_run(
    tmp_path: Path, smile: Path, kind: str, write: Callable[[Path, list[Row]], Path]
) -> None:
    (tmp_path / "corpus").mkdir()
    corpus = write(tmp_path / "corpus", dialogues(smile))
    figures = []
    for source, options in ((smile, ()), (corpus, ()), (corpus, ("--kind", kind))):
        done = cli("audit", source, "--min-turns", 11, "--json", tmp_path / "audit.json", *options)
        assert done.code == 0, done.err
        figures.append(json.loads((tmp_path / "audit.json").read_text()))
        for rule in figures[-1]["rules"]:
            del rule["examples"]  # ids: these corpora have none of their own
    assert figures[0] == figures[1] == figures[2]
    assert figures[0]["dialogues"] == len(dialogues(smile))
    assert 0 < figures[0]["objected"] < figures[0]["dialogues"]


def test_the_bounds_and_the_speakers_are_not_asked_for(tmp_path: Path, smile: Path) -> None:
    rows = [{"id": "x", "messages": dialogues(smile)[0]["messages"][1:-1]}]
    corpus = write_lines(tmp_path / "corpus.jsonl", rows)
    assert "wrong-opening" in cli("audit", corpus).out
    assert "wrong-closing" in cli("audit", corpus).out
    assert "wrong-" not in cli("audit", corpus, "--opens-with", "any", "--closes-with", "client").out
    assert "too-many-turns" in cli("audit", corpus, "--max-turns", 5).out
    assert cli("audit", corpus, "--min-turns", 6, "--max-turns", 5).code == 2
    assert cli("audit", corpus, "--opens-with", "nobody").code == 2


def test_a_template_that_leaks_is_not_found(tmp_path: Path) -> None:
    leak = "The supporter's responses should provide the right amount of emotional support and regulation."
    said = [{"role": role, "content": leak} for role in ("user", "assistant")]
    corpus = write_lines(tmp_path / "corpus.jsonl", [{"messages": said}])
    assert "template-leak" not in cli("audit", corpus).out
    assert "template-leak" in cli("audit", corpus, "--template", "smile", "--template", "empathy").out
    assert cli("audit", corpus, "--template", "simle").code == 2


def test_a_broken_entry_goes_unnamed(tmp_path: Path, smile: Path) -> None:
    rows = (smile / "dialogues.jsonl").read_text("utf-8").splitlines()
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join([rows[0], "{", *rows[1:], '{"messages": []}']), "utf-8")
    done = cli("audit", corpus, "--json", tmp_path / "audit.json")
    assert done.code == 3
    assert f"{corpus}:2: not JSON" in done.err
    assert f"{corpus}:{len(rows) + 2}: `messages` holds no utterance" in done.err
    assert json.loads((tmp_path / "audit.json").read_text())["broken"] == 2


def test_a_thousand_broken_entries_fill_the_terminal(tmp_path: Path, smile: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes((smile / "dialogues.jsonl").read_bytes() + b"{\n" * 1000)
    done = cli("audit", corpus)
    assert done.code == 3
    assert len(done.err.splitlines()) == 21
    assert "1,000 entries are broken" in done.err


def test_an_id_steers_the_terminal(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "好"}]
    corpus = write_lines(tmp_path / "corpus.jsonl", [{"id": "a\x1b]0;b[red]", "messages": said}, {"id": "\x1b[2J"}])
    for done in (
        cli("audit", corpus),
        cli("dedup", corpus),
        cli("export", corpus, "--to", "csv", "--license", "mit", "--out", tmp_path / "out"),
    ):
        assert done.code == 3
        assert "\x1b" not in done.out + done.err


@pytest.mark.slow
def test_smilechat_has_another_number_of_short_dialogues(tmp_path: Path, data: Path) -> None:
    done = cli("audit", data / "smilechat.jsonl.xz", "--json", tmp_path / "audit.json")
    assert done.code == 0
    found = json.loads((tmp_path / "audit.json").read_text())
    counts = {rule["rule"]: rule["dialogues"] for rule in found["rules"]}
    assert (found["dialogues"], counts["too-few-turns"], found["at_most_two_utterances"]) == (55_165, 10_279, 1_998)
    assert counts["leaked-label"] > 0
    assert found["skipped_by_trainers"] / found["dialogues"] == pytest.approx(0.156, abs=0.0005)
    assert "10,279" in done.out


# dedup


def test_copies_in_another_run_stay(tmp_path: Path, smile: Path) -> None:
    copy = Path(shutil.copytree(smile, tmp_path / "copy"))
    out, report = tmp_path / "kept.jsonl", tmp_path / "report.json"
    done = cli("dedup", smile, copy, "-o", out, "--json", report)
    assert done.code == 0, done.err
    kept = read_lines(out)
    whole = {row["id"]: row for row in dialogues(smile)}
    assert {row["id"] for row in kept} == whole.keys()
    assert len(kept) == len(whole)
    assert {row["corpus"] for row in kept} <= {str(smile), str(copy)}
    for row in kept:
        assert row["messages"] == whole[row["id"]]["messages"]
        assert row["provenance"] == whole[row["id"]]["provenance"]
        assert row["question_id"] == whole[row["id"]]["provenance"]["question_id"]
    found = json.loads(report.read_text())
    assert len(found["dropped"]) == found["kept"] == len(whole)
    assert {one["how"] for one in found["dropped"]} == {"exact"}
    assert f"{len(whole)} clusters" in done.out


def test_another_seed_or_order_keeps_the_same_or_another_copy(tmp_path: Path, smile: Path, empathy: Path) -> None:
    def kept(*arguments: object) -> set[tuple[str, str]]:
        assert cli("dedup", *arguments, "--threshold", 0.5, "-o", tmp_path / "kept.jsonl").code == 0
        return {(row["corpus"], row["id"]) for row in read_lines(tmp_path / "kept.jsonl")}

    first = kept(smile, empathy)
    assert len(first) < len(dialogues(smile)) + len(dialogues(empathy))
    assert kept(empathy, smile) == first
    assert kept(smile, empathy, "--seed", 1) != first
    assert len(kept(smile, empathy, "--exact-only")) == len(dialogues(smile)) + len(dialogues(empathy))


def test_a_dialogue_of_the_reference_stays(tmp_path: Path, smile: Path) -> None:
    reference = write_lines(tmp_path / "reference.jsonl", dialogues(smile)[:5])
    done = cli("dedup", smile, "--against", reference, "--exact-only", "-o", tmp_path / "kept.jsonl")
    assert done.code == 0, done.err
    ids = [row["id"] for row in dialogues(smile)]
    assert [row["id"] for row in read_lines(tmp_path / "kept.jsonl")] == ids[5:]
    assert done.out.count("(reference)") == 5


def test_labels_of_a_corpus_are_lost_by_dedup(tmp_path: Path) -> None:
    said = [{"speaker": "Seeker", "content": "睡不着"}, {"speaker": "Supporter", "content": "多久了", "strategy": "问"}]
    corpus = write_lines(tmp_path / "in.jsonl", [{"dialog_id": 7, "topic": "sleep", "n": 2**70, "dialog": said}])
    assert cli("dedup", corpus, "-o", tmp_path / "out.jsonl").code == 0
    assert read_lines(tmp_path / "out.jsonl") == [
        {
            "id": "7",
            "corpus": str(corpus),
            "messages": [
                {"role": "user", "content": "睡不着"},
                {"role": "assistant", "content": "多久了", "strategy": "问"},
            ],
            "topic": "sleep",
            "n": 2**70,
        }
    ]


def test_dedup_replaces_its_input_or_reads_nothing(tmp_path: Path, smile: Path) -> None:
    corpus = write_lines(tmp_path / "in.jsonl", dialogues(smile))
    for arguments in (
        (),
        (corpus, corpus),
        (corpus, "--against", corpus),
        (corpus, "-o", corpus),
        (smile, "-o", smile / "kept.jsonl"),
        (corpus, "-o", tmp_path),
        (corpus, "-o", tmp_path / "nowhere" / "kept.jsonl"),
        (corpus, "-o", tmp_path / "a.jsonl", "--json", tmp_path / "a.jsonl"),
        (corpus, "--threshold", "1.5"),
        (corpus, tmp_path / "absent"),
    ):
        done = cli("dedup", *arguments)
        assert done.code == 2, arguments
        assert done.err
        assert "bug" not in done.err
    assert read_lines(corpus) == dialogues(smile)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


# export


def exported(corpus: Path, to: str, out: Path, *options: object) -> list[Row]:
    """Rows of all splits of an export in JSON lines."""
    done = cli("export", corpus, "--to", to, "--out", out, "--license", "cc-by-nc-4.0", *options)
    assert done.code == 0, done.err
    return [row for path in sorted(out.glob("t*.jsonl")) + sorted(out.glob("v*.jsonl")) for row in read_lines(path)]


@pytest.mark.parametrize("to", [name for name, form in FORMATS.items() if form.suffix == "jsonl"])
def test_an_export_has_other_dialogues_than_its_run(tmp_path: Path, smile: Path, to: str) -> None:
    rows = exported(smile, to, tmp_path / "out")
    whole = {row["id"]: row["messages"] for row in dialogues(smile)}
    if to == "messages":
        assert {row["id"]: row["messages"] for row in rows} == whole
        assert not any(map(trl_refuses, rows))
    elif to in {"sharegpt", "llama-factory"}:
        texts = {row["id"]: [said["value"] for said in row["conversations"]] for row in rows}
        assert texts == {name: [said["content"] for said in said_] for name, said_ in whole.items()}
        if to == "llama-factory":
            info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
            assert not any(llama_factory_skips(row, info["smile_train"]) for row in rows)
    else:
        assert len(rows) == sum(len(said) // 2 for said in whole.values())
    assert cli("audit", tmp_path / "out" / "train.jsonl").code == (2 if to == "soulchat" else 0)
    header = (tmp_path / "out" / "README.md").read_text("utf-8").split("---\n")[1]
    assert yaml.safe_load(header)["license"] == "cc-by-nc-4.0"


def test_parquet_or_csv_hold_other_dialogues_than_their_run(tmp_path: Path, smile: Path) -> None:
    from pyarrow import parquet

    whole = {row["id"]: [said["content"] for said in row["messages"]] for row in dialogues(smile)}
    for to in ("parquet", "csv"):
        exported(smile, to, tmp_path / to, "--split", "1,0,0")
    columns = parquet.read_table(tmp_path / "parquet" / "train.parquet").to_pylist()
    assert {row["id"]: [said["content"] for said in row["messages"]] for row in columns} == whole
    assert json.loads(columns[0]["provenance"])["provenance"]["template"] == "smile"
    with (tmp_path / "csv" / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        said = [(row["id"], row["text"]) for row in csv.DictReader(file)]
    assert said == [(name, text) for name, texts in whole.items() for text in texts]


def test_one_question_stands_on_two_sides(tmp_path: Path, data: Path) -> None:
    run = tmp_path / "run"
    made = command_run("expand", data / "psyqa_sample.json", "--out", run, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    sides: dict[str, set[str]] = {}
    exported(run, "messages", tmp_path / "out", "--split", "4,3,3", "--seed", 7)
    for split in ("train", "validation", "test"):
        for row in read_lines(tmp_path / "out" / f"{split}.jsonl"):
            sides.setdefault(row["question_id"], set()).add(split)
    assert len(sides) == 60
    assert all(len(side) == 1 for side in sides.values())
    assert {split for side in sides.values() for split in side} == {"train", "validation", "test"}


def test_the_card_of_a_run_says_something_else_than_the_run(tmp_path: Path, smile: Path) -> None:
    exported(smile, "messages", tmp_path / "out", "--name", "夜谈", "--language", "zh", "--language", "en")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    kept, rest = dialogues(smile), read_lines(smile / "rejected.jsonl")
    assert len(kept) + len(rest) == ROWS
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["pretty_name"] == "夜谈"
    assert header["language"] == ["zh", "en"]
    assert "baseline" in header["tags"]
    for line in (
        f"| kept |  | {len(kept)} |",
        f"| rejected by rule | too-few-turns | {len(rest)} |",
        f"| smile | {kept[0]['provenance']['template_sha256']} | offline-extractive | temperature 1.0, ",
        "| label-markup | ",
        "posts of posts.json",
    ):
        assert line in card, line


def test_merged_runs_lose_an_arm(tmp_path: Path, smile: Path, empathy: Path) -> None:
    cli("dedup", smile, empathy, "-o", tmp_path / "both.jsonl")
    exported(tmp_path / "both.jsonl", "sharegpt", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| smile | " in card
    assert "| empathy | " in card
    assert "baseline" in yaml.safe_load(card.split("---\n")[1])["tags"]


def test_a_corpus_of_people_is_called_synthetic_or_chinese(tmp_path: Path) -> None:
    said = [{"speaker": "Seeker", "content": "I cannot sleep."}, {"speaker": "Supporter", "content": "Since when?"}]
    corpus = write_lines(tmp_path / "in.jsonl", [{"dialog": said}])
    for options, origin in (((), "unknown"), (("--origin", "human"), "human")):
        exported(corpus, "messages", tmp_path / "out", "--overwrite", "--split", "1,0,0", *options)
        header = yaml.safe_load((tmp_path / "out" / "README.md").read_text("utf-8").split("---\n")[1])
        assert header["language"] == ["en"]
        assert origin in header["tags"]


def test_a_system_prompt_is_left_out(tmp_path: Path, smile: Path) -> None:
    (tmp_path / "mine.txt").write_text("你是一位倾听者。\n", "utf-8")
    for name, begins in (("smile", "现在你扮演一位专业的心理咨询师"), (tmp_path / "mine.txt", "你是一位倾听者。")):
        rows = exported(smile, "messages", tmp_path / "out", "--system-prompt", name, "--overwrite")
        assert all(row["messages"][0]["role"] == "system" for row in rows)
        assert all(row["messages"][0]["content"].startswith(begins) for row in rows)
    assert rows[0]["messages"][0]["content"] == "你是一位倾听者。"


def test_what_was_merged_or_left_out_is_not_reported(tmp_path: Path) -> None:
    def row(*roles: str) -> Row:
        return {"messages": [{"role": role, "content": f"{role} {n}"} for n, role in enumerate(roles)]}

    rows = [row("user", "user", "assistant"), row("assistant", "user", "assistant", "user"), row("user")]
    corpus = write_lines(tmp_path / "in.jsonl", rows)
    done = cli("export", corpus, "--to", "messages", "--out", tmp_path / "out", "--license", "mit")
    assert "1 dialogues left out: no client utterance is followed by a counselor utterance." in done.out
    assert "2 dialogues changed" in done.out
    assert "1 utterances merged" in done.out
    assert "1 trimmed at the start, 1 at the end" in done.out


def test_a_broken_entry_is_exported_without_a_word(tmp_path: Path, smile: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(b"{\n" + (smile / "dialogues.jsonl").read_bytes())
    done = cli("export", corpus, "--to", "messages", "--out", tmp_path / "out", "--license", "mit")
    assert done.code == 3
    assert done.err.count(f"{corpus}:1: not JSON") == 1
    assert (tmp_path / "out" / "train.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--to", "messages"], "A licence is needed, and none is assumed", id="no licence"),
        pytest.param(["--to", "alpaca", "--license", "mit"], "there are messages, sharegpt", id="format"),
        pytest.param(["--license", "mit"], "--to", id="no format"),
        pytest.param(["--to", "messages", "--license", "mit", "--split", "0.9,0.1"], "such as 0.9,0.05", id="split"),
        pytest.param(["--to", "messages", "--license", "mit", "--split", "0,0,0"], "not all of them zero", id="zeros"),
        pytest.param(["--to", "messages", "--license", "mit", "--system-prompt", "smlie"], "(smile)", id="system"),
        pytest.param(["--to", "soulchat", "--license", "mit", "--system-prompt", "smile"], "no place", id="no system"),
        pytest.param(["--to", "messages", "--license", "mit", "--origin", "human"], "Leave the option", id="origin"),
        pytest.param(["--to", "messages", "--license", "mit", "--kind", "text2"], "no kind", id="kind"),
    ],
)
def test_a_wrong_export_leaves_a_folder(tmp_path: Path, smile: Path, options: list[str], message: str) -> None:
    done = cli("export", smile, "--out", tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())


def test_an_export_replaces_another_unasked(tmp_path: Path, smile: Path) -> None:
    exported(smile, "messages", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    done = cli("export", smile, "--to", "csv", "--out", tmp_path / "out", "--license", "mit")
    assert done.code == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    exported(smile, "csv", tmp_path / "out", "--overwrite")
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_a_run_that_is_behind_its_store_is_exported(tmp_path: Path, smile: Path) -> None:
    behind = Path(shutil.copytree(smile, tmp_path / "run"))
    write_lines(behind / "dialogues.jsonl", dialogues(smile)[:-1])
    options = ("export", behind, "--to", "messages", "--out", tmp_path / "out", "--license", "mit")
    assert "give its `expand` command again" in cli(*options).err
    (behind / "dialogues.jsonl").unlink()
    assert "has not written its dialogues yet" in cli(*options).err
    cli("filter", behind)
    assert results(behind) == results(smile)
    assert cli(*options).code == 0
