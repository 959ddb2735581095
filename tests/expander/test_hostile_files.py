"""Links, devices, bombs and names that somebody left where the program reads and writes."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.expander.annotating import dialogue, write_corpus
from tests.expander.running import command, environment, run, write_posts

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TAGGED = 'prompt: !!python/object/apply:os.system ["touch pwned"]\n'


@pytest.mark.parametrize("name", ["dialogues.jsonl", ".dialogues.jsonl.part", "rejected.jsonl", ".rejected.jsonl.part"])
def test_a_link_in_the_run_folder_is_written_through(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    for rows in (1, 2):
        done = run("expand", write_posts(tmp_path / "posts.jsonl", rows), "--out", tmp_path / "run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        if rows == 1:
            (tmp_path / "run" / name).unlink(missing_ok=True)
            (tmp_path / "run" / name).symlink_to(mine)
    assert mine.read_text() == "precious"
    result = tmp_path / "run" / "dialogues.jsonl"
    assert not result.is_symlink()
    assert len(result.read_text("utf-8").splitlines()) == 2


def test_an_id_or_a_source_becomes_a_path(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    names = [
        "../escaped",
        "/tmp/escaped",  # noqa: S108
        "..\\escaped",
        "a\0b",
        "~/escaped",
        "$(touch pwned)",
        "C:\\escaped",
        "." * 300,
    ]
    rows = [{**dialogue(place), "id": name, "question_id": name, "source": name} for place, name in enumerate(names)]
    posts = write_posts(inside / "posts.jsonl", len(names))
    lines = [
        json.dumps({**json.loads(line), "id": name, "source": name, "questionID": name})
        for line, name in zip(posts.read_text("utf-8").splitlines(), names, strict=True)
    ]
    posts.write_text("\n".join(lines) + "\n", "utf-8")
    corpus = write_corpus(inside / "corpus.jsonl", rows)
    before = {path for path in tmp_path.rglob("*") if inside not in (path, *path.parents)}
    for arguments in (
        ("expand", posts, "--out", inside / "run"),
        (
            "export",
            corpus,
            "--to",
            "llama-factory",
            "--license",
            "mit",
            "--name",
            "../../escaped",
            "--out",
            inside / "out",
        ),
        ("report", corpus, "--out", inside / "report.html"),
    ):
        done = run(*arguments, cwd=inside)
        assert done.returncode in {0, 3}, done.stderr
    assert {path for path in tmp_path.rglob("*") if inside not in (path, *path.parents)} == before
    assert not [path for path in inside.rglob("*") if "escaped" in path.name or "pwned" in path.name]
    info = json.loads((inside / "out" / "dataset_info.json").read_bytes())
    assert all("/" not in name and ".." not in name for name in info)


@pytest.mark.parametrize("kind", ["folder", "device", "pipe", "huge", "bomb", "tag"])
@pytest.mark.parametrize(
    "way", [("prompt", "show"), ("prompt", "lint"), ("expand", "--dry-run", "POSTS", "--template")]
)
def test_a_template_that_is_none_is_read_for_ever_or_run(tmp_path: Path, kind: str, way: tuple[str, ...]) -> None:
    path = tmp_path / "t.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(2**30)
    else:
        labels = "labels: {client: *i, counselor: *i}\nprompt: *i\nliteral: *i\n"
        path.write_text(BOMB + labels if kind == "bomb" else TAGGED)
    posts = write_posts(tmp_path / "posts.jsonl", 1)
    done = run(*(str(posts) if word == "POSTS" else word for word in way), path, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stdout + done.stderr) < 20_000
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("text", [BOMB, BOMB.replace("i:", "header:"), "temperature: " + TAGGED[8:], "- 1", "{"])
def test_a_file_of_options_runs_or_grows(tmp_path: Path, text: str) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(text)
    done = run("expand", write_posts(tmp_path / "posts.jsonl", 1), "--config", config, "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stdout + done.stderr) < 5_000
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pwned").exists()


def test_a_cell_of_an_exported_table_runs_as_a_formula(tmp_path: Path) -> None:
    starts = [
        *("=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠SUM(A1)"),
        *(" =1", "\u3000＝1", "\t=1", "\r=1", "\n=1", "\0=1", "\u200b=1", "\u202e=1"),
    ]
    rows = [
        {"id": start, "messages": [{"role": "user", "content": start}, {"role": "assistant", "content": start}]}
        for start in starts
    ]
    corpus = write_corpus(tmp_path / "corpus.jsonl", rows)
    done = run("export", corpus, "--to", "csv", "--license", "mit", "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cells = [
        cell
        for path in (tmp_path / "out").glob("*.csv")
        for line in list(csv.reader(path.read_text("utf-8-sig").splitlines(keepends=True)))[1:]
        for cell in line
    ]
    hidden = "\t\r\n\0\u200b\u202e\u3000 "
    assert sum(cell.startswith("'") for cell in cells) >= 2 * len(starts)
    assert [cell for cell in cells if cell.lstrip(hidden)[:1] in tuple("=+-@＝＋－＠")] == []
    assert [cell for cell in cells if cell[:1] in tuple("\t\r\n\0")] == []


@pytest.mark.parametrize("host", ["127.0.0.1", None, "0.0.0.0"], ids=["loopback", "default", "every address"])  # noqa: S104
def test_the_offline_endpoint_lets_others_in_unasked(tmp_path: Path, host: str | None) -> None:
    arguments = command("serve-offline", "--port", 0, *(["--host", host] if host else []))
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
            port = int(url.rstrip(";").removesuffix("/v1").rpartition(":")[2])
            listening = _listening(port)
        finally:
            server.send_signal(signal.SIGINT)
        told = server.stderr.read()
    everywhere = host == "0.0.0.0"  # noqa: S104
    assert listening == {"0.0.0.0" if everywhere else "127.0.0.1"}  # noqa: S104
    assert ("Warning" in told) == everywhere


def _listening(port: int) -> set[str]:
    """Addresses on which this machine listens at that port, as the system knows them."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, _, number = local.partition(":")
        if state == "0A" and int(number, 16) == port:
            found.add(socket.inet_ntoa(bytes.fromhex(address)[::-1]))
    return found
