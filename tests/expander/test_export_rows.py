"""Rows for trainers: none is skipped, nothing is invented, and what was changed is counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from hypothesis import given

from expander.errors import UsageError
from expander.export import FORMATS, ExportOptions, LeftOut, SystemPrompt, export, published_prompt
from expander.export.alternate import alternating
from expander.export.formats import dataset_info
from expander.export.sessions import sessions
from filters.dialogue import Dialogue, Role
from tests.expander.export_cases import HOSTILE, dialogue, dialogues, entry, facts, rows
from tests.expander.trainer_rules import OPENAI_TAGS, llama_factory_skips, trl_refuses

SYSTEM = SystemPrompt("你是一位咨询师。", "the tests")


def texts(said: Dialogue) -> list[str]:
    return [f"{'u' if role is Role.CLIENT else 'c'} {text}" for role, text in said.utterances]


def sharegpt_entry(*, system: bool) -> Mapping[str, object]:
    info = dataset_info("x", {"train": "train.jsonl"}, system=system)
    return info["x_train"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("system", [None, SYSTEM], ids=["no system prompt", "system prompt"])
@pytest.mark.parametrize("to", ["messages", "sft-sessions", "sharegpt", "llama-factory"])
def test_a_trainer_skips_a_row_of_a_hostile_corpus(to: str, system: SystemPrompt | None, tmp_path: Path) -> None:
    report = export(HOSTILE.values(), to=to, out=tmp_path / "out", options=ExportOptions(system=system), facts=facts())
    made = rows(tmp_path / "out")
    assert len(made) == report.rows > 0
    if to in {"messages", "sft-sessions"}:
        assert not [row["id"] for row in made if llama_factory_skips(row, OPENAI_TAGS)]
        assert not [row["id"] for row in made if trl_refuses(row)]
        assert all((row["messages"][0]["role"] == "system") is (system is not None) for row in made)
    else:
        assert not [row["id"] for row in made if llama_factory_skips(row, sharegpt_entry(system=system is not None))]
        assert all(row.get("system") == (SYSTEM.text if system else None) for row in made)


def test_the_checkers_see_nothing_wrong_in_rows_that_trainers_skip() -> None:
    for name in ("client twice", "counselor begins", "client ends", "nobody", "all empty"):
        roles = {Role.CLIENT: "user", Role.COUNSELOR: "assistant"}
        raw = {"messages": [{"role": roles[role], "content": text} for role, text in HOSTILE[name].dialogue.utterances]}
        assert trl_refuses(raw), name
        assert llama_factory_skips(raw, OPENAI_TAGS) or name == "all empty", name


@pytest.mark.parametrize(
    ("name", "kept", "counts"),
    [
        ("as it should be", ["u 睡不着", "c 多久了", "u 两周", "c 先记下来"], (0, 0, 0, 0)),
        ("client twice", ["u 睡不着\n也吃不下", "c 多久了"], (1, 0, 0, 0)),
        ("counselor twice", ["u 睡不着", "c 嗯\n多久了", "u 两周", "c 好"], (1, 0, 0, 0)),
        ("counselor begins", ["u 睡不着", "c 多久了"], (0, 2, 0, 0)),
        ("client ends", ["u 睡不着", "c 多久了"], (0, 0, 2, 0)),
        ("empty between", ["u 睡不着\n在吗", "c 在"], (1, 0, 0, 1)),
        ("white space and zero width", ["u 睡不着", "c 多久了"], (0, 1, 0, 2)),
    ],
)
def test_a_merge_or_trim_is_wrong_or_not_counted(name: str, kept: list[str], counts: tuple[int, ...]) -> None:
    made = alternating(HOSTILE[name].dialogue)
    assert made is not None
    assert texts(made.dialogue) == kept
    assert (made.merged, made.trimmed_start, made.trimmed_end, made.empty) == counts
    assert made.changed is any(counts)


@pytest.mark.parametrize("name", ["client only", "counselor only", "counselor then client", "nobody", "all empty"])
def test_a_dialogue_without_an_exchange_is_exported(name: str, tmp_path: Path) -> None:
    assert alternating(HOSTILE[name].dialogue) is None
    assert list(sessions(HOSTILE[name].dialogue)) == []
    with pytest.raises(UsageError, match="nothing of this corpus can be exported"):
        export([HOSTILE[name]], to="messages", out=tmp_path / "out", facts=facts())
    assert list(tmp_path.iterdir()) == []


@given(dialogues)
def test_an_utterance_is_lost_or_counted_twice(whole: Dialogue) -> None:
    made = alternating(whole)
    if made is None:
        return
    taken = made.merged + made.trimmed_start + made.trimmed_end + made.empty
    assert len(made.dialogue.utterances) + taken == len(whole.utterances)
    assert alternating(made.dialogue) == type(made)(
        dialogue=made.dialogue, merged=0, trimmed_start=0, trimmed_end=0, empty=0
    )
    roles = [role for role, _ in made.dialogue.utterances]
    assert roles == [Role.CLIENT, Role.COUNSELOR] * (len(roles) // 2)


@given(dialogues)
def test_a_session_is_not_the_alternating_beginning_of_its_dialogue(whole: Dialogue) -> None:
    ends = [place for place, said in enumerate(whole.utterances, 1) if said.role is Role.COUNSELOR]
    beginnings = [
        alternating(Dialogue(whole.utterances[:end]))
        for end in ends
        if whole.utterances[end - 1].text.strip(" \n\u200b")
    ]
    assert list(sessions(whole)) == [made.dialogue for made in beginnings if made is not None]


def test_a_session_holds_a_turn_of_another_dialogue(tmp_path: Path) -> None:
    corpus = [
        entry(str(n), *(f"{'uc'[turn % 2]} {n}:{turn}" for turn in range(2 + n % 7)), question=str(n % 5))
        for n in range(40)
    ]
    report = export(corpus, to="sft-sessions", out=tmp_path / "out", facts=facts())
    assert report.rows == sum((2 + n % 7) // 2 for n in range(40))
    for row in rows(tmp_path / "out"):
        said = [message["content"].partition(":") for message in row["messages"]]
        assert {number for number, _, _ in said} == {row["dialogue_id"]}
        assert [turn for _, _, turn in said] == [str(turn) for turn in range(len(said))]


def test_a_counselor_who_goes_on_does_not_end_a_session_of_its_own() -> None:
    assert [texts(session) for session in sessions(dialogue("u 甲", "c 乙", "c 丙", "u 丁", "c 戊"))] == [
        ["u 甲", "c 乙"],
        ["u 甲", "c 乙\n丙"],
        ["u 甲", "c 乙\n丙", "u 丁", "c 戊"],
    ]


def test_text_in_an_utterance_forges_a_line_of_soulchat(tmp_path: Path) -> None:
    export([HOSTILE["labels and newlines"]], to="soulchat", out=tmp_path / "out", facts=facts())
    first, second = rows(tmp_path / "out")
    assert first["input"] == "用户：一 心理咨询师：你该走了 用户：好 x\n心理咨询师："
    assert first["target"] == "用户：\n？"
    assert second["input"].split("\n") == [
        *first["input"].split("\n")[:1],
        "心理咨询师：用户： ？",
        "用户：{role}",
        "心理咨询师：",
    ]


def test_changes_are_not_told_row_by_row(tmp_path: Path) -> None:
    report = export(HOSTILE.values(), to="messages", out=tmp_path / "out", facts=facts())
    told = [orjson.loads(line) for line in (tmp_path / "out" / "changes.jsonl").read_bytes().splitlines()]
    left_out = {row["id"]: row["left_out"] for row in told if "left_out" in row}
    assert left_out == dict.fromkeys(["7", "8", "9", "10", "11"], "no-exchange") | {"12": "not-unicode"}
    assert report.left_out == {LeftOut.NO_EXCHANGE: 5, LeftOut.NOT_UNICODE: 1}
    changed = [row for row in told if "left_out" not in row]
    assert [row["id"] for row in changed] == ["1", "2", "3", "4", "5", "6"]
    for count in ("merged", "trimmed_start", "trimmed_end", "empty"):
        assert sum(row[count] for row in changed) == getattr(report, count)
    assert report.dialogues + sum(report.left_out.values()) == len(HOSTILE)
    assert "睡不着" not in (tmp_path / "out" / "changes.jsonl").read_text()


def test_dataset_info_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    export(HOSTILE.values(), to="llama-factory", out=tmp_path / "out", facts=facts(name="夜谈, 第一版"))
    info = orjson.loads((tmp_path / "out" / "dataset_info.json").read_bytes())
    assert {name for name in info if "," in name or " " in name} == set()
    assert {described["file_name"] for described in info.values()} == {
        path.name for path in (tmp_path / "out").glob("t*.jsonl")
    }
    assert {described["formatting"] for described in info.values()} == {"sharegpt"}


def test_the_published_system_prompt_differs_from_the_paper(papers: Path) -> None:
    assert published_prompt("smile").text in (papers / "smile.txt").read_text(encoding="utf-8").splitlines()


def test_an_unknown_name_is_answered_without_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="smile"):
        published_prompt("simle")
    with pytest.raises(UsageError, match="sft-sessions"):
        export([], to="alpaca", out=tmp_path / "out", facts=facts())


@pytest.mark.parametrize("to", [name for name, form in FORMATS.items() if not form.takes_system])
def test_a_system_prompt_vanishes_in_a_format_without_a_place_for_it(to: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no place for a system prompt"):
        export(HOSTILE.values(), to=to, out=tmp_path / "out", options=ExportOptions(system=SYSTEM), facts=facts())
