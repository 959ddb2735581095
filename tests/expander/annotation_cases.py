"""Annotation folders written by hand, so that what is found in them can be worked out on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.expander.annotating import dialogue

Labels = Sequence[str] | None
JUDGE = {"task": "judge", "model": "m", "endpoint": "e", "prompt_sha256": "0" * 64}


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def line(name: str, task: str, outcome: str = "read", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "question_id": None,
        "task": task,
        "outcome": outcome,
        "made_by": {**JUDGE, "task": task},
        **more,
    }


def topics(folder: Path, said: Sequence[Labels], *, model: str = "m") -> Path:
    """A dialogue each; "ab" are two labels, None an answer that could not be read."""
    rows = []
    for number, labels in enumerate(said):
        listed = None if labels is None else list(labels)
        outcome = "unparseable" if labels is None else "read"
        row = line(f"d{number}", "topics", outcome, labels=listed, limited=listed, unlimited=listed)
        rows.append({**row, "made_by": {**row["made_by"], "model": model}})
    write_lines(folder / "annotations.jsonl", rows)
    return folder


def strategies(folder: Path, said: Sequence[Sequence[Labels]], given: Sequence[Sequence[Labels]] | None = None) -> Path:
    """Two utterances of the counselor a dialogue, labelled; `given` are labels that the corpus had before."""
    rows, corpus = [], []
    for number, labels in enumerate(said):
        placed = [None, labels[0] and list(labels[0]), None, labels[1] and list(labels[1])]
        rows.append(line(f"d{number}", "strategy", labels=placed, limited=placed, unlimited=placed))
        talk = dialogue(number)
        for turn in (0, 1):
            message = talk["messages"][2 * turn + 1]
            if labels[turn] is not None:
                message["strategy"] = list(labels[turn] or ())
            if given is not None and given[number][turn] is not None:
                message["given strategy"] = list(given[number][turn] or ())
        corpus.append(talk)
    write_lines(folder / "annotations.jsonl", rows)
    write_lines(folder / "corpus.jsonl", corpus)
    return folder


def scores(folder: Path, said: Sequence[tuple[int, int, int, int] | None], *, model: str = "m") -> Path:
    """CEHS, a dialogue each."""
    keys = ("content", "empathy", "helpfulness", "safety")
    rows = []
    for number, given in enumerate(said):
        found = None if given is None else dict(zip(keys, given, strict=True))
        row = line(f"d{number}", "judge", "read" if found else "unparseable", rubric="cehs", scores=found)
        rows.append({**row, "made_by": {**row["made_by"], "model": model}})
    write_lines(folder / "annotations.jsonl", rows)
    return folder


def duels(folder: Path, said: Sequence[tuple[str, str]], *, paired_by: str = "post", **made_by: str) -> Path:
    """d0 against r0, and so on: who won `helpfulness` with our dialogue first, and with it second ("" was not read)."""
    rows = []
    for number, answers in enumerate(said):
        orders = [
            {"first": first, "second": second, "answers": {"helpfulness": answer} if answer else None}
            for (first, second), answer in zip((("corpus", "against"), ("against", "corpus")), answers, strict=True)
        ]
        rows.append(
            {
                **line(f"d{number}", "judge", "read" if all(answers) else "unparseable", rubric="pairwise"),
                "against_id": f"r{number}",
                "paired_by": paired_by,
                "orders": orders,
                "verdicts": None,
                "made_by": {**JUDGE, **made_by},
            }
        )
    write_lines(folder / "annotations.jsonl", rows)
    return folder
