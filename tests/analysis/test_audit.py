from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from analysis.audit import Audit, audit, trainers_take
from analysis.audit_table import audit_table
from analysis.corpora import BrokenEntry, read_corpus
from analysis.dialogue_rules import DIALOGUE_RULES, Demands, objections
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from filters.rules import RULES
from tests.analysis.making import dialogue, entries, entry, sound


def counts(found: Audit) -> dict[str, int]:
    """The rules that objected."""
    return {rule.rule: rule.dialogues for rule in found.rules if rule.dialogues}


def with_last(text: str) -> Dialogue:
    *start, (role, _) = sound().utterances
    return Dialogue((*start, Utterance(role, text)))


def test_a_sound_dialogue_meets_no_objection() -> None:
    assert not list(objections(entry("a", sound()), Demands()))


def test_an_audit_asks_the_jobs_own_rules_under_their_own_names() -> None:
    order = [rule.name for rule in RULES]
    asked = [rule.name for rule in DIALOGUE_RULES]
    assert asked == sorted(asked, key=order.index)
    assert len(asked) == 15


_TWICE = Dialogue((*sound().utterances[:3], *sound().utterances[2:]))


@pytest.mark.parametrize(
    ("rule", "spoken"),
    [
        ("too-few-turns", sound(4)),
        ("wrong-opening", Dialogue(sound().utterances[1:])),
        ("wrong-closing", Dialogue(sound().utterances[:-1])),
        ("same-speaker-twice", _TWICE),
        ("leaked-label", with_last("我在听。求助者：谢谢你。")),
        ("leaked-label", with_last("支持者：我在听。")),
        ("empty-utterance", with_last(" ")),
        ("empty-utterance", with_last("")),
        ("empty-utterance", with_last("……")),
        ("english-ending", with_last("好的。I hope you feel better soon.")),
        ("assistant-voice", with_last("作为一个AI，我没有感受。")),
        ("placeholder", with_last("你好，[你的名字]。")),
        ("repetition-loop", with_last("我会一直陪着你的" * 40)),
        ("broken-characters", with_last("我在听\ufffd。")),
        ("special-token", with_last("我在听。<|im_end|>")),
    ],
)
def test_each_fault_is_found_alone(rule: str, spoken: Dialogue) -> None:
    assert [found.rule for found in objections(entry("a", spoken), Demands())] == [rule]


def test_all_objections_of_a_dialogue_count() -> None:
    bad = dialogue("你好", "求助者：我很难过。")
    found = audit([entry("bad", bad), entry("good", sound())])
    assert counts(found) == {"leaked-label": 1, "too-few-turns": 1}
    assert (found.objected, found.dialogues) == (1, 2)


def test_turns_are_utterances_over_two_rounded_down() -> None:
    nine, ten = Dialogue(sound().utterances[:9]), Dialogue(sound().utterances[:10])
    demands = Demands(closes_with=None)
    assert counts(audit(entries([nine, ten]), demands=demands)) == {"too-few-turns": 1}
    assert counts(audit(entries([nine, ten]), demands=Demands(closes_with=None, max_turns=5, min_turns=0))) == {}
    assert counts(audit(entries([nine, ten]), demands=Demands(closes_with=None, max_turns=4, min_turns=0))) == {
        "too-many-turns": 1
    }


def test_impossible_turn_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="8 turns at least and 5 at most"):
        Demands(min_turns=8, max_turns=5)


def test_an_english_dialogue_may_end_in_english() -> None:
    english = dialogue(*["I have not been sleeping well lately.", "How long has this been going on for you?"] * 2)
    assert "english-ending" not in counts(audit([entry("a", english)]))
    one_line = dialogue("我很难过。Please help me to feel better.")
    assert "english-ending" in counts(audit([entry("a", one_line)]))


def test_an_instruction_of_a_given_template_is_found() -> None:
    template = "请把下面的问答改写成十轮以上的多轮对话，并保持专业语气。\n{QA}"
    leaking = with_last("请把下面的问答改写成十轮以上的多轮对话，并保持专业语气。")
    assert counts(audit([entry("a", leaking)], demands=Demands(template_texts=("另一个模板的文字", template)))) == {
        "template-leak": 1
    }
    assert counts(audit([entry("a", leaking)])) == {}


def test_a_speaker_that_text_reading_merged_counts_as_speaking_twice() -> None:
    assert counts(audit([entry("a", sound(), repairs={"speakers-merged": 2})])) == {"same-speaker-twice": 1}


