"""Task `judge`: scores for one dialogue (CEHS), or two dialogues side by side (pairwise), by a rubric."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from expander.annotation.rubric_answers import scores, winners
from expander.annotation.subjects import Subject, numbered
from expander.annotation.task import Reading, Unparseable
from prompts.annotation import Criterion, Language, Rubric, prompts

_ORDERS = (("corpus", "against"), ("against", "corpus"))
"""Who stands first in each request: both orders, since judges favour a place (Zheng et al., 2023, "Judging LLM-as-a-judge",
§3.3)."""
_NAMES = {"first": 0, "second": 1}


class Scores:
    """Each criterion's score for each dialogue; a request a dialogue."""

    name = "judge"
    same_as = "the same dialogue as"

    def __init__(self, rubric: Rubric) -> None:
        self.rubric = rubric
        self._prompts = prompts("scores")

    def fingerprint(self) -> dict[str, object]:
        return _fingerprint(self.rubric, self._prompts.sha256)

    def prompts(self, subject: Subject) -> Iterator[str]:
        language = subject.language
        yield self._prompts.by_language[language].render(
            {
                "criteria": "\n".join(
                    _criterion(one, language, f" ({one.low}-{one.high})") for one in self.rubric.criteria
                ),
                "dialogue": numbered(subject.dialogues[0], language),
                "format": _format(self.rubric, "n"),
            }
        )

    def read(self, subject: Subject, number: int, text: str) -> Reading | Unparseable:  # noqa: ARG002
        found = scores(text, self.rubric.criteria)
        return found if isinstance(found, Unparseable) else {"scores": found}

    def record(self, subject: Subject, readings: Sequence[Reading | None]) -> dict[str, Any]:  # noqa: ARG002
        return {"rubric": self.rubric.name, "scores": readings[0]["scores"] if readings[0] is not None else None}


class Comparison:
    """Who does better by each criterion; two requests a pair, the second with the dialogues' places swapped."""

    name = "judge"
    same_as = "the same pair of dialogues as"

    def __init__(self, rubric: Rubric) -> None:
        self.rubric = rubric
        self._prompts = prompts("comparison")

    def fingerprint(self) -> dict[str, object]:
        return _fingerprint(self.rubric, self._prompts.sha256)

    def prompts(self, subject: Subject) -> Iterator[str]:
        language = subject.language
        corpus, against = (numbered(dialogue, language) for dialogue in subject.dialogues)
        for first, second in ((corpus, against), (against, corpus)):
            yield self._prompts.by_language[language].render(
                {
                    "criteria": "\n".join(_criterion(one, language) for one in self.rubric.criteria),
                    "first": first,
                    "second": second,
                    "format": _format(self.rubric, '"A"'),
                }
            )

    def read(self, subject: Subject, number: int, text: str) -> Reading | Unparseable:  # noqa: ARG002
        found = winners(text, self.rubric.criteria)
        return found if isinstance(found, Unparseable) else {"answers": found}

    def record(self, subject: Subject, readings: Sequence[Reading | None]) -> dict[str, Any]:
        """`orders` is what was said in each order; `verdicts` the side that won in both, else a tie, null without both."""
        orders = [
            {"first": first, "second": second, "answers": reading["answers"] if reading is not None else None}
            for (first, second), reading in zip(_ORDERS, readings, strict=True)
        ]
        verdicts = None
        if all(reading is not None for reading in readings):
            verdicts = {one.key: _verdict(one.key, readings) for one in self.rubric.criteria}
        return {
            "rubric": self.rubric.name,
            "against_id": subject.keywords[1],
            "paired_by": subject.paired_by,
            "orders": orders,
            "verdicts": verdicts,
        }


def _verdict(key: str, readings: Sequence[Reading | None]) -> str:
    said = {
        "tie" if (answer := reading["answers"][key]) == "tie" else names[_NAMES[answer]]
        for names, reading in zip(_ORDERS, readings, strict=True)
        if reading is not None
    }
    return said.pop() if len(said) == 1 else "tie"


def _fingerprint(rubric: Rubric, prompt: str) -> dict[str, object]:
    criteria = hashlib.sha256(repr((rubric.kind, rubric.criteria)).encode()).hexdigest()
    return {"task": "judge", "prompt": prompt, "rubric": criteria}


def _criterion(one: Criterion, language: Language, scale: str = "") -> str:
    name, description = (one.name, one.description) if language == "zh" else (one.name_en, one.description_en)
    return f"- {one.key} [{name}]{scale}: {description}"


def _format(rubric: Rubric, value: str) -> str:
    return "{" + ", ".join(f"{orjson.dumps(one.key).decode()}: {value}" for one in rubric.criteria) + "}"
