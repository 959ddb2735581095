"""Stands before an endpoint and keeps its own account of what was answered, whether or not anybody was left to read it.

`python -m tests.campaigns.counting_proxy UPSTREAM FOLDER` prints its port. A client's base URL is
`http://127.0.0.1:PORT/RUN/SESSION/MODE/v1`; FOLDER/RUN.jsonl gets a line when a request has come in and another when its
answer is whole. Modes:

* `plain`: what the endpoint says.
* `flaky`: the first asking of one request in twelve is refused with 503 and never reaches the endpoint.
* `hold-N`: after N requests of this session answers are withheld until their client has gone away.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any, NamedTuple

import aiohttp
from aiohttp import web

from tests.conftest import REPOSITORY

_FLAKY_SHARE = 12
_HELD_AT_MOST = 60.0  # seconds
_LOOK_EVERY = 0.02  # seconds between two looks whether a client is still there
_BACKLOG = 1024
_CAME, _SERVED = b'{"event": "came"', b'{"event": "served"'  # how lines of a log begin


class Served(NamedTuple):
    """A whole answer with status 200, as the endpoint gave it."""

    session: int
    request: str
    """SHA-256 of the request's body: prompt, seed and all settings. Equal for a request that is sent again."""
    body: str
    """SHA-256 of the answer's body; the endpoint gives each answer an id of its own, so no two are equal."""
    prompt_tokens: int
    completion_tokens: int


class Counts(NamedTuple):
    """How many requests of one run there were so far."""

    came: int
    answered: int
    """With a whole answer of status 200."""
    under_way: int


def counts(path: Path) -> Counts:
    """From a run's log, as it is at this moment."""
    log = path.read_bytes() if path.exists() else b""
    came = log.count(_CAME)
    return Counts(came, log.count(_SERVED), 2 * came - log.count(b"\n"))


def served(path: Path) -> list[Served]:
    """Every whole answer of one run, in their order."""
    if not path.exists():
        return []
    found = (json.loads(line) for line in path.read_bytes().splitlines() if line.startswith(_SERVED))
    return [Served(*line["served"]) for line in found]


@contextmanager
def counting_proxy(upstream: str, folder: Path) -> Iterator[str]:
    """A proxy in a process of its own; yields its URL, without run, session and mode."""
    arguments = [sys.executable, "-m", "tests.campaigns.counting_proxy", upstream, str(folder)]
    with Popen(arguments, stdout=PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class _Proxy:
    def __init__(self, upstream: str, folder: Path, client: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._folder = folder
        self._client = client
        self._logs: dict[str, IO[str]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._asked: Counter[tuple[str, int]] = Counter()

    async def complete(self, request: web.Request) -> web.Response:
        run, session, mode = request.match_info["run"], int(request.match_info["session"]), request.match_info["mode"]
        self._note(run, event="came")
        event: dict[str, Any] = {"event": "dropped"}
        try:
            asked = await request.read()
            name = hashlib.sha256(asked).hexdigest()
            first = (run, name) not in self._seen
            self._seen.add((run, name))
            self._asked[run, session] += 1
            if mode == "flaky" and first and int(name, 16) % _FLAKY_SHARE == 0:
                event = {"event": "refused"}
                return web.json_response({"error": {"code": "overloaded"}}, status=503)
            withheld = mode.startswith("hold-") and self._asked[run, session] > int(mode.removeprefix("hold-"))
            url = f"{self._upstream}/chat/completions"
            async with self._client.post(url, data=asked, headers={"Content-Type": "application/json"}) as response:
                body, status = await response.read(), response.status
            if withheld:
                await _until_gone(request)
            if status == 200:
                usage = json.loads(body)["usage"]
                tokens = usage["prompt_tokens"], usage["completion_tokens"]
                event = {"event": "served", "served": Served(session, name, hashlib.sha256(body).hexdigest(), *tokens)}
            return web.Response(body=body, status=status, content_type="application/json")
        finally:
            self._note(run, **event)

    def _note(self, run: str, **line: object) -> None:
        if run not in self._logs:
            self._logs[run] = (self._folder / f"{run}.jsonl").open("a", buffering=1, encoding="utf-8")
        self._logs[run].write(json.dumps(line) + "\n")


async def _until_gone(request: web.Request) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _HELD_AT_MOST
    # Nothing wakes a handler whose client has gone, when it is not to be cancelled.
    while loop.time() < end and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_EVERY)


async def _main(upstream: str, folder: Path) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post("/{run}/{session}/{mode}/v1/chat/completions", _Proxy(upstream, folder, client).complete)
        # A handler goes on when its client has gone: what the endpoint has answered is billed all the same.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=_BACKLOG).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2])))
