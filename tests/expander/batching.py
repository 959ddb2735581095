"""Runs by way of request files, for the tests of `batch`: the commands, and whoever answers the requests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp

from expander.cli import app
from expander.commands.batching import batch_app
from expander.offline.app import OfflineSettings, serving
from tests.conftest import REPOSITORY
from tests.expander.corpus_runs import Done, cli
from tests.expander.rogue_server import completion
from tests.expander.running import environment, read_lines

# The command line, with `batch` in it whether or not expander/cli.py registers it.
_START = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from expander import cli
from expander.commands.batching import batch_app
if "batch" not in list(cli.app):
    cli.app.command(batch_app)
cli.main()
"""


def batch_command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", _START, "batch", *map(str, arguments)]


def batch(*arguments: object, **more: str) -> Done:
    """A `batch` command in this process, as from a shell and quicker; its code is for the test to look at."""
    if "batch" not in list(app):
        app.command(batch_app)
    with mock.patch.dict("os.environ", environment(**more), clear=True):
        return cli("batch", *arguments)


def result(body: object, status: int = 200) -> dict[str, Any]:
    """What a result line says beside its custom_id."""
    return {"id": "req", "response": {"status_code": status, "request_id": "r", "body": body}, "error": None}


def good(request: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    """A dialogue that passes, its own for each row."""
    body = json.loads(completion() if text is None else completion(text))
    return result({**body, "id": f"reply-to-{request['custom_id']}"})


def write_results(path: Path, lines: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return path


def answered(requests: Path, path: Path) -> Path:
    """The requests answered well."""
    return write_results(path, ({"custom_id": line["custom_id"], **good(line)} for line in read_lines(requests)))


def answered_offline(requests: Path, path: Path) -> Path:
    """The requests answered by the embedded endpoint, sent as they stand in the file."""

    async def answer() -> list[dict[str, Any]]:
        lines = []
        async with serving(OfflineSettings()) as url, aiohttp.ClientSession() as client:
            for line in read_lines(requests):
                assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
                async with client.post(f"{url}/chat/completions", json=line["body"]) as response:
                    lines.append({"custom_id": line["custom_id"], **result(await response.json(), response.status)})
        return lines

    return write_results(path, asyncio.run(answer()))
