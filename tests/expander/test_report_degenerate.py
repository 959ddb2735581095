"""`report` on corpora that are hardly any: a page with clear remarks, never a traceback, a warning, NaN or infinity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.expander.report_runs import Row, english, report, row, sound, write

TALK = [("u", "最近睡不好。"), ("c", "持续多久了？"), ("u", "两个月。"), ("c", "听起来很累。")]
SENTENCE = "今天也没有睡好，"

DEGENERATE: dict[str, tuple[list[Row | str], str]] = {
    "one dialogue": ([row(TALK)], "It holds one dialogue"),
    "an empty text": ([row([("u", ""), ("c", "")]), *sound(3)], "utterances of the client are empty"),
    "nothing but empty texts": ([*[row([("u", ""), ("c", " ")])] * 3], "utterances of the client are empty"),
    "one speaker": ([*[row([("u", text) for who, text in TALK if who == "u"])] * 2], "Only the client speaks"),
    "an endless utterance": (
        [row([("u", SENTENCE * 12_500), ("c", "我在听。")]), *sound(3)],
        "Its longest utterance has 100,000 characters",
    ),
    "mixed languages": ([*sound(2), *english(2)], "Chinese and English are mixed"),
    "ten times the same": ([*[row(TALK)] * 10], "9 of its 10 dialogues say what an earlier one says"),
    "signs alone": (
        [row([("u", "……！"), ("c", "。。。")]), row([("u", "？"), ("c", "！")])],
        "It holds 2 dialogues only",
    ),
    "broken rows": ([*sound(3), "{", '{"messages": 5}', "[]"], "3 entries could not be read"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("good") / "good.jsonl", sound(24))


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "against a sound one"])
@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_corpus_breaks_the_report(tmp_path: Path, good: Path, name: str, *, beside: bool) -> None:
    rows, remark = DEGENERATE[name]
    odd = write(tmp_path / "odd.jsonl", rows)
    options = ("--examples", 3)
    corpora = (good, odd) if beside else (odd,)
    made = report(tmp_path, *corpora, *options, code=3 if name == "broken rows" else 0)
    assert any(remark in each for each in made.corpus("odd")["remarks"]), made.corpus("odd")["remarks"]
    assert remark in " ".join(made.page.split())
    assert made.figure("total_dialogues", "odd")["value"] == sum(isinstance(each, dict) for each in rows)


def test_a_degenerate_human_corpus_breaks_the_report(tmp_path: Path, good: Path) -> None:
    odd = write(tmp_path / "odd.jsonl", [row(TALK)])
    made = report(tmp_path, good, "--human", odd, "--examples", 3)
    assert made.corpus("odd")["human"] is True
    assert [each["remark"] for each in made.document["comparisons"] if each["p"] is None]


def test_corpora_that_share_everything_are_called_different(tmp_path: Path, good: Path) -> None:
    twin = write(tmp_path / "twin.jsonl", sound(24))
    made = report(tmp_path, good, twin, "--examples", 3)
    assert any("24 dialogues stand in both good and twin" in remark for remark in made.document["remarks"])
    held = [each for each in made.document["comparisons"] if each["difference"] is not None]
    assert held
    assert all(each["difference"] == pytest.approx(0, abs=1e-9) for each in held if "matched" not in each["metric"])
    assert not [each for each in held if each["p_corrected"] is not None and each["p_corrected"] < 0.05]


def test_languages_are_compared(tmp_path: Path, good: Path) -> None:
    foreign = write(tmp_path / "foreign.jsonl", english(8))
    made = report(tmp_path, good, foreign, "--examples", 3)
    assert made.document["comparisons"] == []
    assert any("never held against each other" in remark for remark in made.document["remarks"])
    assert (made.corpus("good")["language"], made.corpus("foreign")["language"]) == ("zh", "en")


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    '=HYPERLINK("http://evil","x")',
    "+1+1",
    "@SUM(A1)",
    "\x1b[31m红\x1b[0m",
    "行\u2028分\u2029隔",
    "{{ 7*7 }} {% raw %} ${x} %s",
    "-->]]></style></script>",
]


def test_texts_from_data_become_markup_formulas_or_escape_sequences(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        row([("u", text), ("c", text), ("u", f"{text}。"), ("c", f"我听到了{text}")])
        for text in HOSTILE
        for _ in range(3)
    ]
    # Half of a surrogate pair, which JSON can say and UTF-8 cannot.
    rows += [
        '{"messages": [{"role": "user", "content": "\\ud800难"}, {"role": "assistant", "content": "好\\udfff"}]}'
    ] * 2
    odd = write(tmp_path / "odd.jsonl", rows)
    made = report(tmp_path, odd, "--name", "=cmd|' /C calc'!A0<script>", "--title", "<b>bold\x1b[1m", code=3)
    assert made.document["corpora"][0]["broken"] == 2
    assert "<script>alert(1)" not in made.markup
    assert "<img src=x" not in made.markup
    assert "&lt;b&gt;bold" in made.markup
    assert "<b>bold" not in made.markup
    assert "\x1b" not in made.markup
    assert "\x1b" not in made.done.out + made.done.err
    (name,) = {line["corpus"] for line in made.tables["figures"]}
    assert name == "'=cmd|' /C calc'!A0<script>"


def test_half_a_surrogate_pair_breaks_the_report(tmp_path: Path) -> None:
    def session(sign: str) -> Row:
        return {"dialog": [{"speaker": who, "content": f"难{sign}。"} for who in ("Seeker", "Supporter") * 3]}

    odd = tmp_path / "odd.json"
    odd.write_text(json.dumps([session("过"), session("\ud800"), session("受"), session("\udfff")]), "utf-8")
    made = report(tmp_path, odd, "--examples", 2, code=3)
    assert (made.corpus("odd")["dialogues"], made.corpus("odd")["broken"]) == (2, 2)


def test_a_title_or_name_takes_the_json_apart(tmp_path: Path, good: Path) -> None:
    made = report(tmp_path, good, "--name", 'a"\\\n\u2028,', "--examples", 1)
    assert len(made.document["corpora"]) == 1
    json.dumps(made.document, allow_nan=False)
