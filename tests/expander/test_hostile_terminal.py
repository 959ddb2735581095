"""Text from data on a terminal: shown, never obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from expander.consoles import printable
from tests.expander.running import run

CONTROLS = {
    "colour": "\x1b[31m",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\",
    "clear": "\x1b[2J\x1b[H",
    "C1": "\x9b31m",
    "return": "\r",
    "override": "\u202e",
    "isolates": "\u2066\u2067\u2068\u2069",
    "zero width": "\u200b\u2060",
    "bell": "\x07",
    "backspace": "\b\b\b",
}
MARKUP = "[red]红[/red] [link=http://evil.example]链[/link] [/] :smile: [bold"
ALL = "".join(CONTROLS.values())
FORBIDDEN = [*{each for each in ALL if not each.isprintable() or each == "\x1b"}]


def unseen(text: str) -> list[str]:
    """Characters of the text that would steer a terminal."""
    return sorted({f"U+{ord(each):04X}" for each in text if each in FORBIDDEN})


def row(number: int, **more: str) -> dict[str, str]:
    texts = {
        "question": f"问题{number}{ALL}{MARKUP}",
        "description": f"描述{ALL}",
        "answer": f"你好{ALL}慢慢来，先说说{MARKUP}。",
    }
    return {"id": f"x{ALL}{MARKUP}{number}", "source": f"s{ALL}", **texts, **more}


def corpus(path: Path) -> Path:
    said = [("user", f"我难过{ALL}{MARKUP}"), ("assistant", f"说说吧{ALL}"), ("user", "好"), ("assistant", "嗯")]
    messages = [{"role": role, "content": text} for role, text in said]
    rows: list[object] = [{"id": f"d{number}{ALL}{MARKUP}", "messages": messages} for number in range(3)]
    rows.append({"id": ALL, "messages": f"none {ALL}"})
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), "utf-8")
    return path


def template(path: Path, **more: object) -> Path:
    body = {
        "source": f"s{ALL}{MARKUP}",
        "language": "zh",
        "needs": "qa",
        "labels": {"client": ["求助者", f"c{ALL}"], "counselor": ["支持者", f"s{ALL}{MARKUP}"]},
        "turns": {"min": 1},
        "prompt": f"改写成多轮对话，每行以“求助者：”或“支持者：”开头。{ALL}{MARKUP}\n\n{{qa}}",
        **more,
    }
    path.write_text(yaml.safe_dump(body, allow_unicode=True), "utf-8")
    return path


def codebook(path: Path) -> Path:
    topics = [{"name": f"{number}{ALL}{MARKUP}", "definition": f"d{ALL}"} for number in range(3)]
    path.write_text(yaml.safe_dump(topics), "utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts, a corpus and a run, all of them with hostile texts under hostile names."""
    place = tmp_path_factory.mktemp("hostile")
    lines = [json.dumps(row(number), ensure_ascii=False) for number in range(2)]
    (place / "p\x1b[31m\u202e[red].jsonl").write_text("\n".join([*lines, f'{{"question": "{ALL!r}"']) + "\n", "utf-8")
    corpus(place / "c\x1b[31m\u202e[red].jsonl")
    template(place / "t\x1b[31m\u202e[red].yaml")
    template(place / "b\x1b[31m\u202e[red].yaml", **{f"k{ALL}{MARKUP}": 1, "turns": {"min": f"{ALL}"}})
    codebook(place / "k\x1b[31m\u202e[red].yaml")
    done = run("expand", place / "p\x1b[31m\u202e[red].jsonl", "--out", place / "run\x1b[31m\u202e[red]", cwd=place)
    assert done.returncode in {0, 3}, done.stderr
    assert unseen(done.stdout + done.stderr) == []
    assert "[red]" in done.stdout  # of the folder's name: markup is not read
    return place


COMMANDS = {
    "show": ["show", "RUN"],
    "filter": ["filter", "RUN", "--dry-run"],
    "prompt show": ["prompt", "show", "smile", "POSTS"],
    "prompt try": ["prompt", "try", "smile", "POSTS"],
    "dry run": ["expand", "POSTS", "--dry-run"],
    "audit": ["audit", "CORPUS"],
    "dedup": ["dedup", "CORPUS", "RUN"],
    "export": ["export", "CORPUS", "--to", "messages", "--license", "mit", "--out", "OUT"],
    "prompt lint": ["prompt", "lint", "TEMPLATE"],
    "prompt lint of a broken one": ["prompt", "lint", "BROKEN"],
    "annotate": ["annotate", "CORPUS", "--task", "topics", "--codebook", "BOOK", "--out", "OUT"],
    "report": ["report", "CORPUS", "--name", f"n{ALL}{MARKUP}", "--human", "RUN", "--name", "[red]", "-o", "PAGE"],
    "plan": ["ablate", "POSTS", "--arm", "TEMPLATE", "--arm", "smile", "--plan"],
    "ablate": ["ablate", "POSTS", "--arm", "TEMPLATE", "--arm", "smile", "--examples", "1", "--out", "OUT"],
    "no such codebook": ["annotate", "CORPUS", "--task", "topics", "--codebook", f"none{ALL}{MARKUP}", "--out", "OUT"],
    "no such arm": [
        "ablate",
        "POSTS",
        "--arm",
        "smile",
        "--arm",
        f"n{ALL}{MARKUP}=empathy",
        "--baseline",
        f"{ALL}[red]",
    ],
    "no such row": ["show", "RUN", f"{ALL}{MARKUP}"],
    "no such file": ["audit", f"none{ALL}{MARKUP}"],
    "no such template": ["expand", "POSTS", "--template", f"t{ALL}{MARKUP}"],
    "no such option": ["expand", "POSTS", f"--x{ALL}{MARKUP}"],
    "wrong value": ["expand", "POSTS", "--temperature", f"{ALL}{MARKUP}"],
    "wrong rule": ["expand", "POSTS", "--without-rule", f"{ALL}{MARKUP}"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_text_from_data_steers_the_terminal(folder: Path, tmp_path: Path, name: str) -> None:
    places = {
        "RUN": str(folder / "run\x1b[31m\u202e[red]"),
        "POSTS": str(folder / "p\x1b[31m\u202e[red].jsonl"),
        "CORPUS": str(folder / "c\x1b[31m\u202e[red].jsonl"),
        "TEMPLATE": str(folder / "t\x1b[31m\u202e[red].yaml"),
        "BROKEN": str(folder / "b\x1b[31m\u202e[red].yaml"),
        "BOOK": str(folder / "k\x1b[31m\u202e[red].yaml"),
        "PAGE": str(tmp_path / "page\x1b[31m[red].html"),
        "OUT": str(tmp_path / "out\x1b[31m[red]"),
    }
    done = run(*(places.get(word, word) for word in COMMANDS[name]), cwd=tmp_path, COLUMNS="2000")
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 2, 3}, done.stderr
    assert "this is a bug" not in done.stderr
    assert unseen(done.stdout + done.stderr) == []
    if name not in {"filter", "dry run"}:
        assert "[red]" in done.stdout + done.stderr or "\\x1b" in done.stdout + done.stderr


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_character_stays(name: str) -> None:
    assert unseen(printable(f"a{CONTROLS[name]}b")) == []


def test_plain_text_is_changed() -> None:
    text = "你好，\t“世界”！\n　全角空格 é 😀"
    assert printable(text) == text
