"""SMILECHAT as published, where it is at hand: 15.6 % of its rows would be skipped before, none after; 310,087 sessions."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson
import pytest

from expander.export import LeftOut, export
from expander.export.formats import dataset_info
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from tests.expander.export_cases import facts
from tests.expander.trainer_rules import OPENAI_TAGS, llama_factory_skips, trl_refuses

OPENAI = {Role.CLIENT: "user", Role.COUNSELOR: "assistant"}


def smilechat(data: Path) -> Iterator[CorpusEntry]:
    with lzma.open(data / "smilechat.jsonl.xz") as file:
        for number, line in enumerate(file, 1):
            row = orjson.loads(line)
            said = tuple(Utterance(Role(message["role"]), message["content"]) for message in row["messages"])
            yield CorpusEntry(id=row["id"], dialogue=Dialogue(said), place=f"smilechat:{number}")


def exported(folder: Path) -> Iterator[dict[str, object]]:
    for split in ("train", "validation", "test"):
        with (folder / f"{split}.jsonl").open("rb") as file:
            yield from map(orjson.loads, file)


def test_a_trainer_skips_a_dialogue_of_smilechat(data: Path, tmp_path: Path) -> None:
    skipped = 0
    for made in smilechat(data):
        raw = {"messages": [{"role": OPENAI[role], "content": text} for role, text in made.dialogue.utterances]}
        skipped += llama_factory_skips(raw, OPENAI_TAGS)
    assert skipped == 8_599
    assert round(skipped / 55_165, 3) == 0.156

    report = export(smilechat(data), to="messages", out=tmp_path / "out", facts=facts())
    assert (report.rows, report.left_out) == (55_111, {LeftOut.NO_EXCHANGE: 54})
    assert (report.merged, report.trimmed_start, report.trimmed_end, report.empty) == (462, 0, 8_323, 2)
    for row in exported(tmp_path / "out"):
        assert not llama_factory_skips(row, OPENAI_TAGS)
        assert not trl_refuses(row)


def test_llama_factory_skips_a_row_that_was_made_for_it(data: Path, tmp_path: Path) -> None:
    described = dataset_info("x", {"train": "train.jsonl"}, system=False)["x_train"]
    report = export(islice(smilechat(data), 5_000), to="llama-factory", out=tmp_path / "out", facts=facts())
    assert sum(not llama_factory_skips(row, described) for row in exported(tmp_path / "out")) == report.rows > 4_900


@pytest.mark.slow
def test_smilechat_gives_other_than_310_087_sessions(data: Path, tmp_path: Path) -> None:
    report = export(smilechat(data), to="sft-sessions", out=tmp_path / "out", facts=facts())
    assert report.rows == 310_087
    count = 0
    for row in exported(tmp_path / "out"):
        count += 1
        assert not llama_factory_skips(row, OPENAI_TAGS)
        assert not trl_refuses(row)
    assert count == 310_087
