"""A vLLM server for as long as a job needs it: started, waited for, started again when it dies, and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from expander.errors import ExpanderError, UsageError
from expander.vllm_server import health
from expander.vllm_server.command import (
    HOST,
    find_executable,
    free_port,
    serve_command,
    served_name,
    server_environment,
    split_arguments,
)
from expander.vllm_server.log_file import LogReader
from expander.vllm_server.log_lines import INSTALL, Death, Novelty, death, stage
from expander.vllm_server.metrics import ServerMetrics
from expander.vllm_server.process import GRACE, ServerProcess

LOG = "vllm.log"
"""The log's name in a run's folder."""
PATIENCE = 600.0  # seconds without a new line in the log: a graph compiled for a large model takes minutes in silence
RESTARTS = 6  # a command: two rows that kill the server cost three each, and each costs a loading
_PORTS_TRIED = 3  # another process may take a free port before the server does
_LOOK_EVERY = 0.25  # seconds between looks at log and health
_SICK = 30.0  # seconds that a live server may answer its health check with anything but 200
_OLDEST = (0, 12)  # `structured_outputs` alone is heard since then: 0.12 no longer reads the older fields


class ServerError(ExpanderError):
    """The server does not run, and why."""


class Server:
    """A managed server. `base_url` and `model` stay as they are when it is started again."""

    def __init__(
        self,
        model: str,
        arguments: Sequence[str],
        *,
        executable: str,
        log: Path,
        told: Callable[[str], None],
        patience: float,
        restarts: int,
        grace: float,
    ) -> None:
        self.model = served_name(model, arguments)
        self.port = free_port()
        self.log = log
        self.lives = 0
        """How often it was started."""
        self._path = model
        self._arguments = arguments
        self._executable = executable
        self._told = told
        self._patience = patience
        self._restarts_left = self._restarts = restarts
        self._grace = grace
        self._process: ServerProcess | None = None
        self._reader = LogReader(log)
        self._serving = asyncio.Event()
        self._given_up: Death | None = None
        self._examining = asyncio.Lock()

    @property
    def base_url(self) -> str:
        return f"{self._root}/v1"

    @property
    def pid(self) -> int:
        """The main process's id, and the process group's."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def _root(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def ready(self) -> int:
        """Wait until it serves; the number of its life.

        Raises ServerError when it has died too often.
        """
        await self._serving.wait()
        if self._given_up is not None:
            raise ServerError(f"The vLLM server died {self.lives} times; the last time: {self._given_up}")
        return self.lives

    async def died(self, life: int) -> bool:
        """Whether that life is over, asked by someone whose request failed. May take as long as its death does.

        A server that lives and stays unhealthy is ended, so that it is started again.
        """
        async with self._examining:  # one look for all the requests that failed with it
            loop = asyncio.get_running_loop()
            end = loop.time() + _SICK
            while self.lives == life and self._serving.is_set() and self._given_up is None:
                if await health.is_healthy(self._root) is not False:  # too busy to answer in time is alive
                    return False
                if loop.time() > end and self._process is not None:
                    await self._process.stop()
                await asyncio.sleep(_LOOK_EVERY)
        return True

    async def metrics(self) -> ServerMetrics | None:
        """What the server says of itself now; None while it does not."""
        return await health.metrics(self._root) if self._serving.is_set() else None

    async def start(self) -> None:
        """Raises ServerError where it does not come to serve."""
        for tried in range(1, _PORTS_TRIED + 1):
            why = await self._begin_life()
            if why is None:
                return
            if "port is in use" not in why.reason or tried == _PORTS_TRIED:
                raise ServerError(f"The vLLM server did not start: {why} Its log: {self.log}")
            self.port = free_port()

    async def keep_up(self) -> None:
        """Start it again each time it dies, as often as may be."""
        try:
            await self._keep_up()
        except OSError as error:  # its log is gone, or no process is to be had
            self._give_up(Death(f"it cannot be watched: {error.strerror or type(error).__name__}", ""))
        except Exception as error:
            # Nobody would wait for this task before the run's end, and the run would wait for the server for ever.
            self._give_up(Death(f"it could not be watched ({type(error).__name__})", ""))
            raise

    def _give_up(self, why: Death) -> None:
        self._given_up = why
        self._serving.set()

    async def _keep_up(self) -> None:
        while True:
            assert self._process is not None, "not started"
            code = await self._process.ended()
            self._serving.clear()
            why: Death | None = death(self._reader.finish(), code)
            while why is not None:
                if not self._restarts_left:
                    self._give_up(why)
                    return
                self._restarts_left -= 1
                done = self._restarts - self._restarts_left
                self._told(f"The vLLM server died: {why} Starting it again ({done} of {self._restarts}).")
                why = await self._begin_life()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop()

    async def _begin_life(self) -> Death | None:
        """Start a process and wait until it serves; why it did not."""
        self.lives += 1
        command = serve_command(self._executable, self._path, self._arguments, self.port)
        try:
            self._reader = LogReader(self.log)
            self._process = await ServerProcess.start(
                command, log=self.log, environment=server_environment(self._executable), grace=self._grace
            )
            why = await self._come_up(self._process)
        except OSError as error:  # no room for its log, no process to be had
            return Death(f"{self.log} or its process fails: {error.strerror or type(error).__name__}", "")
        if why is None:
            self._told(f"vLLM: serving {self.model}")
            self._serving.set()
        return why

    async def _come_up(self, process: ServerProcess) -> Death | None:
        loop = asyncio.get_running_loop()
        novelty, shown = Novelty(), ""
        limit = loop.time() + self._patience
        while process.is_alive():
            for line in self._reader.new():
                if novelty.is_new(line):
                    limit = loop.time() + self._patience
                if (words := stage(line)) and words != shown:
                    shown = words
                    self._told(f"vLLM: {words}")
            if process.is_alive() and await health.is_healthy(self._root):
                return await self._old_version(process)
            if loop.time() > limit:
                await process.stop()
                last = self._reader.lines[-1][:200] if self._reader.lines else "none"
                return Death(f"nothing new in its log for {self._patience:.0f} s; its last line: {last}", "")
            await asyncio.sleep(_LOOK_EVERY)
        return death(self._reader.finish(), await process.ended())

    async def _old_version(self, process: ServerProcess) -> Death | None:
        found = await health.version(self._root)
        if found is None or found >= _OLDEST:
            return None
        await process.stop()
        return Death(f"it is vLLM {found[0]}.{found[1]}", INSTALL)


