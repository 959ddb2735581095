"""The card: complete, a licence only if given, and nothing in it that data could have put there as markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from expander.errors import UsageError
from expander.export import ArmFacts, CardFacts, ExportOptions, FunnelFacts, Origin, export, published_prompt
from expander.export.markdown import plain, table
from tests.expander.export_cases import entry, facts

NASTY = "x\n---\nlicense: mit\n---\n# Free | <script>alert(1)</script> `rm` [a](http://b) \u202e ${7*7} !!python/object: 'y' \"z\""


def card_of(folder: Path, known: CardFacts, to: str = "messages", options: ExportOptions | None = None) -> str:
    corpus = [entry("a", "u 甲", "u 乙", "c 丙"), entry("b", "u 甲", "c 乙", "u 丙"), entry("c", "c 甲")]
    export(corpus, to=to, out=folder / "out", options=options, facts=known)
    return (folder / "out" / "README.md").read_text(encoding="utf-8")


def header(card: str) -> Any:
    # As the Hub takes it: from the first line of three dashes to the next.
    found = re.match(r"\A---\n(.*?)\n---\n", card, re.DOTALL)
    assert found is not None
    return yaml.safe_load(found[1])


@pytest.mark.parametrize("blank", ["", "  ", "\n", "\u200b"], ids=ascii)
def test_a_licence_is_assumed(blank: str) -> None:
    with pytest.raises(UsageError, match="A licence is needed, and none is assumed"):
        facts(licence=blank)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-NC-4.0", {"license": "cc-by-nc-4.0"}),
        (
            "PsyQA user agreement, research only",
            {"license": "other", "license_name": "psyqa-user-agreement-research-only"},
        ),
        ("仅供研究", {"license": "other", "license_name": "see-card"}),
    ],
)
def test_the_hub_would_refuse_the_licence(licence: str, expected: dict[str, str], tmp_path: Path) -> None:
    values = header(card_of(tmp_path, facts(licence=licence)))
    assert {key: value for key, value in values.items() if key.startswith("license")} == expected


def test_data_becomes_markup_or_header(tmp_path: Path) -> None:
    known = facts(
        name=NASTY,
        source=NASTY,
        program=NASTY,
        licence=NASTY,
        licence_link=NASTY,
        languages=("zh", NASTY),
        arms=(ArmFacts(template=NASTY, template_hash=NASTY, model=NASTY, sampling={NASTY: NASTY}),),
        funnel=FunnelFacts(kept=1, rejected={NASTY: 2}, failed={NASTY: 1}, missing={NASTY: 1}),
        repairs={NASTY: 1},
        risk={NASTY: 1},
        risk_policy=NASTY,
        pii=NASTY,
        deduplication=NASTY,
        limits=(NASTY,),
    )
    card = card_of(tmp_path, known)
    values = header(card)
    assert values["license"] == "other"
    assert values["pretty_name"] == " ".join(NASTY.replace("\u202e", " ").split())
    body = card.split("\n---\n", 1)[1]
    assert "<script" not in body
    assert not re.search(r"(?<!\\)\]\(http", body)
    assert "\u202e" not in card
    assert not re.search(r"^(---|license: mit)$", body, re.MULTILINE)
    assert not re.search(r"^# Free", body, re.MULTILINE)
    assert body.count("\n# ") == 1
    for line in body.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in {3, 4, 5}


@given(st.text())
def test_a_cell_breaks_its_table(text: str) -> None:
    lines = table(("a", "b"), [(text, 1)]).splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3
    assert not set("<>") & set(plain(text))


def test_the_card_leaves_out_what_is_known(tmp_path: Path) -> None:
    known = facts(
        arms=(ArmFacts(template="smile", template_hash="9f8e7d", model="qwen3-8b", sampling={"temperature": 0.7}),),
        funnel=FunnelFacts(kept=88, rejected={"too-few-turns": 7}, failed={"timeout": 3}, missing={"unreadable": 2}),
        repairs={"markdown-label": 5},
        risk={"none": 75, "self-harm": 25},
        risk_policy="flagged",
        pii="validators, redacted before sending",
        deduplication="MinHash 0.8",
        limits=("Only nights.",),
    )
    options = ExportOptions(seed=11, system=published_prompt("smile"))
    card = card_of(tmp_path, known, options=options)
    for told in (
        *(
            "smile",
            "9f8e7d",
            "qwen3-8b",
            "temperature 0.7",
            "too-few-turns | 7",
            "timeout | 3",
            "unreadable | 2",
            "kept |  | 88",
        ),
        *(
            "markdown-label | 5",
            "25 of 100 dialogues (25.00%)",
            "flagged",
            "validators, redacted before sending",
            "MinHash 0.8",
        ),
        *(
            "Only nights.",
            "seed 11",
            "0.9 / 0.05 / 0.05",
            "Figure 12",
            "2 of 2 dialogues were changed",
            "dialogue-expander 0.1.0",
        ),
        *(
            "utterance before | 1",
            "client's first) | 0",
            "counselor's last) | 1",
            "no client utterance is followed",
            "all | 2 | 2",
        ),
        *("not therapy", "signed agreement", "SMILE", "SoulChat", "cc-by-nc-4.0"),
    ):
        assert told in card, told


def test_what_is_not_known_is_made_up(tmp_path: Path) -> None:
    card = card_of(tmp_path, facts())
    assert "Risk content: not measured." in card
    assert card.count("Not stated.") == 4
    assert "Models, templates and sampling: not stated." in card


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (Origin.SYNTHETIC, "Synthetic multi-turn"),
        (Origin.BASELINE, "rule-based baseline"),
        (Origin.HUMAN, "Do not try to identify anyone"),
        (Origin.UNKNOWN, "is not stated"),
    ],
)
def test_the_card_is_wrong_about_who_spoke(origin: Origin, told: str, tmp_path: Path) -> None:
    card = card_of(tmp_path, facts(origin=origin))
    assert told in card
    assert ("Synthetic" in card) is (origin is Origin.SYNTHETIC)
    assert str(origin) in header(card)["tags"]


@pytest.mark.parametrize("to", ["messages", "parquet", "csv", "sft-sessions"])
def test_the_header_names_a_file_that_is_not_there(to: str, tmp_path: Path) -> None:
    values = header(card_of(tmp_path, facts(), to=to))
    files = {data["split"]: data["path"] for data in values["configs"][0]["data_files"]}
    there = {path.name for path in (tmp_path / "out").iterdir()} - {"README.md", "changes.jsonl"}
    assert set(files.values()) == there
    assert values["size_categories"] == ["n<1K"]
