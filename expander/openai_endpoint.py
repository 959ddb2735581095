"""Any OpenAI-compatible chat endpoint.

The openai package says what a request is: it resolves the URL, authenticates, merges headers and body, and checks the
parameters. It does so once a run, for a request that is never sent. Each row then sends that request over aiohttp with
its own prompt and seed in it. Through the SDK's client the same request costs five to ten times the CPU (`benchmarks/`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from aiohttp.client_proto import ResponseHandler

from expander.echoes import Echoes, of_headers
from expander.endpoint import Reply, Request, read_reply
from expander.errors import Action, EndpointError, UsageError
from expander.retry import failure_of_status
from expander.settings import EndpointSettings, SamplingSettings

_NO_KEY = "EMPTY"  # what vLLM's own clients send to a server that asks for no key
_PROMPT = "\x00prompt\x00"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})  # a proxy elsewhere would look for them on its own machine
_LARGE = 4 * 2**20  # bytes; longer bodies are read one at a time, so that memory is not the limit for each in flight
_ANSWERED = frozenset({200, 201, 202, 203})  # the statuses whose body may be a completion
_BODY_LIMIT = 16 * 2**20  # bytes; no dialogue is near it, and a body without end must not fill the memory


class Composed(NamedTuple):
    """A request as the SDK composed it, cut at the prompt."""

    url: str
    headers: Mapping[str, str]
    before: bytes
    after: bytes
    echoes: Echoes
    """What no answer may bring back."""


def compose(
    *,
    base_url: str,
    model: str,
    endpoint: EndpointSettings,
    sampling: SamplingSettings,
    system: str | None,
    constrained: Mapping[str, Any] | None = None,
) -> Composed:
    """The request of every row, composed by the SDK and caught before it leaves.

    `constrained` are the fields that make the endpoint decode under a constraint. Raises UsageError where the SDK refuses
    the settings.
    """
    import httpx2
    import openai

    caught: list[httpx2.Request] = []

    def catch(request: httpx2.Request) -> httpx2.Response:
        caught.append(request)
        return httpx2.Response(
            200, json={"id": "", "object": "chat.completion", "created": 0, "model": "", "choices": []}
        )

    messages: list[Any] = [{"role": "system", "content": system}] if system else []
    try:
        with openai.OpenAI(
            base_url=base_url,
            api_key=_key(endpoint.api_key_env),
            max_retries=0,
            default_headers=endpoint.headers(),
            http_client=httpx2.Client(transport=httpx2.MockTransport(catch)),
        ) as client:
            client.chat.completions.create(
                model=model,
                messages=[*messages, {"role": "user", "content": _PROMPT}],
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens if sampling.max_tokens is not None else openai.omit,
                stop=list(sampling.stop) or openai.omit,
                extra_body={**endpoint.body(), **(constrained or {})} or None,
            )
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, TypeError) as error:
        raise UsageError(f"The endpoint's settings make no request: {type(error).__name__}: {error}") from error
    request = caught[0]
    kept = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in {"host", "content-length", "accept-encoding", "connection", "x-stainless-read-timeout"}
    }
    before, _, after = request.content.partition(orjson.dumps(_PROMPT))
    if not after.endswith(b"}"):
        raise UsageError("The openai package composed a request this program cannot fill. Please report its version.")
    return Composed(str(request.url), kept, before, after[:-1], of_headers(kept, endpoint.secret_headers()))


def _key(variable: str) -> str:
    """The key in that environment variable, without the line end that a file or a paste leaves on it.

    Raises UsageError where no header could carry it; the message holds no part of it.
    """
    key = os.environ.get(variable, "").strip() or _NO_KEY
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"${variable} holds a character that no key has: copy the key into it again.")
    return key


class _Protocol(ResponseHandler):
    """A connection that is not used again once something came over it that nobody had asked for.

    The package keeps those bytes and takes them for the answer to the next request, so that a row would get another's reply.
    """

    def is_connected(self) -> bool:
        return super().is_connected() and not self.should_close


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the package's own
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=asyncio.get_running_loop()))


class OpenAIEndpoint:
    """Sends chat completions. Use as an async context manager; safe for as many tasks as `connections`."""

    def __init__(self, composed: Composed, *, connections: int, attempt_timeout: float) -> None:
        self._composed = composed
        self._connections = connections
        self._attempt_timeout = attempt_timeout
        self._one_large = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=self._connections, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=None),  # each attempt has its own deadline, trickling bodies included
            headers=self._composed.headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy_of(self._composed.url),  # looked up once: `trust_env` reads ~/.netrc in a thread every time
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def complete(self, request: Request) -> Reply:
        """One attempt. Raises EndpointError."""
        assert self._session is not None, "use `async with`"
        started = time.monotonic()
        try:
            filled = self._fill(request)
            async with (
                asyncio.timeout(self._attempt_timeout),
                self._session.post(self._composed.url, data=filled, allow_redirects=False) as response,
            ):
                body = self._composed.echoes.removed(await self._read(response))
                status, headers = response.status, response.headers
        except TimeoutError as error:
            raise EndpointError(
                "timeout", Action.RETRY, f"no whole answer within {self._attempt_timeout:g} s"
            ) from error
        except aiohttp.InvalidURL as error:
            raise EndpointError("bad-url", Action.STOP_RUN, "the URL is not valid", hint="Check --base-url.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EndpointError("connection", Action.RETRY, _plain(error)) from error
        if status not in _ANSWERED:
            raise failure_of_status(status, headers, body, now=time.time())
        return Reply(body, time.monotonic() - started, read_reply(body))

    def _fill(self, request: Request) -> bytes:
        try:
            prompt = orjson.dumps(request.prompt)
        except orjson.JSONEncodeError as error:  # half of a surrogate pair
            raise EndpointError("unsendable", Action.FAIL_ROW, "the prompt is no valid Unicode text") from error
        parts = self._composed.before, prompt, self._composed.after
        seed = b"" if request.seed is None else b',"seed":%d' % request.seed
        return b"".join((*parts, seed, b"}"))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        compressed = "content-encoding" in response.headers  # then its length says nothing of what it becomes
        if not compressed and response.content_length is not None and response.content_length <= _LARGE:
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _LARGE:
                break
        else:
            return bytes(body)
        async with self._one_large:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _BODY_LIMIT:
                    raise EndpointError("broken-reply", Action.RETRY, f"a body of more than {_BODY_LIMIT} bytes")
        return bytes(body)


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY ...) names for this URL; none for this machine's own servers."""
    parts = urlsplit(url)
    if parts.hostname in _LOOPBACK or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


def _plain(error: Exception) -> str:
    """What went wrong with a connection, without anything that was sent."""
    reason = getattr(error, "strerror", None) or getattr(getattr(error, "os_error", None), "strerror", None)
    return f"{type(error).__name__}" + (f" ({reason})" if reason else "")
