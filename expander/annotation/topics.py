"""Task `topics`: which topics a dialogue has (SMILE §5.3), of a codebook or beyond it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from expander.annotation.subjects import Subject, lines
from expander.annotation.task import Reading, Unparseable
from expander.annotation.topic_answers import topic_labels
from expander.annotation.vocabulary import Vocabulary
from prompts.annotation import Label, Language, prompts


class Topics:
    """SMILE's Figure 11 with a codebook in it; a request a dialogue.

    The paper does not print what it put for its placeholders. Here: a line a topic, `number. name: definition`; the names
    with their numbers, separated by commas; a line an utterance.
    """

    name = "topics"
    same_as = "the same dialogue as"

    def __init__(self, codebook: Sequence[Label]) -> None:
        self._codebook = tuple(codebook)
        self._prompts = prompts("topics")
        self._vocabulary = Vocabulary(self._codebook, numbered=True)
        self._listed = {language: _listed(self._codebook, language) for language in self._prompts.by_language}

    def fingerprint(self) -> dict[str, object]:
        codebook = hashlib.sha256(repr(self._codebook).encode()).hexdigest()
        return {"task": self.name, "prompt": self._prompts.sha256, "codebook": codebook}

    def prompts(self, subject: Subject) -> Iterator[str]:
        definitions, names = self._listed[subject.language]
        yield self._prompts.by_language[subject.language].render(
            {
                "definitions": definitions,
                "names": names,
                "count": str(len(self._codebook)),
                "dialogue": "\n".join(lines(subject.dialogues[0], subject.language)),
            }
        )

    def read(self, subject: Subject, number: int, text: str) -> Reading | Unparseable:  # noqa: ARG002
        labels = topic_labels(text, self._vocabulary)
        return labels if isinstance(labels, Unparseable) else {"labels": labels}

    def record(self, subject: Subject, readings: Sequence[Reading | None]) -> dict[str, Any]:  # noqa: ARG002
        """`unlimited` is what was said, `limited` those of it that the codebook has; null where nothing could be read."""
        said = readings[0]["labels"] if readings[0] is not None else None
        limited = [label for label in said if self._vocabulary.knows(label)] if said is not None else None
        return {"labels": said, "limited": limited, "unlimited": said}


def _listed(codebook: Sequence[Label], language: Language) -> tuple[str, str]:
    """The definitions, a line a topic, and the bare names."""
    definitions, names = [], []
    for number, label in enumerate(codebook, 1):
        name, definition = (label.name, label.definition) if language == "zh" else (label.name_en, label.definition_en)
        definitions.append(f"{number}. {name}" + (f": {definition}" if definition else ""))
        names.append(f"{number}. {name}")
    return "\n".join(definitions), ", ".join(names)
