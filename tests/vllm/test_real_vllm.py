"""The real vLLM, on a CPU: started, used, killed in the middle. Minutes, not seconds: each start takes half a minute."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from expander.endpoint import Reply, Request
from expander.errors import EndpointError
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.settings import EndpointSettings, SamplingSettings
from expander.vllm_server.endpoint import ManagedEndpoint
from expander.vllm_server.feeding import Feeder
from expander.vllm_server.supervise import LOG, managed_server
from tests.expander.running import accounted, command, environment, query, run, write_posts
from tests.expander.vllm_running import alive, group_of, job, until
from tests.vllm.conftest import ARGUMENTS, SETTINGS

pytestmark = pytest.mark.slow

POSTS = [f"最近总是睡不着，已经第{n}天了，该怎么办？" for n in range(10)]


def test_an_engine_death_loses_a_reply(vllm: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request seed on a CPU, with a prompt that is computed in pieces, kills the engine while ten posts are in flight."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []
    left: list[int] = []

    async def go() -> tuple[list[Reply], list[Reply], Feeder, str]:
        in_pieces = [*ARGUMENTS, "--max-num-batched-tokens=64"]
        async with managed_server(
            str(model), in_pieces, executable=vllm, log=tmp_path / LOG, told=told.append
        ) as server:
            composed = compose(
                base_url=server.base_url,
                model=server.model,
                endpoint=EndpointSettings(),
                sampling=SamplingSettings(max_tokens=300),
                system=None,
            )
            async with OpenAIEndpoint(composed, connections=32, attempt_timeout=120) as endpoint:
                managed = ManagedEndpoint(endpoint, server)
                feeder = Feeder(server.metrics, lambda _: None)
                await feeder.look()

                async def kill_the_engine() -> str:
                    await asyncio.sleep(0.5)
                    ended = await asyncio.gather(
                        *(endpoint.complete(Request(post * 9, 5)) for post in POSTS), return_exceptions=True
                    )
                    return next((error.kind for error in ended if isinstance(error, EndpointError)), "nobody died")

                async def all_posts() -> list[Reply]:
                    return list(await asyncio.gather(*(managed.complete(Request(post, None)) for post in POSTS)))

                first, kind = await asyncio.gather(all_posts(), kill_the_engine())
                assert server.lives == 2
                second = await all_posts()
                await feeder.look()
                left.extend(group_of(server.pid))
        return first, second, feeder, kind

    first, second, feeder, kind = asyncio.run(go())
    assert len(left) >= 3
    assert not alive(left)
    assert kind == "server-error"
    assert all(reply.content.text for reply in first + second)
    if model.name == "tiny-smile":
        assert sum("支持者：" in (reply.content.text or "") for reply in first + second) >= 15
    assert feeder.served.generation_tokens >= sum(reply.content.completion_tokens or 0 for reply in second)
    assert feeder.served.hit_rate is not None
    assert any("CPU Generator does not use offset" in line and "(1 of 6)" in line for line in told)
    assert "vLLM: loading weights: 100 %" in told


def test_a_killed_job_leaves_a_server(vllm: str, model: Path, tmp_path: Path) -> None:
    with job(str(model), vllm, tmp_path, "wait", *ARGUMENTS, **SETTINGS) as process:
        assert process.stdout is not None
        pid, url = process.stdout.readline().split()
        started = group_of(int(pid))
        assert len(started) >= 3
        os.kill(process.pid, signal.SIGKILL)
        begun = time.monotonic()
        process.communicate(timeout=20)
    assert until(lambda: not alive(started), 10), f"alive after {time.monotonic() - begun:.1f} s"
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", urlsplit(url).port or 0))


def test_a_job_killed_in_the_middle_loses_a_row(served: tuple[str, str], tmp_path: Path) -> None:
    url, name = served
    posts, out = write_posts(tmp_path / "posts.jsonl", 50), tmp_path / "run"
    options = ("--base-url", url, "--model", name, "--out", out, "--concurrency", 16, "--max-tokens", 600)

    def stored() -> int:
        with suppress(Exception):
            return int(query(out, "SELECT count(*) FROM reply")[0][0])
        return 0

    with subprocess.Popen(
        command("expand", posts, *options),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert until(lambda: stored() >= 5, 120)
        process.kill()
    before = stored()
    assert 5 <= before < 50
    done = run("expand", posts, *options, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    kept, rest = accounted(out, 50)
    assert query(out, "SELECT count(DISTINCT row_id) FROM reply") == [(50,)]
    if name == "tiny-smile":
        assert len(kept) >= 20, [row["rule"] for row in rest]
