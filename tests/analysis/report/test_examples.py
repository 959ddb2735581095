from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.report.examples import SHOWN_CHARACTERS, SHOWN_UTTERANCES, examples
from analysis.report.inputs import CorpusInput
from analysis.report.model import Example
from tests.analysis.making import dialogue
from tests.analysis.report.composed import corpus, entry, of_posts, prepared, talk

Vectors = dict[str, npt.NDArray[np.float32]]


def made(*corpora: CorpusInput, count: int = 3, seed: int = 1, vectors: Vectors | None = None) -> tuple[Example, ...]:
    ready = [prepared(each) for each in corpora]
    found = vectors or {each.name: np.eye(len(each.entries), 8, dtype=np.float32) for each in corpora}
    return examples(ready, found, count=count, seed=seed)


ONE = of_posts("one", ["a", "b", "c", "d"])
TWO = of_posts("two", ["d", "c", "x", "y"], start=50)
PEOPLE = corpus("people", [entry(number, talk(number + 90)) for number in range(3)], human=True)


def test_arms_that_share_a_post_are_not_laid_side_by_side() -> None:
    found = made(ONE, TWO, count=2)
    for example in found:
        ids = {shown.corpus: shown.id for shown in example.dialogues}
        assert ids in ({"one": "2", "two": "1"}, {"one": "3", "two": "0"})
        assert [shown.similarity for shown in example.dialogues] == [None, None]
        assert example.post in {"关于c的问题", "关于d的问题"}
    assert len({example.post for example in found}) == 2


def test_people_stand_first_or_are_not_the_most_alike() -> None:
    vectors = {"people": np.eye(3, 4, dtype=np.float32), "one": np.eye(4, dtype=np.float32)[[2, 1, 0, 0]]}
    nearest = {"0": "2", "1": "1", "2": "0", "3": "0"}
    for example in made(PEOPLE, ONE, count=4, vectors=vectors):
        (arm, human) = example.dialogues
        assert (arm.corpus, human.corpus) == ("one", "people")
        assert human.id == nearest[arm.id]
        assert human.similarity == 1.0


def test_another_language_is_called_alike() -> None:
    english = corpus("english", [entry(0, dialogue("I am tired.", "Tell me more."))])
    for example in made(ONE, english):
        assert [shown.corpus for shown in example.dialogues] == ["one"]


def test_the_same_seed_shows_others() -> None:
    many = of_posts("many", [str(number) for number in range(30)])
    vectors = {"many": np.eye(30, dtype=np.float32)}
    assert made(many, vectors=vectors) == made(many, vectors=vectors)
    assert made(many, vectors=vectors) != made(many, vectors=vectors, seed=2)


def test_none_are_shown_where_none_are_wanted_or_there() -> None:
    assert made(ONE, count=0) == ()
    assert made(corpus("empty", [])) == ()
    assert len(made(ONE, count=99)) == 4


def test_an_endless_dialogue_fills_the_page() -> None:
    long = corpus("long", [entry(0, dialogue(*["累" * (SHOWN_CHARACTERS + 5)] * (SHOWN_UTTERANCES + 7)))])
    ((shown,),) = [example.dialogues for example in made(long)]
    assert len(shown.utterances) == SHOWN_UTTERANCES
    assert shown.utterances[0].text.endswith("[… 5 more characters]")
    assert shown.utterances[-1].text.endswith("[… 7 more utterances]")


def test_risk_or_a_broken_rule_is_not_marked() -> None:
    odd = corpus("odd", [entry(0, dialogue("我不想活了，想自杀。", "你好。"))])
    ((shown,),) = [example.dialogues for example in made(odd)]
    assert shown.flags
    assert "too-few-turns" in shown.rules
