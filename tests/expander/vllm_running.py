"""Starts servers that behave like vLLM's, jobs that manage them, and looks for what they left running."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import REPOSITORY

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")

# A job that holds a server and does nothing with it. It prints a line once the server serves.
JOB = """
import asyncio, sys, uvloop
from pathlib import Path
from expander.vllm_server.supervise import managed_server

async def job(model, executable, folder, how):
    async with managed_server(model, sys.argv[5:], executable=executable, log=Path(folder) / "vllm.log", grace=0.4) as server:
        print(server.pid, server.base_url, flush=True)
        if how == "raise":
            raise RuntimeError("a bug in the job")
        if how == "fork":
            import os, time
            if os.fork() == 0:
                time.sleep(8)
                os._exit(0)
        await asyncio.sleep(0 if how == "end" else 60)

uvloop.run(job(*sys.argv[1:5]))
"""


def stand_in(folder: Path) -> str:
    """An executable that can be told apart from vllm only by what it is asked; what it did is found in `folder`."""
    wrapper = folder / "vllm"
    wrapper.write_text(f'#!/bin/sh\nSTAND_IN_FOLDER={folder} exec {sys.executable} {STAND_IN} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return str(wrapper)


@contextmanager
def job(
    model: str, executable: str, folder: Path, how: str, *arguments: str, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """A job in a session of its own. It is dead when the block is left, whatever the test found."""
    with subprocess.Popen(
        [sys.executable, "-c", JOB, model, executable, str(folder), how, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **more},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def pids(folder: Path) -> list[int]:
    """Every process that a stand-in started, itself included."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def group_of(leader: int) -> list[int]:
    """Every process below `leader`, itself included."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, edge = {leader}, {leader}
    while edge:
        edge = {pid for pid, parent in parents.items() if parent in edge} - found
        found |= edge
    return sorted(found)


def alive(processes: list[int]) -> list[int]:
    """Those that run. A zombie does not."""
    running = []
    for pid in processes:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                running.append(pid)
    return running


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came to hold within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
