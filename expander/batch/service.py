"""An OpenAI-compatible Batch API: files up, batches made and asked after, results down. Every failure is an EndpointError.

The SDK's own retries are off; `expander.retry` decides. Nothing of the SDK's errors is chained or quoted: its messages
carry bodies, and providers echo prompts and keys in them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar, cast

from expander.batch.replies import identifier
from expander.batch.requests import URL
from expander.echoes import of_headers
from expander.errors import Action, EndpointError, UsageError
from expander.openai_endpoint import _key
from expander.retry import RetryPolicy, failure_of_status, retrying
from expander.settings import EndpointSettings
from expander.whole_file import whole_file

if TYPE_CHECKING:
    import openai

Result = TypeVar("Result")

LOST = "lost"
"""Our word for a batch that its service knows no more."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled", LOST})
"""What the Batch API calls a batch that changes no more."""
NOT_FOUND = "not-found"  # the kind of failure
_LOOKED_THROUGH = 1000  # newest batches among which one of ours is looked for
_PAGE = 100  # the most that the Batch API lists at once
_NO_BATCHES = "Check --base-url: it has no Batch API, or knows this batch or file no more; if so, `batch fetch --give-up` frees its rows."


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Which service, and how patiently it is asked."""

    base_url: str
    api_key_env: str
    header: tuple[str, ...]
    attempt_timeout: float
    """Seconds for one attempt, an upload or a download included."""
    max_attempts: int
    max_wait: float

    def endpoint(self) -> EndpointSettings:
        """The same checks as of any other endpoint. Raises UsageError."""
        return EndpointSettings(
            base_url=(self.base_url,), model="any", api_key_env=self.api_key_env, header=self.header
        )


class Batch(NamedTuple):
    """What a service says of a batch."""

    id: str
    status: str
    output_file: str | None
    error_file: str | None
    completed: int | None
    failed: int | None
    total: int | None
    code: str
    """Why it failed, where it is said in one word; never free text."""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


def lost(name: str) -> Batch:
    """What is left of a batch that the service knows no more."""
    return Batch(
        id=name, status=LOST, output_file=None, error_file=None, completed=None, failed=None, total=None, code=""
    )


class Service:
    """Open by `connected`."""

    def __init__(self, client: openai.AsyncOpenAI, settings: ServiceSettings) -> None:
        self._client = client
        endpoint = settings.endpoint()
        sent = {"Authorization": _key(settings.api_key_env), **endpoint.headers()}
        self._echoes = of_headers(sent, endpoint.secret_headers())
        self._timeout = settings.attempt_timeout
        self._policy = RetryPolicy(
            max_attempts=settings.max_attempts, max_wait=settings.max_wait, chance=random.Random()
        )

    async def upload(self, path: Path) -> str:
        """The file's id at the service."""

        async def attempt() -> str:
            return _id(await self._client.files.create(file=path, purpose="batch"))

        return await self._retrying(attempt)

    async def create(self, input_file: str, window: str) -> Batch:
        """A batch of that file, unless the service has one already. The same call again makes no second one.

        An answer that was lost on its way leaves a batch that nobody knows of, so each further attempt looks first.
        """
        attempts = 0

        async def attempt() -> Batch:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and (made := await self._find(input_file)) is not None:
                return made
            return _batch(
                await self._client.batches.create(
                    input_file_id=input_file,
                    endpoint=URL,
                    # The SDK knows only OpenAI's; other services take others.
                    completion_window=cast('Literal["24h"]', window),
                )
            )

        return await self._retrying(attempt)

    async def find(self, input_file: str) -> Batch | None:
        """The batch that was made of that file; None where there is none, or the service lists no batches."""
        return await self._retrying(lambda: self._find(input_file))

    async def retrieve(self, batch: str) -> Batch:
        async def attempt() -> Batch:
            return _batch(await self._client.batches.retrieve(batch))

        return await self._retrying(attempt)

    async def download(self, file: str, path: Path, *, least_lines: int) -> None:
        """Write a result file, whole or not at all. One with fewer lines than it must have was cut off."""

        async def attempt() -> None:
            lines = 0
            line = bytearray()
            with whole_file(path) as written:
                async with self._client.files.with_streaming_response.content(file) as response:
                    async for chunk in response.iter_bytes():
                        line += chunk
                        lines += chunk.count(b"\n")
                        if b"\n" in chunk:  # whole lines only: a secret may be cut by a chunk's end
                            done = line.rindex(b"\n") + 1
                            written.write(self._echoes.removed(bytes(line[:done])))
                            del line[:done]
                written.write(self._echoes.removed(bytes(line)))
                lines += bool(line)
                if lines < least_lines:
                    raise EndpointError(
                        "broken-reply", Action.RETRY, f"{lines:,} of {least_lines:,} results: the file was cut off"
                    )

        await self._retrying(attempt)

    async def _find(self, input_file: str) -> Batch | None:
        import openai

        looked = 0
        try:
            async for found in self._client.batches.list(limit=_PAGE):
                looked += 1
                if found.input_file_id == input_file:
                    return _batch(found)
                if looked >= _LOOKED_THROUGH:
                    break
        except openai.APIStatusError as error:
            if error.status_code in {404, 405, 501}:  # it lists none
                return None
            raise
        return None

    async def _retrying(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        return await retrying(lambda: self._attempt(attempt), self._policy, asyncio.sleep)

    async def _attempt(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        import httpx2
        import openai

        try:
            async with asyncio.timeout(self._timeout):
                return await attempt()
        except (TimeoutError, openai.APITimeoutError):
            raise EndpointError("timeout", Action.RETRY, f"no whole answer within {self._timeout:g} s") from None
        except openai.APIStatusError as error:
            response = error.response
            content = self._echoes.removed(response.content)
            failure = failure_of_status(response.status_code, response.headers, content, now=time.time())
            if failure.kind == NOT_FOUND:
                failure.hint = _NO_BATCHES
            raise failure from None
        except openai.APIConnectionError as error:
            raise EndpointError("connection", Action.RETRY, type(error.__cause__ or error).__name__) from None
        except httpx2.HTTPError as error:  # while a body was read
            raise EndpointError("connection", Action.RETRY, type(error).__name__) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise EndpointError(
                "broken-reply", Action.RETRY, f"an answer that is none of a Batch API ({type(error).__name__})"
            ) from None


@asynccontextmanager
async def connected(settings: ServiceSettings) -> AsyncIterator[Service]:
    """A client of the service. Raises UsageError for settings that make no request."""
    import openai

    endpoint = settings.endpoint()
    try:
        client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=_key(settings.api_key_env),
            max_retries=0,
            timeout=None,  # each attempt has its own deadline
            default_headers=endpoint.headers(),
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )
    except (openai.OpenAIError, ValueError, TypeError) as error:
        raise UsageError(f"The service's settings make no request: {type(error).__name__}.") from None
    async with client:
        yield Service(client, settings)


def _id(found: object) -> str:
    if (name := _text(getattr(found, "id", None))) is None:
        raise TypeError
    return name


def _batch(found: object) -> Batch:
    """The SDK checks no answer, so it is checked here. Raises TypeError."""
    if (status := _text(getattr(found, "status", None))) is None:
        raise TypeError
    counts = getattr(found, "request_counts", None)
    errors = getattr(getattr(found, "errors", None), "data", None)
    codes = [identifier(getattr(each, "code", None)) for each in errors] if isinstance(errors, list) else []
    return Batch(
        id=_id(found),
        status=identifier(status) or "unknown",
        output_file=_text(getattr(found, "output_file_id", None)),
        error_file=_text(getattr(found, "error_file_id", None)),
        completed=_number(getattr(counts, "completed", None)),
        failed=_number(getattr(counts, "failed", None)),
        total=_number(getattr(counts, "total", None)),
        code=next(filter(None, codes), ""),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
