"""A managed server that starts slowly, not at all, or dies. A stand-in for `vllm serve`: a real process, real HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from expander.endpoint import Request
from expander.errors import Action, EndpointError, UsageError
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.settings import EndpointSettings, SamplingSettings
from expander.vllm_server.command import EXECUTABLE, find_executable, served_name, split_arguments
from expander.vllm_server.endpoint import ManagedEndpoint
from expander.vllm_server.supervise import Server, ServerError, managed_server
from tests.expander.vllm_running import alive, pids, stand_in


async def _ask(server: Server, *prompts: str) -> list[str | EndpointError]:
    """What becomes of each prompt, all in flight at once."""
    composed = compose(
        base_url=server.base_url,
        model=server.model,
        endpoint=EndpointSettings(),
        sampling=SamplingSettings(),
        system=None,
    )
    async with OpenAIEndpoint(composed, connections=64, attempt_timeout=20) as endpoint:
        managed = ManagedEndpoint(endpoint, server)

        async def one(prompt: str) -> str | EndpointError:
            try:
                return (await managed.complete(Request(prompt, None))).content.text or ""
            except EndpointError as error:
                return error

        return await asyncio.gather(*map(one, prompts))


def _started(folder: Path) -> list[str]:
    return (folder / "started").read_text().splitlines()


def test_loading_is_not_told_or_cut_short(tmp_path: Path) -> None:
    """It takes longer than the patience for silence, and shows progress meanwhile."""
    told: list[str] = []

    async def go() -> list[str | EndpointError]:
        async with managed_server(
            "slow",
            [],
            executable=stand_in(tmp_path),
            log=tmp_path / "vllm.log",
            told=told.append,
            patience=1.2,
            grace=0.4,
        ) as server:
            assert server.base_url.startswith("http://127.0.0.1:")
            return await _ask(server, "0 hello")

    assert asyncio.run(go()) == ["ok"]
    assert "vLLM: loading weights: 50 %" in told
    assert told[-1] == "vLLM: serving slow"
    assert not alive(pids(tmp_path))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("mute", "nothing new in its log for 1 s"),
        ("oom", "the GPU's memory is full (torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.)"),
        ("refused", "it refuses an argument (vllm: error: unrecognized arguments: --nonsense)"),
        ("broken", "pip install 'dialogue-expander[vllm]'"),
        ("old", "it is vLLM 0.9. --vllm needs vLLM 0.12 or newer"),
    ],
)
def test_a_server_that_does_not_start_says_nothing_of_why(tmp_path: Path, model: str, words: str) -> None:
    async def go() -> None:
        async with managed_server(
            model, [], executable=stand_in(tmp_path), log=tmp_path / "vllm.log", patience=1.0, grace=0.4
        ):
            pytest.fail("it serves")

    with pytest.raises(ServerError) as caught:
        asyncio.run(go())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not alive(pids(tmp_path))


def test_a_port_taken_meanwhile_ends_the_job(tmp_path: Path) -> None:
    async def go() -> list[str | EndpointError]:
        async with managed_server(
            "port-taken", [], executable=stand_in(tmp_path), log=tmp_path / "vllm.log", grace=0.4
        ) as server:
            return await _ask(server, "0 hello")

    assert asyncio.run(go()) == ["ok"]
    first, second = (line.split("--port ")[1].split()[0] for line in _started(tmp_path))
    assert first != second


@pytest.mark.parametrize("model", ["sound", "sick"])
def test_a_server_that_dies_in_mid_run_loses_a_request(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sick`: its engine is dead and its process lives on."""
    monkeypatch.setattr("expander.vllm_server.supervise._SICK", 1.0)
    told: list[str] = []

    async def go() -> list[str | EndpointError]:
        async with managed_server(
            model, [], executable=stand_in(tmp_path), log=tmp_path / "vllm.log", told=told.append, grace=0.4
        ) as server:
            url = server.base_url
            replies = await _ask(server, "0 CRASH", *(f"{n} hello" for n in range(1, 40)))
            replies += await _ask(server, *(f"{n} hello" for n in range(40, 50)))
            assert server.base_url == url
            assert server.lives == 2
            return replies

    assert asyncio.run(go()) == ["ok"] * 50
    if model == "sound":
        assert [line for line in told if "died" in line] == [
            "The vLLM server died: RuntimeError: CPU Generator does not use offset. Starting it again (1 of 6)."
        ]
    assert not alive(pids(tmp_path))


