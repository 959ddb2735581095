"""Tasks `strategy` and `emotion`: a label for each utterance of the counselor, or of the client (Psy-Insight's labels)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from expander.annotation.subjects import SPEAKERS, Subject, numbered
from expander.annotation.task import Reading, Unparseable
from expander.annotation.utterance_answers import utterance_labels
from expander.annotation.vocabulary import Vocabulary
from expander.annotation.windows import CHARACTERS, CONTEXT, LABELLED, Window, windows
from filters.dialogue import Dialogue
from prompts.annotation import Language, label_set, prompts


class Utterances:
    """A request a dialogue, or several where it is long."""

    same_as = "the same dialogue as"

    def __init__(self, name: Literal["strategy", "emotion"]) -> None:
        self.name: str = name
        self.labels = label_set(name)
        self._prompts = prompts("utterances")
        self._vocabulary = Vocabulary(self.labels.labels)
        self._listed = {
            "zh": "\n".join(f"- {label.name} ({label.also[0]}): {label.definition}" for label in self.labels.labels),
            "en": "\n".join(f"- {label.name}: {label.definition_en}" for label in self.labels.labels),
        }

    def fingerprint(self) -> dict[str, object]:
        labels = hashlib.sha256(repr(self.labels).encode()).hexdigest()
        return {
            "task": self.name,
            "prompt": self._prompts.sha256,
            "labels": labels,
            "windows": [LABELLED, CHARACTERS, CONTEXT],
        }

    def prompts(self, subject: Subject) -> Iterator[str]:
        for window in windows(subject.dialogues[0], self.labels.role):
            yield self._prompt(subject.dialogues[0], window, subject.language)

    def read(self, subject: Subject, number: int, text: str) -> Reading | Unparseable:
        window = list(windows(subject.dialogues[0], self.labels.role))[number]
        labels = utterance_labels(text, [place + 1 for place in window.asked], self._vocabulary)
        if isinstance(labels, Unparseable):
            return labels
        return {"labels": {str(place): said for place, said in labels.items()}}

    def record(self, subject: Subject, readings: Sequence[Reading | None]) -> dict[str, Any]:
        """An entry an utterance; null where none was asked for, or none could be read."""
        said: list[list[str] | None] = [None] * len(subject.dialogues[0].utterances)
        for reading in readings:
            for number, labels in (reading["labels"] if reading is not None else {}).items():
                said[int(number) - 1] = labels
        limited = [
            None if labels is None else [label for label in labels if self._vocabulary.knows(label)] for labels in said
        ]
        return {"role": str(self.labels.role), "labels": said, "limited": limited, "unlimited": said}

    def _prompt(self, dialogue: Dialogue, window: Window, language: Language) -> str:
        shown = Dialogue(dialogue.utterances[: window.end])
        return self._prompts.by_language[language].render(
            {
                "speaker": SPEAKERS[language][self.labels.role],
                "labels": self._listed[language],
                "dialogue": numbered(shown, language, window.start),
                "numbers": ", ".join(str(place + 1) for place in window.asked),
            }
        )
