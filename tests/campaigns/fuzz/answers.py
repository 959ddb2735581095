"""Targets: what annotators and judges answer, read into labels and scores, and the files that hold such answers."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from analysis.topics.labels import labels_of
from expander.annotation.rubric_answers import scores, winners
from expander.annotation.task import Unparseable
from expander.annotation.topic_answers import topic_labels
from expander.annotation.utterance_answers import utterance_labels
from expander.annotation.vocabulary import Vocabulary
from expander.annotation.writing import ANNOTATIONS
from expander.commands.annotation_folders import annotation_folder
from expander.errors import UsageError
from filters.dialogue import CorpusEntry, Dialogue
from prompts.annotation import codebook, label_set, rubric
from tests.campaigns.fuzz import scratch
from tests.campaigns.fuzz.contract import Target, held
from tests.campaigns.fuzz.nasties import BYTES, line

_TOPICS = Vocabulary(codebook(None), numbered=True)
_STRATEGY = Vocabulary(label_set("strategy").labels)
_CEHS = rubric("cehs").criteria
_PAIRWISE = rubric("pairwise").criteria
_NUMBERS = (2, 4, 6)
_WORDS = (
    *BYTES,
    *(
        text.encode()
        for text in (
            "主题：",
            "Topics: ",
            "1. ",
            "- ",
            "（",
            "）",
            "【",
            "】",
            "，",
            "、",
            "；",
            " and ",
            "解释：",
            "Reason: ",
            "<think>",
            "</think>",
            "```json\n",
            "```",
            "[3]: ",
            "5：",
            "->",
            "Question",
            "情绪",
            "焦虑",
            "A",
            "tie",
            "平局",
            "3分",
            "4/5",
            "4.0",
            "|",
            "**",
            "(n/a)",
            "none",
            "无",
        )
    ),
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _same_twice(read: Callable[[str], object], text: str) -> object:
    found = read(text)
    held(found == read(text), "reading is a function of the answer")
    if isinstance(found, Unparseable):
        held(bool(found.reason), "an answer that cannot be read says why")
        held(len(text) < 40 or text not in found.reason, "the reason never quotes the answer")
        return None
    orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS)
    return found


def topics(data: bytes) -> None:
    found = _same_twice(lambda text: topic_labels(text, _TOPICS), _text(data))
    if isinstance(found, tuple):
        held(
            len(set(found)) == len(found) and all(label.strip() for label in found),
            "labels are named once, and none is empty",
        )


def utterances(data: bytes) -> None:
    found = _same_twice(lambda text: utterance_labels(text, _NUMBERS, _STRATEGY), _text(data))
    if isinstance(found, dict):
        held(tuple(found) == _NUMBERS and all(found.values()), "every utterance asked about has a label")


def judge_scores(data: bytes) -> None:
    found = _same_twice(lambda text: scores(text, _CEHS), _text(data))
    if isinstance(found, dict):
        held(found.keys() == {one.key for one in _CEHS}, "every criterion has a score")
        held(all(one.low <= found[one.key] <= one.high for one in _CEHS), "scores keep to their bounds")


def judge_winners(data: bytes) -> None:
    found = _same_twice(lambda text: winners(text, _PAIRWISE), _text(data))
    if isinstance(found, dict):
        held(found.keys() == {one.key for one in _PAIRWISE}, "every criterion has a word")
        held(set(found.values()) <= {"first", "second", "tie"}, "a word is one of three")


def annotation_lines(data: bytes) -> None:
    """A folder that was handed on: UsageError, or lines that can be written again."""
    path = scratch.file(ANNOTATIONS, data).parent
    try:
        folder = annotation_folder(path)
    except UsageError as error:
        held(bool(str(error)), "an error says what is wrong")
        return
    held(all(line.id is not None for line in folder.lines), "what is read has an id")
    folder.judge.encode()
    for read in folder.lines:
        orjson.dumps(read.model_dump())


def given_labels(data: bytes) -> None:
    """Labels beside a corpus, whatever its keys hold."""
    rows: list[CorpusEntry] = []
    for row in data.split(b"\n"):
        try:
            found = orjson.loads(row)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            rows.append(CorpusEntry(id=str(len(rows)), dialogue=Dialogue(()), place="here", extra=found))
    found_labels = labels_of(rows)
    held(len(found_labels.dialogues) == len(rows), "every dialogue has its labels")
    held(all(label.strip() for labels in found_labels.dialogues for label in labels), "no label is empty")


_SCORES = line({one.key: one.low for one in _CEHS})
_WINNERS = line({one.key: "A" for one in _PAIRWISE})
_ROW = {
    "id": "a",
    "task": "judge",
    "outcome": "read",
    "rubric": "cehs",
    "scores": {"x": 1},
    "made_by": {"model": "m", "endpoint": "e"},
}
_PAIR = {
    **_ROW,
    "against_id": "b",
    "scores": None,
    "orders": [{"first": "corpus", "second": "against", "answers": {"x": "first"}}],
    "verdicts": {"x": "tie"},
}

TARGETS = (
    Target(
        name="topic-answer",
        promise="Never raises; pure; labels once each, or why none can be read.",
        run=topics,
        seeds=(
            "1. 情绪管理\n2. 人际关系".encode(),
            "主题：焦虑，失眠（说明）".encode(),
            b'```json\n["a","b"]\n```',
            b'{"topics":[{"name":"a","score":0.5}]}',
            b"<think>x</think>none",
        ),
        words=_WORDS,
    ),
    Target(
        name="utterance-answer",
        promise="Never raises; pure; a label for each utterance asked about, or why not.",
        run=utterances,
        seeds=(
            b"2: Question\n4: Reflection\n6: Question",
            b'{"2":"Question","4":["a"],"6":"b"}',
            b'[{"n":2,"label":"a"},{"n":4,"label":"b"},{"n":6,"label":"c"}]',
            b"[2] Question; [4]: a, [6] - b",
        ),
        words=_WORDS,
    ),
    Target(
        name="score-answer",
        promise="Never raises; pure; a score in bounds for each criterion, or why not.",
        run=judge_scores,
        seeds=(
            _SCORES,
            b"```json\n" + _SCORES + b"\n```",
            _SCORES.replace(b'"', b"").replace(b",", b"\n").strip(b"{}"),
        ),
        words=_WORDS + tuple(one.key.encode() for one in _CEHS),
    ),
    Target(
        name="winner-answer",
        promise="Never raises; pure; first, second or tie for each criterion, or why not.",
        run=judge_winners,
        seeds=(
            _WINNERS,
            _WINNERS.replace(b'"', b"").replace(b",", b"\n").strip(b"{}"),
            b'[{"criterion":"empathy","winner":"B"}]',
        ),
        words=_WORDS + tuple(one.key.encode() for one in _PAIRWISE),
    ),
    Target(
        name="annotations",
        promise="UsageError, or lines with ids.",
        run=annotation_lines,
        seeds=(line(_ROW), line(_PAIR), line({**_ROW, "limited": ["a", ["b"], None]})),
        words=BYTES + tuple(f'"{key}"'.encode() for key in _PAIR),
    ),
    Target(
        name="given-labels",
        promise="Never raises; labels for each dialogue, none of them empty.",
        run=given_labels,
        seeds=(
            b'{"annotations":["a","b"]}\n{"annotations":"c, d"}',
            b'{"topic":"x, y"}\n{"keywords":{"name":"z"}}',
            b'{"provenance":{"topic":"q"}}',
        ),
        words=(*BYTES, b'"labels"', b'"topics"', b'"keywords"', b'"name"'),
    ),
)
