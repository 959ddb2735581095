"""The offline endpoint as an HTTP application: chat completions, embeddings, models, health; and serving it."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from aiohttp import web

from expander.offline import chat, embeddings, tokens, wire
from expander.offline.api import MODEL, ApiError, ChatRequest, read_chat, read_embedding, read_json
from expander.offline.faults import WAITS, Fault, FaultPlan, parse_faults, uniform
from expander.offline.limits import RateLimit, RetryAfter, Waits, retry_after
from expander.offline.record import Record

LARGEST_REQUEST = 16 * 2**20
BACKLOG = 4096  # a job opens all its connections at once
CLOSING_SECONDS = 0.1  # hung requests would otherwise hold the end back for a minute
MESSAGES = {
    400: "The request was refused.",
    401: "The API key is not accepted.",
    403: "This key may not use the model.",
    404: "There is no such model.",
    408: "The request took too long.",
    409: "The request is at odds with another.",
    413: "The request is too large.",
    422: "The request could not be processed.",
    500: "The server had an error.",
    502: "Bad gateway.",
    503: "The server is overloaded.",
    504: "The upstream server took too long.",
    529: "The server is overloaded.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineSettings:
    """How the endpoint behaves. `make_app` raises ValueError for faults or rates that make no sense."""

    latency: float = 0.0
    """Seconds before a reply begins."""
    jitter: float = 0.0
    """Seconds added at the most, drawn evenly by seed and prompt."""
    rate_limit: float | None = None
    """Chat and embedding requests a second before it answers 429; None is no limit."""
    faults: tuple[str, ...] = ()
    """`KIND=SHARE[xTIMES]`; see `faults.parse_fault`."""
    seed: int = 0
    """Of faults and jitter, not of the dialogues."""
    dimensions: int = 256
    """Of an embedding, where the request names no number."""
    retry_after: RetryAfter = "rotate"
    """How a 429 says when to come back."""
    refusal_wait: float = 1.0
    """Seconds that a 429 made by a fault asks for, where its form is one that says so."""
    served: Path | None = None
    """Where to append a JSON line for each request: see `record`."""
    aliases: tuple[str, ...] = ()
    """Other model names to answer to; a reply still names the rewriter."""


def make_app(settings: OfflineSettings) -> web.Application:
    """The application.

    Raises ValueError: a fault's spec that cannot be read, shares above 1, a rate of 0 or less; OSError where the record
    cannot be written.
    """
    endpoint = _Endpoint(settings)
    app = web.Application(client_max_size=LARGEST_REQUEST)
    app.on_cleanup.append(endpoint.close)
    for prefix in ("/v1", ""):
        app.router.add_post(f"{prefix}/chat/completions", _answered(endpoint.chat))
        app.router.add_post(f"{prefix}/embeddings", _answered(endpoint.embeddings))
        app.router.add_get(f"{prefix}/models", _answered(endpoint.models))
        app.router.add_get(f"{prefix}/models/{{name}}", _answered(endpoint.model))
    app.router.add_get("/health", _answered(endpoint.health))
    app.router.add_route("*", "/{anything:.*}", _answered(endpoint.unknown))
    return app


@asynccontextmanager
async def serving(settings: OfflineSettings, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serves within the running loop; yields the base URL, `/v1` included. Port 0 takes a free one.

    On leaving, open requests are cut off within a fraction of a second. Raises OSError where the port cannot be had.
    """
    # A handler ends with its connection, so that clients who gave up leave nothing behind.
    runner = web.AppRunner(
        make_app(settings), access_log=None, handler_cancellation=True, shutdown_timeout=CLOSING_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}/v1"
    finally:
        await runner.cleanup()


