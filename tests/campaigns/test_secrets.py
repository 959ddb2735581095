"""A key is used, and stands nowhere: real commands, searched byte by byte. Each test also sees that the key was really sent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.secrets import CANARY, Left, endpoint, forms, found_in, watched
from tests.expander.annotating import small_corpus
from tests.expander.batch_server import batch_service
from tests.expander.batching import good
from tests.expander.corpus_runs import cli
from tests.expander.rogue_server import DIALOGUE
from tests.expander.running import environment, query, read_lines, write_posts

WAYS = {
    "key in its variable": ([], {"OPENAI_API_KEY": CANARY}),
    "key in another variable": (["--api-key-env", "MY_KEY"], {"MY_KEY": f"{CANARY}\n"}),
    "header out of a variable": (["--header", "X-Secret=env:MY_HEADER"], {"MY_HEADER": f"Bearer {CANARY}"}),
    "literal header": (["--header", f"X-Api-Key={CANARY}"], {}),
}
LOGGED = {"OPENAI_LOG": "debug"}
LOUD = {
    **LOGGED,
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONFAULTHANDLER": "1",
}
"""What a person turns on who looks for a fault."""
ROWS = 3


def asking(url: str, *more: object) -> list[object]:
    quick = ["--max-attempts", 2, "--max-wait", 5]
    return ["--base-url", url, "--model", "m", *quick, *more]


def posts(folder: Path) -> Path:
    return write_posts(folder / "posts.jsonl", ROWS)


@pytest.mark.parametrize("name", forms(CANARY))
def test_a_form_of_the_secret_is_overlooked(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"before " + forms(CANARY)[name] + b" after")
    assert any(leak.endswith(f": {name}") for leak in Left(0, "", "", tmp_path).leaks())


def test_the_search_finds_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"sk-another-key, Bearer, [secret removed]" * 9)
    assert Left(0, "out", "err", tmp_path).leaks() == []


_FIRST = next(iter(WAYS))


@pytest.mark.parametrize(
    ("way", "mode", "code"),
    [
        *((way, "echo", 0) for way in WAYS),
        *((_FIRST, "401", 4), (_FIRST, "400", 3), (_FIRST, "redirect", 4), (_FIRST, "html", 3)),
        (_FIRST, "echo-escaped", 0),
    ],
)
def test_a_key_stands_in_what_expand_leaves(tmp_path: Path, way: str, mode: str, code: int) -> None:
    options, variables = WAYS[way]
    with endpoint(mode) as served:
        left = watched(
            tmp_path,
            *("expand", posts(tmp_path), "--out", tmp_path / "run", *asking(served.url, *options)),
            given="literal" in way,
            variables={**variables, **LOUD},
        )
    assert left.code == code, left.err
    assert served.was_sent()
    assert left.leaks() == []
    assert "第0个晚上" not in left.err  # nor does a library's log quote a post
    if code == 0:
        assert len(read_lines(tmp_path / "run" / "dialogues.jsonl")) == ROWS
    if mode.startswith("echo"):
        kept = read_lines(tmp_path / "run" / "dialogues.jsonl")
        assert all("[secret removed]" in json.dumps(row["messages"]) for row in kept)
        assert all(b"[secret removed]" in body for (body,) in query(tmp_path / "run", "SELECT body FROM reply"))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--base-url", f"http://user:{CANARY}@127.0.0.1:9/v1"], id="user part"),
        pytest.param(["--base-url", f"http://{CANARY.replace('/', '%2F')}@127.0.0.1:9/v1"], id="user alone"),
        pytest.param([f"--base-url=http://127.0.0.1:9/v1?api_key={CANARY}"], id="query"),
        pytest.param(["--base-url", f"http://127.0.0.1:9/v1#{CANARY}"], id="fragment"),
        pytest.param(["--base-url", f"http://[u:{CANARY}@/v1"], id="broken"),
        pytest.param(["--base-url", "http://127.0.0.1:9/v1", "--api-key", CANARY], id="option that is none"),
        pytest.param(["--base-url", "http://127.0.0.1:9/v1", f"--api-key={CANARY}"], id="the same with ="),
        pytest.param(["--base-url", "http://127.0.0.1:9/v1", "--api-key-env", CANARY], id="key for a name"),
        pytest.param(["--base-url", "http://127.0.0.1:9/v1", "--header", CANARY], id="header without a name"),
        pytest.param(["--base-url", "http://127.0.0.1:9/v1", "--header", f"X-Key:{CANARY}"], id="header with a colon"),
        pytest.param(
            ["--base-url", "http://127.0.0.1:9/v1", "--extra-body", json.dumps({"api_key": CANARY})], id="extra body"
        ),
        pytest.param(["--vllm-arg", f"--api-key {CANARY}", "--vllm", "m"], id="vLLM's own"),
    ],
)
def test_a_key_in_the_wrong_place_is_taken_or_repeated(tmp_path: Path, options: list[str]) -> None:
    model = [] if "--vllm" in options else ["--model", "m"]
    done = cli("expand", posts(tmp_path), *options, *model, "--out", tmp_path / "run")
    left = Left(done.code, done.out, done.err, tmp_path)
    assert left.code == 2, (left.out, left.err)
    assert left.leaks() == []
    assert left.err.strip()
    assert not (tmp_path / "run").exists()


def test_a_proxys_password_is_kept(tmp_path: Path) -> None:
    with endpoint("good") as served:
        port = served.url.rpartition(":")[2].removesuffix("/v1")
        password = CANARY.replace("/", "%2F")
        proxy = f"http://user:{password}@127.0.0.1:{port}"
        arguments = ("expand", posts(tmp_path), "--out", tmp_path / "run", *asking("http://endpoint.invalid/v1"))
        left = watched(tmp_path, *arguments, variables={"HTTP_PROXY": proxy, "http_proxy": proxy, **LOUD})
    assert left.code == 0, left.err
    assert served.paths[0].startswith("http://endpoint.invalid")
    assert any("Proxy-Authorization" in headers for headers in served.headers)
    assert left.leaks() == []


@pytest.mark.parametrize(
    "proxy", [f"http://user:{CANARY}@127.0.0.1:9", f"socks9://u:{CANARY}@h:1", f"http://{CANARY}:x"]
)
def test_a_proxy_that_fails_is_quoted_with_its_password(tmp_path: Path, proxy: str) -> None:
    arguments = ("expand", posts(tmp_path), "--out", tmp_path / "run", *asking("http://endpoint.invalid/v1"))
    left = watched(tmp_path, *arguments, variables={"HTTP_PROXY": proxy, "http_proxy": proxy, **LOUD})
    assert left.code != 0
    assert left.leaks() == []


def _commands(folder: Path, url: str) -> dict[str, list[object]]:
    ask = asking(url)
    corpus = small_corpus(folder)
    return {
        "prompt try": ["prompt", "try", "smile", posts(folder), "--base-url", url, "--model", "m"],
        "annotate": ["annotate", corpus, "--task", "topics", *ask, "--out", folder / "labels"],
        "ablate": [
            "ablate",
            posts(folder),
            "--arm",
            "smile",
            "--arm",
            "empathy",
            "-n",
            2,
            *ask,
            "--out",
            folder / "ab",
        ],
        "report": [
            *("report", corpus, "--embeddings", "endpoint", "--base-url", url, "--model", "e"),
            *("--examples", 1, "--out", folder / "report.html"),
        ],
    }


@pytest.mark.parametrize(
    ("name", "mode", "code"),
    [("prompt try", "echo", 0), ("annotate", "echo", 0), ("ablate", "echo", 0), ("report", "401", 2)],
)
def test_a_key_stands_in_what_another_command_leaves(tmp_path: Path, name: str, mode: str, code: int) -> None:
    with endpoint(mode) as served:
        key = {"OPENAI_API_KEY": CANARY, **LOGGED}
        left = watched(tmp_path, *_commands(tmp_path, served.url)[name], variables=key)
    assert served.was_sent(), left.err
    assert left.code == code, left.err
    assert left.leaks() == []


_LOG_LINE = re.compile(
    r"(?:openai|httpx|httpcore|aiohttp)\w*[.\w]*:\d+ - [A-Z]+\]|HTTP Re(?:quest|sponse)|Request options"
)


def test_a_library_logs_what_it_sends(tmp_path: Path) -> None:
    """Under the variable that makes the same library speak where nobody silences it, which the pattern recognises."""
    alone = "import openai, sys; openai.OpenAI(base_url=sys.argv[1]).embeddings.create(model='e', input=['a'])"
    with endpoint("echo") as served:
        key = {"OPENAI_API_KEY": CANARY, **LOGGED}
        left = watched(tmp_path, *_commands(tmp_path, served.url)["report"], variables=key)
        line = [sys.executable, "-c", alone, served.url]
        talks = subprocess.run(line, env=environment(**key), capture_output=True, text=True, check=True)
    assert left.code == 0, left.err
    assert sum(path.endswith("/embeddings") for path in served.paths) >= 2  # the report's and the library's own
    assert _LOG_LINE.search(talks.stderr)
    assert not _LOG_LINE.search(left.err)
    assert left.leaks() == []
    assert "晚上睡不着" not in left.err  # of the corpus


def test_a_key_stands_in_an_export_or_its_card(tmp_path: Path) -> None:
    with endpoint("echo") as served:
        run = ["expand", posts(tmp_path), "--out", tmp_path / "run", *asking(served.url)]
        assert watched(tmp_path, *run, variables={"OPENAI_API_KEY": CANARY}).code == 0
    to = ["--to", "messages", "--license", "cc-by-4.0", "--out", tmp_path / "corpus"]
    left = watched(tmp_path, "export", tmp_path / "run", *to, variables={"OPENAI_API_KEY": CANARY, **LOUD})
    assert left.code == 0, left.err
    assert (tmp_path / "corpus" / "README.md").is_file()
    assert left.leaks() == []


def test_a_key_stands_in_what_a_batch_leaves(tmp_path: Path) -> None:
    run = tmp_path / "run"
    key = {"OPENAI_API_KEY": CANARY, **LOGGED}
    with batch_service() as service:
        reach = ("--base-url", service.url, "--header", "X-Secret=env:OPENAI_API_KEY", "--max-attempts", 2)
        requests = ("--model", "m", "-o", tmp_path / "requests.jsonl")
        steps = [watched(tmp_path, "batch", "export", posts(tmp_path), "--out", run, *requests, variables=key)]
        service.faults["POST /v1/batches"] = [500]
        steps.append(watched(tmp_path, "batch", "submit", run, *reach, variables=key))
        steps.append(watched(tmp_path, "batch", "poll", run, variables=key))
        (batch,) = service.batches
        service.finish(batch, lambda line: good(line, f"{DIALOGUE}求助者：我看到 {CANARY}\n支持者：嗯，慢慢说。"))
        steps.append(watched(tmp_path, "batch", "fetch", run, variables=key))
        assert f"Bearer {CANARY}" in service.keys
    for step in steps:
        assert step.code == 0, step.err
        assert step.leaks() == []
    assert len(read_lines(run / "dialogues.jsonl")) == ROWS
    assert b"[secret removed]" in (run / "batch-results-1.jsonl").read_bytes()


def test_a_command_that_breaks_shows_a_key(tmp_path: Path) -> None:
    """Nobody reads its output, and its disk takes nothing: whatever it then says, it says without the key."""
    with endpoint("echo") as served:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "dialogues.jsonl").mkdir()  # the results cannot take their name
        arguments = ("expand", posts(tmp_path), "--out", tmp_path / "run", *asking(served.url))
        left = watched(tmp_path, *arguments, variables={"OPENAI_API_KEY": CANARY, **LOUD})
    assert left.code not in {0, None}
    assert served.was_sent()
    assert left.leaks() == []


def test_the_printed_continuation_holds_a_secret(tmp_path: Path) -> None:
    with endpoint("401") as served:
        options = ["--header", f"X-Api-Key={CANARY}", f"--header=Other={CANARY}", "--header", "X-Team=env:HOME"]
        arguments = ("expand", posts(tmp_path), "--out", tmp_path / "run", *asking(served.url, *options))
        left = watched(tmp_path, *arguments, given=True)
    assert "To go on: " in left.err
    assert "X-Api-Key=..." in left.err
    assert "--header=Other=..." in left.err
    assert "X-Team=env:HOME" in left.err
    assert found_in(left.err.encode()) == []
