"""What is read in an answer, and what a request holds: pure, without an endpoint."""

from __future__ import annotations

import random

import pytest

from expander.annotation.pairing import pairs
from expander.annotation.rubric_answers import scores, winners
from expander.annotation.task import Unparseable
from expander.annotation.topic_answers import topic_labels
from expander.annotation.utterance_answers import utterance_labels
from expander.annotation.vocabulary import Vocabulary
from expander.annotation.windows import CHARACTERS, CONTEXT, LABELLED, windows
from expander.offline import annotator
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance
from prompts import Values, load, published
from prompts.annotation import Label, codebook, label_set, prompts, rubric

TOPICS = Vocabulary(codebook(), numbered=True)
STRATEGIES = Vocabulary(label_set("strategy").labels)


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("择偶, 焦虑", ["择偶", "焦虑"]),
        ("择偶，焦虑、压力；抑郁", ["择偶", "焦虑", "压力", "抑郁"]),
        ("择偶/焦虑", ["择偶", "焦虑"]),
        ('"择偶, 焦虑"', ["择偶", "焦虑"]),
        ("“择偶”，“焦虑”。", ["择偶", "焦虑"]),
        ("1. 择偶\n2. 焦虑", ["择偶", "焦虑"]),
        ("- **择偶**\n- **焦虑**", ["择偶", "焦虑"]),
        ("主题1：择偶, 主题2：焦虑", ["择偶", "焦虑"]),
        ("34. 焦虑, 1. 择偶", ["焦虑", "择偶"]),
        ("34, 1", ["焦虑", "择偶"]),
        ("焦虑（Anxiety）", ["焦虑"]),
        ("Mate Selection, anxiety", ["择偶", "焦虑"]),
        ('["择偶", "焦虑"]', ["择偶", "焦虑"]),
        ('```json\n{"topics": ["择偶", "天气"]}\n```', ["择偶", "天气"]),
        ('[{"name": "择偶", "definition": "想找伴侣"}]', ["择偶"]),
        ("[1] 焦虑\n[2] 择偶", ["焦虑", "择偶"]),
        ("这个对话的对话主题是：择偶, 焦虑。", ["择偶", "焦虑"]),
        ("The topics for this dialogue are: Anxiety, Weather", ["焦虑", "Weather"]),
        ("择偶: 想找伴侣却不知从何开始\n焦虑: 担心", ["择偶", "焦虑"]),
        ("择偶, 择偶, 天气, 天气", ["择偶", "天气"]),
        ("择偶, 焦虑\n\n解释：因为来访者说了很多，包括压力。", ["择偶", "焦虑"]),
        ("择偶, 焦虑\n来访者想找伴侣，所以选了这些，不选压力。", ["择偶", "焦虑"]),
        ("<think>压力？抑郁？</think>择偶", ["择偶"]),
        ("天气变化", ["天气变化"]),
        ("无", []),
        ("None.", []),
        ("[]", []),
    ],
)
def test_a_label_is_read_otherwise(answer: str, labels: list[str]) -> None:
    assert topic_labels(answer, TOPICS) == tuple(labels)


@pytest.mark.parametrize(
    "answer",
    [
        "抱歉，我无法判断。",
        "Sorry, I cannot help with that.",
        "这段对话主要讲了择偶的事，也有焦虑",
        "，。",
        "{",
        "我觉得都不太像",
        "很长" * 60,
    ],
)
def test_prose_is_read_as_labels(answer: str) -> None:
    assert isinstance(topic_labels(answer, TOPICS), Unparseable)


def test_a_name_that_holds_a_separator_is_cut() -> None:
    book = Vocabulary([Label("丧失/离别", "Loss, parting", "", ""), Label("家", "Home", "", "")])
    assert topic_labels("家, 丧失/离别", book) == ("家", "丧失/离别")
    assert topic_labels("Loss, parting, home", book) == ("丧失/离别", "家")


@pytest.mark.parametrize(
    "answer",
    [
        "2: Question\n4: Self-disclosure",
        "2：提问\n4：自我暴露",
        "[2] Question\n[4] self disclosure",
        "- 2: Question (提问) - 因为在问\n- 4: Self-disclosure。说了自己",
        "2: Question; 4: Self-disclosure",
        "2: 支持者: Question\n4: 支持者: Self-disclosure\n9: Others",
        '{"2": "Question", "4": ["Self-disclosure"]}',
        '[{"number": 2, "label": "Question"}, {"number": 4, "label": "Self-disclosure"}]',
        '{"labels": {"2": "Question", "4": "Self-disclosure"}}',
        '["Question", "Self-disclosure"]',
        "**2**: **Question**\n**4**: **Self-disclosure**",
    ],
)
def test_an_utterances_label_is_read_otherwise(answer: str) -> None:
    assert utterance_labels(answer, [2, 4], STRATEGIES) == {2: ["Question"], 4: ["Self-disclosure"]}


def test_two_labels_or_an_off_list_one_are_lost() -> None:
    assert utterance_labels("2: Question, Information\n4: Humour", [2, 4], STRATEGIES) == {
        2: ["Question", "Information"],
        4: ["Humour"],
    }


@pytest.mark.parametrize("answer", ["2: Question", "2: Question\n4:", "我不知道", '["Question"]', "{}", "[2]"])
def test_an_utterance_without_a_label_goes_unnoticed(answer: str) -> None:
    assert isinstance(utterance_labels(answer, [2, 4], STRATEGIES), Unparseable)


