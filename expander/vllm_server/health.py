"""What a vLLM server answers over HTTP apart from completions."""

from __future__ import annotations

import re
from http import HTTPStatus

import aiohttp
import orjson

from expander.vllm_server.metrics import ServerMetrics, read_metrics

_PATIENCE = aiohttp.ClientTimeout(total=5.0)  # seconds; the answers are made without the engine's work


async def is_healthy(root: str) -> bool | None:
    """Whether /health answers 200; None where no answer comes in time. It is 503 from the moment the engine is dead."""
    try:
        return await _answer(f"{root}/health") is not None
    except TimeoutError:
        return None


async def version(root: str) -> tuple[int, int] | None:
    """The server's major and minor version; None where it does not say."""
    body = await _get(f"{root}/version")
    try:
        match = re.match(r"(\d+)\.(\d+)", orjson.loads(body or b"")["version"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return (int(match[1]), int(match[2])) if match else None


async def metrics(root: str) -> ServerMetrics | None:
    """What /metrics says now; None where it cannot be had."""
    body = await _get(f"{root}/metrics")
    return read_metrics(body.decode(errors="replace")) if body is not None else None


async def _get(url: str) -> bytes | None:
    try:
        return await _answer(url)
    except TimeoutError:
        return None


async def _answer(url: str) -> bytes | None:
    """The body of an HTTP 200; None for any other answer, and where nobody listens. Raises TimeoutError."""
    try:
        # A session of its own each time: what is asked for seldom must not hold a connection to a server that may die.
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, trust_env=False) as session,
            session.get(url) as response,
        ):
            return await response.read() if response.status == HTTPStatus.OK else None
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError):
        return None
