from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

from analysis.corpora import BrokenEntry, detect_kind, read_corpus
from filters.dialogue import CorpusEntry, Role, Utterance


def write(path: Path, *rows: object) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return path


def test_each_answer_is_a_dialogue_of_two_utterances(tmp_path: Path) -> None:
    question = {"question": "怎么办？", "description": "睡不着。", "keywords": "睡眠", "questionID": 7}
    path = write(
        tmp_path / "posts.json", {**question, "answers": [{"answer_text": "早睡。"}, {"answer_text": "散步。"}]}
    )
    assert detect_kind(path) == "psyqa"
    first, second = (entry for entry in read_corpus(path) if isinstance(entry, CorpusEntry))
    assert first.dialogue.utterances == (
        Utterance(Role.CLIENT, "怎么办？\n睡不着。"),
        Utterance(Role.COUNSELOR, "早睡。"),
    )
    assert second.dialogue.utterances[1].text == "散步。"
    assert (first.question_id, first.extra["keywords"]) == ("7", "睡眠")
    assert first.id != second.id


def test_an_empty_answer_is_one_broken_entry_and_its_place_is_told(tmp_path: Path) -> None:
    answers = [{"answer_text": " "}, {"answer_text": "好。"}, {"answer_text": 3}, {"answer_text": "\ud800"}]
    path = tmp_path / "posts.json"
    path.write_text(json.dumps([{"question": "问", "answers": answers}, {"question": "", "answers": answers}]), "utf-8")
    found = list(read_corpus(path))
    assert [isinstance(entry, BrokenEntry) for entry in found] == [True, False, True, True, True]
    assert found[0].place.endswith("record 1, answer 1")


def test_the_published_sample_is_its_questions_with_their_answers(data: Path) -> None:
    found = [entry for entry in read_corpus(data / "psyqa_sample.json") if isinstance(entry, CorpusEntry)]
    assert len(found) == 151
    assert len(list(groupby(found, key=lambda entry: entry.question_id))) == 60