@asynccontextmanager
async def managed_server(
    model: str,
    arguments: Sequence[str],
    *,
    log: Path,
    executable: str | None = None,
    told: Callable[[str], None] = lambda _: None,
    patience: float = PATIENCE,
    restarts: int = RESTARTS,
    grace: float = GRACE,
) -> AsyncIterator[Server]:
    """A vLLM server that serves MODEL on a loopback port, gone when the block is left, or the job dies.

    `arguments` are what the user adds to `vllm serve`; `told` gets lines about loading and deaths; `log` is appended to.
    `patience`: seconds without progress in the log before loading is given up. `restarts`: of a server that died.
    Raises UsageError for a missing vllm or a wrong argument, ServerError (with the reason from the log) where it does not
    come to serve.
    """
    _make_writable(log)
    server = Server(
        model,
        split_arguments(arguments),
        executable=find_executable(executable),
        log=log,
        told=told,
        patience=patience,
        restarts=restarts,
        grace=grace,
    )
    keeping: asyncio.Task[None] | None = None
    try:
        await server.start()
        keeping = asyncio.create_task(server.keep_up())
        yield server
    finally:
        if keeping is not None:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        await server.stop()


def _make_writable(log: Path) -> None:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        raise UsageError(f"{log} cannot be written: {error.strerror}.") from error
