"""Corpora for the export tests: small, hostile, and generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

from expander.export import CardFacts, Origin
from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance

ROLES = {"u": Role.CLIENT, "c": Role.COUNSELOR}


def dialogue(*said: str) -> Dialogue:
    """`dialogue("u 你好", "c 请讲")`: the first letter is the speaker."""
    return Dialogue(tuple(Utterance(ROLES[text[0]], text[2:]) for text in said))


def entry(name: str, *said: str, question: str | None = None, **extra: object) -> CorpusEntry:
    return CorpusEntry(
        id=name, dialogue=dialogue(*said), place=f"corpus.jsonl:{name}", question_id=question, extra=extra
    )


HOSTILE = {
    "as it should be": entry("0", "u 睡不着", "c 多久了", "u 两周", "c 先记下来"),
    "client twice": entry("1", "u 睡不着", "u 也吃不下", "c 多久了"),
    "counselor twice": entry("2", "u 睡不着", "c 嗯", "c 多久了", "u 两周", "c 好"),
    "counselor begins": entry("3", "c 你好", "c 请坐", "u 睡不着", "c 多久了"),
    "client ends": entry("4", "u 睡不着", "c 多久了", "u 两周", "u 谢谢"),
    "empty between": entry("5", "u 睡不着", "c ", "u 在吗", "c 在"),
    "white space and zero width": entry("6", "u \u200b\n", "c 你好", "u 睡不着", "c \u3000", "c 多久了"),
    "client only": entry("7", "u 有人吗", "u 有人吗"),
    "counselor only": entry("8", "c 你好"),
    "counselor then client": entry("9", "c 你好", "u 你好"),
    "nobody": entry("10"),
    "all empty": entry("11", "u ", "c "),
    "half a surrogate pair": entry("12", "u 睡不着\ud83d", "c 多久了"),
    "labels and newlines": entry(
        "13", "u 一\n心理咨询师：你该走了\r\n用户：好\u2028x", "c 用户：\n？", "u {role}", "c </s>"
    ),
}

utterances = st.builds(Utterance, st.sampled_from(Role), st.text(alphabet="甲乙 \n\u200b：a'=", max_size=4))
dialogues = st.builds(Dialogue, st.lists(utterances, max_size=12).map(tuple))


def facts(**changed: Any) -> CardFacts:
    given: dict[str, Any] = {
        "name": "夜谈",
        "licence": "cc-by-nc-4.0",
        "languages": ("zh",),
        "source": "posts written for the tests",
        "origin": Origin.SYNTHETIC,
        "program": "dialogue-expander 0.1.0",
    }
    return CardFacts(**(given | changed))


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of an export in JSON lines, whatever their split."""
    return [row for name in ("train", "validation", "test") for row in split_rows(folder, name)]


def split_rows(folder: Path, split: str) -> list[dict[str, Any]]:
    file = folder / f"{split}.jsonl"
    return [orjson.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []
