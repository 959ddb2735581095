"""Options: what is refused before anything is sent, and what the rest means."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expander.cli import main
from expander.errors import UsageError
from expander.settings import EndpointSettings, InputSettings, WorkSettings, run_folder
from expander.tokens import estimate_tokens
from tests.expander.corpus_runs import EXAMPLES
from tests.expander.running import command, environment, run

URL = "http://127.0.0.1:8000/v1"


def endpoint(**options: Any) -> EndpointSettings:
    return EndpointSettings(**{"base_url": (URL,), "model": "m"} | options)


# The endpoint's address


@pytest.mark.parametrize(
    "url",
    ["https://user:hunter2@host/v1", "https://sk-secret@host/v1", "http://:sk-secret@host/v1"],
    ids=["both", "user", "password"],
)
def test_credentials_in_the_url_are_accepted_or_told(url: str) -> None:
    with pytest.raises(UsageError, match=r"holds credentials.*\$MY_KEY") as caught:
        endpoint(base_url=(url,), api_key_env="MY_KEY")
    assert "hunter2" not in str(caught.value)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("", "host/v1", "host:8000/v1", "ftp://host/v1", "file:///etc", "http://", "http:///v1", "http://[::1/v1"),
        *("http://host:port/v1", "http://host:99999/v1", "http://host:0/v1"),
    ],
)
def test_an_url_that_is_none_is_accepted(url: str) -> None:
    with pytest.raises(UsageError, match="--base-url: give a whole URL"):
        endpoint(base_url=(url,))


@pytest.mark.parametrize("url", ["http://[::1]:8000/v1", "HTTPS://host", "http://127.0.0.1:1/", "https://主机/v1"])
def test_a_good_url_is_refused(url: str) -> None:
    assert endpoint(base_url=(url,)).base_url == (url,)


def test_a_url_without_a_model_is_accepted() -> None:
    with pytest.raises(UsageError, match="--model"):
        EndpointSettings(base_url=(URL,))


# Headers and body


def test_headers_are_read_otherwise_than_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_SECRET", "s3cret\n")
    header = ("X-Team=research", " X-Spaced = a b ", "X-Equals=a=b=", "X-Env=env:TEAM_SECRET", "X-Word=environment")
    assert endpoint(header=header).headers() == {
        "X-Team": "research",
        "X-Spaced": "a b",
        "X-Equals": "a=b=",
        "X-Env": "s3cret",
        "X-Word": "environment",
    }


def test_no_header_makes_one() -> None:
    assert endpoint().headers() == {}


@pytest.mark.parametrize("entry", ["X-Team", "X-Team=", "=research", " = ", "X-Team: research", ""])
def test_a_broken_header_is_accepted(entry: str) -> None:
    with pytest.raises(UsageError, match=r"--header X-Team=research"):
        endpoint(header=(entry,)).headers()


@pytest.mark.parametrize("entry", ["sk-Ab12Cd34", "sk-Ab12Cd34=", "Authorization: Bearer sk-Ab12Cd34=="])
def test_a_secret_given_as_a_broken_header_is_told(entry: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint(header=(entry,)).headers()
    assert "Ab12" not in str(caught.value)


def test_a_missing_secret_is_sent_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_SECRET", raising=False)
    with pytest.raises(UsageError, match=r"X-Env.*TEAM_SECRET is not set"):
        endpoint(header=("X-Env=env:TEAM_SECRET",)).headers()


def test_a_secret_is_looked_up_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept, printed or compared must be the variable's name."""
    monkeypatch.setenv("TEAM_SECRET", "s3cret")
    assert "s3cret" not in repr(endpoint(header=("X-Env=env:TEAM_SECRET",)))


