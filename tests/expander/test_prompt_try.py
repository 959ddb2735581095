"""`prompt try`: prompt, reply, reading and verdict of one post, against the offline endpoint and a rogue one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.expander.corpus_runs import EXAMPLES, cli
from tests.expander.running import read_lines, rogue, run, write_posts


def parts(out: str) -> dict[str, str]:
    """What stands below each heading."""
    found: dict[str, list[str]] = {}
    for line in out.splitlines():
        if line.endswith("──"):
            found[line.split(" ")[0]] = []
        elif found:
            found[list(found)[-1]].append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def test_a_kept_reply_is_not_shown_whole() -> None:
    done = cli("prompt", "try", "smile")
    shown = parts(done.out)
    assert (done.code, done.err, list(shown)) == (0, "", ["prompt", "reply", "reading", "verdict"])
    assert "I want you to act as both a psychologist" in shown["prompt"]
    assert shown["reply"].startswith("求助者: ")
    assert shown["reading"].splitlines()[0].split()[:2] == ["1", "client"]
    assert "repairs: none" in shown["reading"]
    assert shown["verdict"].startswith("kept\n")
    assert "prompt tokens" in shown["verdict"]
    assert "Nothing was stored." in shown["verdict"]


def test_try_sends_other_words_than_expand(tmp_path: Path) -> None:
    """The same post, settings and seed: the same reply, and so the same dialogue."""
    posts = write_posts(tmp_path / "posts.jsonl", 3)
    run("expand", posts, "--out", tmp_path / "run", cwd=tmp_path)
    for row in read_lines(tmp_path / "run" / "dialogues.jsonl"):
        done = cli("prompt", "try", "smile", posts, "--post", row["provenance"]["post_id"][:8])
        said = parts(done.out)["reading"]
        assert done.code == 0
        assert all(message["content"] in said for message in row["messages"])


def test_anything_is_stored(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 1)
    done = run("prompt", "try", "smile", posts, cwd=tmp_path)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["posts.jsonl"]


def test_a_rejected_reply_does_not_say_where() -> None:
    done = cli("prompt", "try", "smile", EXAMPLES, "--offline-fault", "rule-third-speaker=1")
    shown = parts(done.out)
    assert done.code == 3
    lines = shown["verdict"].splitlines()
    assert lines[0].startswith("rejected by third-speaker: ")
    place = lines[1].split(", ")
    number = int(place[0].removeprefix("line ").split()[0])
    start, end = (int(part) for part in place[1].split(":")[0].removeprefix("code points ").split(" to "))
    reply = shown["reply"]
    assert reply.count("\n", 0, start) == number - 1
    assert place[1].endswith(f": {reply[start:end]}")


def test_repairs_are_not_shown() -> None:
    done = cli("prompt", "try", "smile", "--offline-fault", "rule-markdown=1")
    assert done.code == 0
    assert "label-markup x " in parts(done.out)["reading"]
    strict = cli("prompt", "try", "smile", "--offline-fault", "rule-markdown=1", "--strict")
    assert strict.code == 3
    assert "strict makes no repair" in strict.out


def test_an_empty_reply_is_shown_as_nothing() -> None:
    done = cli("prompt", "try", "smile", "--offline-fault", "empty=1xalways")
    assert done.code == 3
    assert parts(done.out)["reply"] == "(an empty reply)"
    assert "(no utterance could be read)" in done.out


@pytest.mark.parametrize("template", ["standard", "standardT"])
def test_a_template_without_posts_needs_a_file(template: str) -> None:
    done = cli("prompt", "try", template)
    assert done.code == 0
    assert "(generated):1" in done.out


@pytest.mark.parametrize(("mode", "kind"), [("401", "auth"), ("400", "refused"), ("404", "not-found")])
def test_a_provider_error_ends_otherwise(tmp_path: Path, mode: str, kind: str) -> None:
    with rogue(mode, tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m")
        done = run("prompt", "try", "smile", *options, cwd=tmp_path, OPENAI_API_KEY="sk-very-secret")
        asked = len(server.lines())
    assert (done.returncode, asked) == (4, 1)
    assert f"No reply: {kind}: HTTP {mode}" in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_fault_that_passes_is_not_asked_anew_or_not_told() -> None:
    done = cli("prompt", "try", "smile", "--offline-fault", "truncated=1")
    assert done.code == 0
    assert done.err.startswith("attempt 1: broken-reply")
    assert "2 attempts" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("smile", EXAMPLES, "--post", "zzz"), "no post's id begins with 'zzz'", id="no such post"),
        pytest.param(("smile", "none.json"), "none.json", id="no such file"),
        pytest.param(("none.yaml",), "none.yaml", id="no such template"),
        pytest.param(("smile", "--base-url", "http://127.0.0.1:1/v1"), "--model", id="no model"),
        pytest.param(("smile", "--offline-fault", "nonsense"), "--offline-fault", id="no such fault"),
        pytest.param(("smile", "--count", "1"), "name a file of posts", id="rows without posts"),
    ],
)
def test_wrong_usage_ends_in_more_than_a_line(tmp_path: Path, arguments: tuple[object, ...], words: str) -> None:
    done = run("prompt", "try", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("named", [(), ("--post", "q1")], ids=["the first", "named"])
def test_a_post_of_which_cleaning_leaves_nothing_is_not_explained(tmp_path: Path, named: tuple[str, ...]) -> None:
    post = '{"questionID": "q1", "question": "怎么办？", "description": "", "answer": "抱抱你"}\n'
    (tmp_path / "posts.jsonl").write_text(post, "utf-8")
    done = cli("prompt", "try", "smile", tmp_path / "posts.jsonl", *named)
    assert (done.code, done.out) == (2, "")
    assert "posts.jsonl:1: " in done.err
    assert "nothing is left of its answer after cleaning" in done.err


def test_escape_sequences_in_a_post_reach_the_terminal(tmp_path: Path) -> None:
    post = '{"question": "怎么\\u001b[31m办？", "description": "", "answer": "说说看。先睡一会儿。再慢慢来。"}\n'
    (tmp_path / "posts.jsonl").write_text(post, "utf-8")
    done = cli("prompt", "try", "smile", tmp_path / "posts.jsonl")
    assert done.code in {0, 3}
    assert "\x1b" not in done.out + done.err