@pytest.mark.parametrize(
    "answer",
    [
        '{"content": 2, "empathy": 1, "helpfulness": 0, "safety": 1}',
        '{"scores": {"content": "2", "empathy": "1分", "helpfulness": 0.0, "safety": {"score": 1}}}',
        "content: 2\nempathy: 1\nhelpfulness: 0\nsafety: 1",
        "- 内容自然：2分\n- 共情：1分\n- 帮助：0分\n- 安全：1分",
        'Here:\n```json\n{"Content": 2, "Empathy": 1, "Helpfulness": 0, "Safety": 1}\n```',
    ],
)
def test_a_score_is_read_otherwise(answer: str) -> None:
    assert scores(answer, rubric("cehs").criteria) == {"content": 2, "empathy": 1, "helpfulness": 0, "safety": 1}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('{"content": 3, "empathy": 1, "helpfulness": 0, "safety": 1}', "outside 0 to 2"),
        ('{"content": 1.5, "empathy": 1, "helpfulness": 0, "safety": 1}', "no whole number"),
        ('{"content": true, "empathy": 1, "helpfulness": 0, "safety": 1}', "no whole number"),
        ('{"content": 1, "empathy": 1, "helpfulness": 0}', "nothing of safety"),
        ("很好", "nothing of content"),
    ],
)
def test_a_wrong_score_is_kept(answer: str, says: str) -> None:
    found = scores(answer, rubric("cehs").criteria)
    assert isinstance(found, Unparseable)
    assert says in found.reason


def test_a_winner_is_read_otherwise() -> None:
    criteria = rubric("pairwise").criteria
    expected = {"interactivity": "first", "helpfulness": "second", "comforting": "tie", "explainability": "tie"}
    said = '{"interactivity": "A", "helpfulness": "b", "comforting": "Tie", "explainability": "平局"}'
    assert winners(said, criteria) == expected
    assert winners("互动：A\n帮助：B\n安慰：tie\n可解释：平", criteria) == expected
    assert isinstance(winners(said.replace('"A"', '"C"'), criteria), Unparseable)


def talk(count: int, length: int = 10) -> Dialogue:
    roles = (Role.CLIENT, Role.COUNSELOR)
    return Dialogue(tuple(Utterance(roles[place % 2], f"{place}" * length) for place in range(count)))


@pytest.mark.parametrize("length", [1, 40, 900, 9000])
@pytest.mark.parametrize("count", [0, 1, 2, 47, 48, 49, 50, 51, 300])
def test_an_utterance_at_a_seam_is_asked_about_twice_or_never(count: int, length: int) -> None:
    dialogue = talk(count, length)
    found = list(windows(dialogue, Role.COUNSELOR))
    assert [place for window in found for place in window.asked] == list(range(1, count, 2))
    for window in found:
        assert 0 < len(window.asked) <= LABELLED
        assert window.end == window.asked[-1] + 1
        assert window.asked[0] - CONTEXT <= window.start <= window.asked[0]
        size = sum(len(text) for _, text in dialogue.utterances[window.start : window.end])
        assert size <= CHARACTERS or len(window.asked) == 1
    if length == 1 and found[1:]:
        assert all(window.start == window.asked[0] - CONTEXT for window in found[1:])


def entry(name: str, post: str | None = None, question: str | None = None) -> CorpusEntry:
    extra = {"provenance": {"post_id": post}} if post else {}
    return CorpusEntry(id=name, dialogue=talk(2), place=name, question_id=question, extra=extra)


def test_dialogues_of_one_post_are_parted() -> None:
    ours = [entry("a", "p1", "q"), entry("b", "p2", "q"), entry("c", "p3", "q")]
    theirs = [entry("x", "p3", "q"), entry("y", "p1", "q"), entry("z", "p1", "q")]
    assert [(p.one.id, p.other.id, p.by) for p in pairs(ours, theirs, seed=0)] == [
        ("a", "y", "post"),
        ("c", "x", "post"),
    ]
    ours, theirs = [entry("a", None, "q1"), entry("b", None, "q2")], [entry("x", None, "q2")]
    assert [(p.one.id, p.other.id, p.by) for p in pairs(ours, theirs, seed=0)] == [("b", "x", "question")]


def test_chance_pairs_a_dialogue_twice_or_forgets_its_seed() -> None:
    ours, theirs = [entry(f"a{n}") for n in range(9)], [entry(f"b{n}") for n in range(6)]
    drawn = [[(p.one.id, p.other.id) for p in pairs(ours, theirs, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({one for one, _ in drawn[0]}) == len({other for _, other in drawn[0]}) == 6


def test_the_offline_endpoint_takes_a_rewriting_prompt_for_an_annotation() -> None:
    asking = (
        prompts("topics")
        .by_language["zh"]
        .render({"definitions": "1. 家: 家", "names": "1. 家", "count": "1", "dialogue": "求助者: 家"})
    )
    assert annotator.recognised(asking) is not None
    for name in published():
        rewriting = load(name).render(Values(question=asking, answer=asking, topic="家"))
        assert annotator.recognised(rewriting) is None


def test_a_value_comes_back_changed_from_a_prompt() -> None:
    chance = random.Random(3)
    for name in ("topics", "utterances", "scores", "comparison"):
        for prompt in prompts(name).by_language.values():
            values = {variable: "".join(chance.choices("ab{}%家:：\n", k=40)) for variable in prompt.pieces[1::2]}
            assert prompt.read(prompt.render(values)) == values
            assert prompt.read("x" + prompt.render(values)) is None