def serve(settings: OfflineSettings, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serves until SIGINT or SIGTERM; prints one line with the URL once it listens. Raises as `serving` does."""
    with suppress(KeyboardInterrupt):  # where the loop takes no signal handlers (Windows)
        asyncio.run(_serve(settings, host, port))


async def _serve(settings: OfflineSettings, host: str, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving(settings, host, port) as url:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stopped.set)
        sys.stdout.write(f"{MODEL} (rule-based, no language model) answers at {url}; stop it with Ctrl-C.\n")
        sys.stdout.flush()
        if not _is_loopback(host):
            sys.stderr.write(f"Warning: {host} lets other machines in, and this endpoint asks nobody for a key.\n")
        await stopped.wait()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _answered(handler: Handler) -> Handler:
    """The handler with its errors as JSON, for a client parses an error's body too."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            problem = error
        except web.HTTPRequestEntityTooLarge:
            problem = ApiError(413, f"The request is larger than {LARGEST_REQUEST} bytes.")
        return web.Response(body=problem.body(), status=problem.status, headers=problem.headers, content_type=wire.JSON)

    return answer


class _Endpoint:
    """The handlers, with the state that outlives a request: rate limit, faults met, forms of Retry-After in turn."""

    def __init__(self, settings: OfflineSettings) -> None:
        self._settings = settings
        self._plan = FaultPlan(parse_faults(settings.faults), settings.seed)
        self._limit = RateLimit(settings.rate_limit) if settings.rate_limit is not None else None
        self._waits = Waits(settings.retry_after)
        self._record = Record(settings.served) if settings.served is not None else None
        self._started = int(time.time())

    async def close(self, _: web.Application) -> None:
        if self._record:
            self._record.close()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self._admit()
        asked = read_chat(read_json(await request.read()), self._settings.aliases)
        kind = await self._met(asked.prompt)
        made = chat.choices(asked, kind)
        if not asked.stream:
            return await _delivered(request, chat.completion(asked, made), wire.JSON, kind)
        if kind is not None:
            return await _delivered(request, b"".join(chat.events(asked, made)), "text/event-stream", kind)
        return await _streamed(request, asked, made)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        """Faults of content and rules have no meaning here, and pass."""
        self._admit()
        asked = read_embedding(read_json(await request.read()), self._settings.dimensions, self._settings.aliases)
        kind = await self._met("\x1f".join(asked.texts))
        vectors = [embeddings.embed(text, asked.dimensions) for text in asked.texts]
        used = sum(map(tokens.count, asked.texts))
        reply = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": embeddings.as_base64(vector) if asked.base64 else vector,
                }
                for index, vector in enumerate(vectors)
            ],
            "model": MODEL,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
        return await _delivered(request, orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY), wire.JSON, kind)

    async def models(self, _: web.Request) -> web.StreamResponse:
        served = [self._card(name) for name in (MODEL, *self._settings.aliases)]
        return _json({"object": "list", "data": served})

    async def model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in (MODEL, *self._settings.aliases):
            raise ApiError(404, f"The model {name!r} does not exist here; use {MODEL}.", "model_not_found", "model")
        return _json(self._card(name))

    async def health(self, _: web.Request) -> web.StreamResponse:
        return _json({"status": "ok", "model": MODEL})

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        known = {resource.canonical for resource in request.app.router.resources()}
        if request.path in known:
            raise ApiError(405, f"{request.path} does not take {request.method}.")
        raise ApiError(404, f"There is nothing at {request.method} {request.path}.")

    def _card(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._started, "owned_by": "dialogue-expander"}

    def _admit(self) -> None:
        """Raises ApiError 429 at once, before the request is read, as a gateway would."""
        if self._limit is not None and (wait := self._limit.wait()) > 0:
            if self._record:
                self._record.note(None, "rate-limit")
            message = "Too many requests a second."
            raise ApiError(429, message, "rate_limit_exceeded", headers=self._waits.next(wait))

    async def _met(self, prompt: str) -> str | None:
        """Waits as the settings say, then the kind of fault the request meets, if any.

        Raises ApiError for a fault that is an error response; for `hang` it never returns.
        """
        fault = self._plan.meet(prompt)
        if self._record:
            self._record.note(prompt, fault.kind if fault is not None else None)
        if fault is not None and fault.kind == "hang":
            await wire.hang()
        settings = self._settings
        delay = settings.latency
        if settings.jitter:
            delay += settings.jitter * uniform(settings.seed, "jitter", prompt)
        if delay > 0:
            await asyncio.sleep(delay)
        if fault is None:
            return None
        if fault.status is not None:
            raise self._error(fault, fault.status)
        return fault.kind

    def _error(self, fault: Fault, status: int) -> ApiError:
        match fault.kind:
            case "quota":
                message = "You have used up your quota; check your plan and billing."
                return ApiError(429, message, "insufficient_quota")
            case "429":
                headers = self._waits.next(self._settings.refusal_wait)
            case kind if kind in WAITS:
                headers = retry_after(cast("RetryAfter", kind.removeprefix("429-")), self._settings.refusal_wait)
            case _:
                return ApiError(status, MESSAGES.get(status, f"An error was asked for: {status}."))
        return ApiError(429, "Too many requests.", "rate_limit_exceeded", headers=headers)


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type=wire.JSON)


async def _delivered(request: web.Request, body: bytes, content_type: str, kind: str | None) -> web.StreamResponse:
    if kind is None:
        return web.Response(body=body, content_type=content_type)
    return await wire.delivered(request, body, content_type, kind)


async def _streamed(request: web.Request, asked: ChatRequest, made: list[chat.Choice]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    for event in chat.events(asked, made):
        await response.write(event)
    await response.write_eof()
    return response