def test_a_row_that_kills_the_server_kills_the_run(tmp_path: Path) -> None:
    async def go() -> list[str | EndpointError]:
        async with managed_server(
            "sound", [], executable=stand_in(tmp_path), log=tmp_path / "vllm.log", grace=0.4
        ) as server:
            return await _ask(server, "0 CRASH ALWAYS", *(f"{n} SLOW" for n in range(1, 30)))

    killer, *others = asyncio.run(go())
    assert isinstance(killer, EndpointError)
    assert (killer.kind, killer.action) == ("server-died", Action.FAIL_ROW)
    assert others.count("ok") > 29 - 8


def test_a_server_is_started_again_for_ever(tmp_path: Path) -> None:
    async def go() -> list[str | EndpointError]:
        async with managed_server(
            "sound", [], executable=stand_in(tmp_path), log=tmp_path / "vllm.log", grace=0.4, restarts=1
        ) as server:
            return [*await _ask(server, "0 CRASH ALWAYS"), *await _ask(server, "1 hello", "2 hello")]

    _, *others = asyncio.run(go())
    assert len(_started(tmp_path)) == 2
    for error in others:
        assert isinstance(error, EndpointError)
        assert error.action is Action.STOP_RUN
        assert "died 2 times" in error.detail
        assert "CPU Generator does not use offset" in error.detail


def test_requests_wait_for_ever_for_a_server_whose_log_is_gone(tmp_path: Path) -> None:
    """Whatever ends the watching ends the waiting."""
    folder = tmp_path / "run"

    async def go() -> list[str | EndpointError]:
        executable = stand_in(tmp_path)
        async with managed_server("sound", [], executable=executable, log=folder / "vllm.log", grace=0.4) as server:
            (folder / "vllm.log").unlink()
            folder.rmdir()
            return [*await _ask(server, "0 CRASH"), *await _ask(server, "1 hello")]

    for error in asyncio.run(asyncio.wait_for(go(), 20)):
        assert isinstance(error, EndpointError)
        assert error.action is Action.STOP_RUN
    assert not alive(pids(tmp_path))


def test_a_missing_vllm_does_not_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(EXECUTABLE, raising=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(UsageError, match=r"^vllm is not installed\. .*pip install 'dialogue-expander\[vllm\]'"):
        find_executable()
    monkeypatch.setenv(EXECUTABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"nowhere is not there"):
        find_executable()
    monkeypatch.setenv(EXECUTABLE, stand_in(tmp_path))
    assert find_executable() == str(tmp_path / "vllm")


def test_a_key_reaches_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from expander.vllm_server.command import server_environment

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("VLLM_API_KEY", "sk-secret")
    assert "sk-secret" not in server_environment(stand_in(tmp_path)).values()


@pytest.mark.parametrize("entry", ["--port 1", "--port=1", "--host x", "--api_key k", "--model m"])
def test_an_argument_of_the_job_is_overwritten(entry: str) -> None:
    with pytest.raises(UsageError, match="the job sets that itself"):
        split_arguments(["--max-model-len 4096", entry])


def test_a_folder_is_served_under_a_name_that_moves_with_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    assert served_name(str(folder), []) == "my-model"
    assert served_name("Qwen/Qwen2.5-7B-Instruct", []) == "Qwen/Qwen2.5-7B-Instruct"
    assert served_name(str(folder), ["--served-model-name", "x"]) == "x"
    assert served_name(str(folder), ["--served_model_name=y"]) == "y"