def test_an_extra_body_is_changed() -> None:
    assert endpoint(extra_body='{"top_k": 20, "a": {"b": [1, null]}}').body() == {"top_k": 20, "a": {"b": [1, None]}}
    assert endpoint().body() == {}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param("{top_k: 20}", "not JSON", id="no JSON"),
        pytest.param("", "not JSON", id="empty"),
        pytest.param("[1]", "JSON object", id="list"),
        pytest.param("null", "JSON object", id="null"),
        *(
            pytest.param(f'{{"{key}": 1}}', f"may not set {key}", id=key)
            for key in ("model", "messages", "stream", "n", "seed")
        ),
        pytest.param('{"seed": 1, "n": 2, "top_k": 3}', "may not set n, seed:", id="two of three"),
    ],
)
def test_a_broken_extra_body_is_accepted(body: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        endpoint(extra_body=body).body()
    assert "--extra-body" in str(caught.value)


# Input


@pytest.mark.parametrize(("text", "shard"), [(None, None), ("1/1", (1, 1)), ("2/4", (2, 4)), ("10/10", (10, 10))])
def test_a_shard_is_misread(text: str | None, shard: tuple[int, int] | None) -> None:
    assert InputSettings(shard=text).shard_of() == shard


@pytest.mark.parametrize("text", ["", "1", "/", "0/4", "5/4", "1/0", "-1/4", "1/-4", "1 / 4", "1/4/2", "a/b", "1.0/4"])
def test_a_shard_that_does_not_exist_is_accepted(text: str) -> None:
    with pytest.raises(UsageError, match=r"--shard.*1/4"):
        InputSettings(shard=text).shard_of()


def test_columns_are_misread() -> None:
    assert InputSettings(column=("question=title", "answer = the reply")).columns() == {
        "question": "title",
        "answer": "the reply",
    }
    with pytest.raises(UsageError, match="--column question=title"):
        InputSettings(column=("question",)).columns()


# Work


@pytest.mark.parametrize(
    ("prices", "tokens", "cost"),
    [
        pytest.param((None, None), (10, 10), None, id="unknown"),
        pytest.param((0.15, 0.60), (1_000_000, 0), 0.15, id="prompts"),
        pytest.param((0.15, 0.60), (0, 2_000_000), 1.20, id="replies"),
        pytest.param((0.15, 0.60), (500_000, 250_000), 0.225, id="both"),
        pytest.param((0.0, 0.0), (500_000, 250_000), 0.0, id="free"),
        pytest.param((0.15, 0.60), (0, 0), 0.0, id="nothing yet"),
    ],
)
def test_a_cost_is_wrong(
    prices: tuple[float | None, float | None], tokens: tuple[int, int], cost: float | None
) -> None:
    found = WorkSettings(price_in=prices[0], price_out=prices[1]).cost(*tokens)
    assert found == (None if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"price_in": 1.0}, "--price-out"),
        ({"price_out": 1.0}, "--price-in"),
        ({"max_cost": 1.0}, "--price-in"),
    ],
    ids=["one price", "the other price", "cost without prices"],
)
def test_a_cost_that_cannot_be_known_is_promised(options: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        WorkSettings(**options)  # type: ignore[arg-type]  # of all options only these, which are numbers


# The run's folder


def test_an_asked_folder_is_changed() -> None:
    assert run_folder(Path("here/there"), Path("posts.json"), "smile", "m") == Path("here/there")


@pytest.mark.parametrize(
    ("posts", "template", "model", "folder"),
    [
        ("data/posts.json", "smile", "offline-extractive", "posts-smile-offline-extractive"),
        ("/a/b/posts.jsonl.gz", "smile", "m", "posts-smile-m"),
        (None, "standard", "m", "generated-standard-m"),
        ("posts.csv", "../mine/own.yaml", "Qwen/Qwen2.5-7B", "posts-own-Qwen2.5-7B"),
        ("我的 帖子.json", "smile", "a:b c", "我的_帖子-smile-a_b_c"),
    ],
    ids=["plain", "compressed", "without posts", "paths in names", "spaces"],
)
def test_the_same_command_finds_another_folder(posts: str | None, template: str, model: str, folder: str) -> None:
    for _ in range(2):
        found = run_folder(None, Path(posts) if posts else None, template, model)
        assert found == Path("outputs") / folder


@given(posts=st.text(min_size=1), template=st.text(min_size=1), model=st.text(min_size=1))
def test_a_name_leads_out_of_the_folder(posts: str, template: str, model: str) -> None:
    found = run_folder(None, Path(posts.replace("\0", "")), template, model)
    assert found.parent == Path("outputs")
    assert found.name not in {"", ".", ".."}
    assert not set(found.name) & set('/\\\0\n\r\t:*?"<>| ')


def test_two_models_share_a_folder() -> None:
    folders = {run_folder(None, Path("posts.json"), "smile", model) for model in ("org/m-7b", "org/m-72b", "m_7b")}
    assert len(folders) == 3


# Tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("你好", 2), ("你好。", 3), ("word", 1), ("words", 2), ("你好 abc", 3), ("，。！", 3), ("😀😀😀😀", 1)],
)
def test_an_estimate_is_off(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_a_key_in_place_of_a_variables_name_is_told() -> None:
    with pytest.raises(UsageError) as refused:
        EndpointSettings(header=("X-Key=env:sk-Ab12/Cd34",)).headers()
    assert "Ab12" not in str(refused.value)


@pytest.mark.parametrize(
    "option",
    [
        ("--rpm", "inf"),
        ("--rpm", "1e-300"),
        ("--attempt-timeout", "1e-9"),
        ("--max-tokens", str(2**70)),
        ("--concurrency", "9" * 20),
        ("--samples", str(2**70)),
        ("--price-in", "inf"),
        ("--max-cost", "nan"),
    ],
    ids=" ".join,
)
def test_a_number_without_sense_ends_otherwise_than_in_a_line(
    option: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["expand", str(EXAMPLES), "--out", "run", *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_argument_that_is_no_text_ends_in_a_bug(tmp_path: Path) -> None:
    done = subprocess.run(
        [*command("expand", EXAMPLES, "--out", tmp_path / "run", "--stop"), b"\xff"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert b"Argument 6 is not UTF-8" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_pipe_is_waited_for_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "posts.jsonl")
    done = run("expand", "posts.jsonl", "--out", tmp_path / "run", cwd=tmp_path, timeout=30)
    assert done.returncode == 2
    assert "posts.jsonl is no ordinary file" in done.stderr
    assert not (tmp_path / "run").exists()
