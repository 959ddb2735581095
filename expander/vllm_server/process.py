"""One life of the server, held by a keeper that outlives the job just long enough to end it (`keeper`)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from expander.vllm_server import keeper

GRACE = 5.0  # seconds from SIGTERM to SIGKILL: vLLM 0.32 was gone after 1.9 s
_LONGEST_STOP = (
    30.0  # seconds for a keeper to stop a server: more than GRACE and its own wait for what cannot be killed
)


class ServerProcess:
    """A running server and all its processes."""

    def __init__(self, held_by: Process, pid: int, sockets: str) -> None:
        """`sockets` is the folder that the keeper made for the server's, or empty."""
        self.pid = pid
        """Of the server's main process, and of its process group."""
        self._keeper = held_by
        self._sockets = sockets
        self._end = asyncio.create_task(self._wait())

    @classmethod
    async def start(
        cls, command: Sequence[str], *, log: Path, environment: Mapping[str, str], grace: float = GRACE
    ) -> Self:
        """Its output is added to `log`. A command that cannot be run ends at once, with exit code 127."""
        with log.open("ab") as output:
            held_by = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                keeper.__file__,
                str(grace),
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C is the job's to handle
            )
        assert held_by.stdout is not None
        assert held_by.stdin is not None
        try:
            started = os.fsdecode(await held_by.stdout.readline()).rstrip("\n").split(" ", 2)
        except asyncio.CancelledError:
            held_by.stdin.close()  # it stops what it has started, and ends
            await held_by.wait()
            raise
        if started[0] != "started":
            raise OSError("the process that keeps the server did not start")
        return cls(held_by, int(started[1]), started[2])

    async def ended(self) -> int | None:
        """Wait until the server has died of itself and nothing of it is left: its exit code, a signal's number negative.

        None where it was stopped, or where its keeper was killed.
        """
        return await asyncio.shield(self._end)

    def is_alive(self) -> bool:
        return not self._end.done()

    async def stop(self) -> None:
        """End every process of the server. Returns when they are gone; does so even when cancelled meanwhile."""
        stopping = asyncio.ensure_future(self._stop())
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping
            raise

    async def _stop(self) -> None:
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._end), _LONGEST_STOP)
        except TimeoutError:
            self._kill_group()
            self._keeper.kill()
        await self._keeper.wait()

    async def _wait(self) -> int | None:
        assert self._keeper.stdout is not None
        said = (await self._keeper.stdout.read()).decode().split()
        if not said:  # the keeper was killed: the kernel killed the server's main process, the rest is ours to kill
            self._kill_group()
            if self._sockets:
                shutil.rmtree(self._sockets, ignore_errors=True)
        await self._keeper.wait()
        return int(said[1]) if said[:1] == ["ended"] else None

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