def test_totals_tell_what_a_trainer_would_skip() -> None:
    broken = BrokenEntry("x:1", "not JSON")
    found = audit(
        [
            entry("a", sound()),
            broken,
            entry("b", Dialogue(sound().utterances[:1])),
            entry("c", _TWICE),
            entry("d", dialogue("你好", "你好，请说")),
        ]
    )
    assert (found.dialogues, found.broken, found.first_broken) == (4, 1, (broken,))
    assert (found.client_utterances, found.counselor_utterances) == (6 + 1 + 7 + 1, 6 + 6 + 1)
    assert (found.end_with_client, found.at_most_two_utterances, found.skipped_by_trainers) == (1, 2, 2)


def test_a_copy_that_differs_in_punctuation_and_width_is_the_same_words() -> None:
    one = dialogue("你好，ＡＢＣ！", "嗯… 请说")
    other = dialogue("你好abc", "嗯，请说。")
    assert audit(entries([one, other, dialogue("你好", "嗯")])).exact_duplicates == 1


def test_examples_are_the_first_ids_met() -> None:
    found = audit(entries([sound(2)] * 9), examples=3)
    assert next(rule.examples for rule in found.rules if rule.rule == "too-few-turns") == ("0", "1", "2")


def test_an_empty_stream_gives_an_empty_audit() -> None:
    found = audit([])
    assert (found.dialogues, counts(found)) == (0, {})
    assert all(rule.share == 0 for rule in found.rules)


def test_the_file_says_its_schema_and_every_rule() -> None:
    found = audit([entry("a", sound(2)), BrokenEntry("x:1", "not JSON")])
    written = json.loads(json.dumps(found.to_json()))
    assert written["schema"] == 1
    assert written["demands"]["opens_with"] == "client"
    assert {rule["rule"]: rule["dialogues"] for rule in written["rules"]} == {
        rule.name: int(rule.name == "too-few-turns") for rule in DIALOGUE_RULES
    }
    assert written["first_broken"] == [{"place": "x:1", "reason": "not JSON"}]


def test_the_table_shows_rules_totals_and_ids_as_they_are() -> None:
    screen = io.StringIO()
    found = audit([entry("[bold]odd[/]", sound(2)), BrokenEntry("x:1", "not [JSON]")])
    Console(file=screen, width=120).print(audit_table(found, title="corpus"))
    shown = screen.getvalue()
    assert all(
        part in shown for part in ("too-few-turns", "100.0%", "[bold]odd[/]", "not [JSON]", "skipped by trainers")
    )


_ANY = st.lists(st.tuples(st.sampled_from(Role), st.text(max_size=30)), min_size=1, max_size=12)


@given(_ANY)
def test_no_dialogue_crashes_the_audit(spoken: list[tuple[Role, str]]) -> None:
    whole = Dialogue(tuple(Utterance(role, text) for role, text in spoken))
    found = audit([entry("a", whole)])
    assert found.objected == bool(counts(found))
    reported = list(objections(entry("a", whole), Demands()))
    length = sum(len(text) + 1 for _, text in spoken) - 1
    assert all(span is None or 0 <= span.start <= span.end <= length for _, _, span in reported)
    asked = {"wrong-opening", "wrong-closing", "same-speaker-twice"}
    assert trainers_take(whole) == (not asked & {found.rule for found in reported})


@pytest.mark.slow
def test_smilechat_as_published(data: Path) -> None:
    start = time.monotonic()
    found = audit(read_corpus(data / "smilechat.jsonl.xz"))
    assert time.monotonic() - start < 60
    assert (found.dialogues, found.broken) == (55_165, 0)
    assert (found.client_utterances, found.counselor_utterances) == (318_197, 310_087)
    assert counts(found)["too-few-turns"] == 10_279
    assert counts(found)["wrong-closing"] == found.end_with_client == 8_321
    assert counts(found)["same-speaker-twice"] == 350
    assert 240 <= counts(found)["leaked-label"] <= 256  # 256 hold a label with a colon, some of those in prose
    assert found.at_most_two_utterances == 1_998
    assert found.skipped_by_trainers == 8_599  # 15.6 %
    assert found.exact_duplicates == 2


def test_the_first_of_smilechat(data: Path) -> None:
    stream = read_corpus(data / "smilechat.jsonl.xz")
    first = [found for found, _ in zip(stream, range(1000), strict=False) if isinstance(found, CorpusEntry)]
    short = [found.id for found in first if len(found.dialogue.utterances) < 10]
    rule = next(rule for rule in audit(first, examples=1000).rules if rule.rule == "too-few-turns")
    assert list(rule.examples) == short
    assert short
