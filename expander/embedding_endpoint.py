"""Embeddings from any OpenAI-compatible `/embeddings`, kept on disk as they come.

The SDK sends, with its own retries off; `retry` decides on each failure as it does for dialogues. What the endpoint will
not embed (a text too long for the model, for one) is found by halving the batch, and costs no other text its vector.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from expander import event_loop
from expander.embedding_cache import EmbeddingCache, Vector, key_of, source_of
from expander.errors import Action, EndpointError, ExpanderError, UsageError
from expander.pacing import Pace
from expander.retry import RATE_LIMITED, RetryPolicy, failure_of_status, retrying

if TYPE_CHECKING:
    import openai

Vectors = npt.NDArray[np.float32]

_NO_KEY = "EMPTY"  # what vLLM's own clients send to a server that asks for no key
_CACHED_TOGETHER = 4096  # vectors read from the disk at once: 16 MiB at 1,024 dimensions
_REFUSED_WITHOUT_ONE = 8  # texts refused, and none embedded: then it is the request that is wrong


class EmbeddingError(ExpanderError):
    """The endpoint gives no embeddings. What it gave before is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSettings:
    """Which embeddings, from where. Raises UsageError for a URL that is none or holds credentials."""

    base_url: str
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    dimensions: int | None = None
    """Asked of the model; None leaves the model its own number."""
    encoding: Literal["base64", "float"] = "base64"
    """How vectors travel; base64 takes a third of the bytes, but not every server knows it."""
    batch: int = 64
    """Texts in a request. OpenAI takes 300,000 tokens a request: 64 dialogues of SMILECHAT are about 60,000."""
    concurrency: int = 8
    attempt_timeout: float = 120.0
    """Seconds a request may take."""
    max_attempts: int = 6
    max_wait: float = 600.0
    """Seconds within which a batch is asked for again."""
    cache: Path | None = None
    """A file for what was embedded; None keeps nothing."""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            whole = None
        if not whole:
            raise UsageError("The embeddings' URL is none: give a whole one, such as https://api.openai.com/v1.")
        if parts.username or parts.password:
            raise UsageError("The embeddings' URL holds credentials: put the key into an environment variable.")
        if parts.query or parts.fragment:
            raise UsageError("The embeddings' URL: give it without a query (from ? on).")


class NotEmbedded(NamedTuple):
    """A text that has no vector, by its place, and why; the reason never quotes it."""

    place: int
    reason: str


class EndpointEmbedder:
    """Embeds texts by an endpoint. After `embed`, `not_embedded` says which texts have a row of zeros, and why."""

    def __init__(self, settings: EmbeddingSettings, *, progress: Callable[[int, int], None] | None = None) -> None:
        """`progress` is told how many of how many different texts are settled."""
        self._settings = settings
        self._progress = progress
        self._dimensions = settings.dimensions
        self.not_embedded: tuple[NotEmbedded, ...] = ()

    @property
    def name(self) -> str:
        asked = f", {self._settings.dimensions} dimensions" if self._settings.dimensions else ""
        return f"{self._settings.model} (/embeddings endpoint{asked})"

    @property
    def dimensions(self) -> int | None:
        """None until the first vector, where the settings name no number."""
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row of length 1 a text; all zeros for texts of white space alone and those the endpoint refuses.

        What the cache holds is not asked for. Raises EmbeddingError, UsageError or StoreError; not within an event loop.
        """
        return event_loop.run(self.embed_all(texts))

    def cut(self, texts: Sequence[str]) -> None:
        """Not known: services differ in whether they refuse a text that is too long, or cut it without a word."""

    async def embed_all(self, texts: Sequence[str]) -> Vectors:
        """The same within an event loop."""
        cache = EmbeddingCache(self._settings.cache) if self._settings.cache else None
        with cache or nullcontext():
            work = _Work(self._settings, texts, cache, self._progress)
            try:
                async with _client(self._settings) as client:
                    await work.finish(client)
            except BaseExceptionGroup as group:
                raise _first(group) from None
            except EndpointError as error:
                raise _told(error) from None
        self.not_embedded = tuple(sorted(work.not_embedded))
        if work.vectors is None:
            return np.zeros((len(texts), self._dimensions or 1), dtype=np.float32)
        self._dimensions = work.vectors.shape[1]
        return work.vectors


@dataclass(slots=True)
class _Work:
    """One call's texts, and what became of them. Equal texts are one."""

    settings: EmbeddingSettings
    texts: Sequence[str]
    cache: EmbeddingCache | None
    progress: Callable[[int, int], None] | None
    vectors: Vectors | None = None
    not_embedded: list[NotEmbedded] = field(default_factory=list)
    _places: dict[bytes, list[int]] = field(default_factory=dict)
    _settled: int = 0
    _received: int = 0
    _refused: int = 0

    async def finish(self, client: openai.AsyncOpenAI) -> None:
        settings = self.settings
        source = source_of(base_url=settings.base_url, model=settings.model, dimensions=settings.dimensions)
        for place, text in enumerate(self.texts):
            if text.strip():
                self._places.setdefault(key_of(source, text), []).append(place)
            else:
                self.not_embedded.append(NotEmbedded(place, "nothing but white space"))
        missing = self._from_cache(list(self._places))
        if not missing:
            return
        asking = _Asking(client, settings)
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(missing), settings.batch):
                tasks.create_task(self._batch(asking, missing[start : start + settings.batch]))

    def _from_cache(self, keys: list[bytes]) -> list[bytes]:
        """The keys whose vectors are not there."""
        if self.cache is None:
            return keys
        missing = []
        for start in range(0, len(keys), _CACHED_TOGETHER):
            part = keys[start : start + _CACHED_TOGETHER]
            found = self.cache.found(part)
            for key, vector in found.items():
                self._put(key, vector)
            missing += [key for key in part if key not in found]
            self._settle(len(found))
        return missing

    async def _batch(self, asking: _Asking, keys: list[bytes]) -> None:
        try:
            found = await asking.vectors([self.texts[self._places[key][0]] for key in keys])
        except EndpointError as error:
            if error.action is not Action.FAIL_ROW:
                raise
            if len(keys) > 1:
                await self._batch(asking, keys[: len(keys) // 2])
                await self._batch(asking, keys[len(keys) // 2 :])
                return
            self._refused += 1
            if not self._received and self._refused >= _REFUSED_WITHOUT_ONE:
                raise EndpointError("refused", Action.STOP_RUN, f"every text so far: {error.detail}") from None
            self._give_up(keys[0], f"refused by the endpoint: {error.detail}")
            return
        made = {key: vector for key, vector in zip(keys, found, strict=True) if vector.any()}
        self._received += len(made)
        for key, vector in made.items():
            self._put(key, vector)
        if self.cache is not None and made:
            self.cache.keep(made)
        self._settle(len(made))
        for key in keys:
            if key not in made:
                self._give_up(key, "the endpoint's vector is all zeros")

    def _give_up(self, key: bytes, reason: str) -> None:
        self.not_embedded += [NotEmbedded(place, reason) for place in self._places[key]]
        self._settle(1)

    def _put(self, key: bytes, vector: Vector) -> None:
        if self.vectors is None:
            self.vectors = np.zeros((len(self.texts), len(vector)), dtype=np.float32)
        if len(vector) != self.vectors.shape[1]:
            sizes = f"{len(vector)} and {self.vectors.shape[1]} dimensions"
            hint = "The model behind this name has changed: delete the file of embeddings." if self.cache else ""
            raise EndpointError("dimensions", Action.STOP_RUN, f"vectors of {sizes} from one model", hint=hint)
        exact = vector.astype(np.float64)
        exact /= np.abs(exact).max()
        self.vectors[self._places[key]] = exact / np.linalg.norm(exact)

    def _settle(self, number: int) -> None:
        self._settled += number
        if self.progress is not None and number:
            self.progress(self._settled, len(self._places))


class _Asking:
    """Sends batches, so many at a time, each again as long as that helps."""

    def __init__(self, client: openai.AsyncOpenAI, settings: EmbeddingSettings) -> None:
        self._client = client
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._pace = Pace(concurrency=settings.concurrency)
        self._policy = RetryPolicy(
            max_attempts=settings.max_attempts, max_wait=settings.max_wait, chance=random.Random()
        )

    async def vectors(self, texts: Sequence[str]) -> list[Vector]:
        """A vector a text, of one size, finite. Raises EndpointError."""
        # Half of a surrogate pair cannot be sent.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]

        refused_before = False

        async def attempt() -> list[Vector]:
            nonlocal refused_before
            async with self._slots:
                try:
                    return await self._paced(clean, again=refused_before)
                except EndpointError as error:
                    refused_before = error.kind == RATE_LIMITED
                    raise

        return await retrying(attempt, self._policy, asyncio.sleep)

    async def _paced(self, texts: list[str], *, again: bool) -> list[Vector]:
        await self._pace.enter(0)
        try:
            found = await self._attempt(texts)
        except EndpointError as error:
            if error.kind == RATE_LIMITED:
                self._pace.refused(error.after, again=again)
            else:
                self._pace.failed()
            raise
        except BaseException:
            self._pace.failed()
            raise
        self._pace.accepted()
        return found

    async def _attempt(self, texts: list[str]) -> list[Vector]:
        # Nothing is chained below: the SDK's messages quote bodies, and providers echo texts and keys in them.
        import openai

        settings = self._settings
        try:
            async with asyncio.timeout(settings.attempt_timeout):
                reply = await self._client.embeddings.create(
                    input=texts,
                    model=settings.model,
                    dimensions=openai.omit if settings.dimensions is None else settings.dimensions,
                    # Left out, the SDK asks for base64 and decodes it.
                    encoding_format="float" if settings.encoding == "float" else openai.omit,
                )
        except (TimeoutError, openai.APITimeoutError):
            raise EndpointError(
                "timeout", Action.RETRY, f"no whole answer within {settings.attempt_timeout:g} s"
            ) from None
        except openai.APIStatusError as error:
            response = error.response
            raise failure_of_status(response.status_code, response.headers, response.content, now=time.time()) from None
        except openai.APIConnectionError as error:
            raise EndpointError("connection", Action.RETRY, type(error.__cause__ or error).__name__) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise _broken(f"no list of embeddings ({type(error).__name__})") from None
        return _read(reply, len(texts), settings.dimensions)


def _read(reply: object, expected: int, dimensions: int | None) -> list[Vector]:
    """The vectors in the order of the texts. Raises EndpointError."""
    data = getattr(reply, "data", None)
    if not isinstance(data, list) or len(data) != expected:
        raise _broken(f"{len(data) if isinstance(data, list) else 'no'} embeddings for {expected} texts")
    by_place: dict[object, Vector] = {}
    for entry in data:
        try:
            with np.errstate(over="ignore"):
                vector = np.asarray(entry.embedding, dtype=np.float32)
            place = entry.index
        except (AttributeError, ValueError, TypeError):
            raise _broken("an embedding that is no list of numbers") from None
        if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
            raise _broken("an embedding that is empty or not finite")
        by_place[place] = vector
    if by_place.keys() != set(range(expected)):
        raise _broken("embeddings whose places do not count from 0")
    vectors = [by_place[place] for place in range(expected)]
    sizes = {len(vector) for vector in vectors}
    if len(sizes) > 1:
        raise _broken("embeddings of different sizes")
    if dimensions is not None and sizes != {dimensions}:
        detail = f"{sizes.pop()} dimensions, {dimensions} were asked for"
        raise EndpointError("dimensions", Action.STOP_RUN, detail, hint="Ask for the number that the model has.")
    return vectors


def _broken(what: str) -> EndpointError:
    return EndpointError("broken-reply", Action.RETRY, f"HTTP 200 with {what}")


@asynccontextmanager
async def _client(settings: EmbeddingSettings) -> AsyncIterator[openai.AsyncOpenAI]:
    import openai

    async with openai.AsyncOpenAI(
        base_url=settings.base_url,
        api_key=_key(os.environ, settings.api_key_env),
        max_retries=0,
        timeout=None,  # each attempt has its own deadline
        http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
    ) as client:
        yield client


def _key(environment: Mapping[str, str], variable: str) -> str:
    """The key, without the line end that a paste leaves on it. Raises UsageError where no header could carry it."""
    key = environment.get(variable, "").strip() or _NO_KEY
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"${variable} holds a character that no key has: copy the key into it again.")
    return key


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a person can act on; the others came with it."""
    for error in group.exceptions:
        if isinstance(error, EndpointError):
            return _told(error)
    return group.exceptions[0]


def _told(error: EndpointError) -> EmbeddingError:
    hint = f" {error.hint}" if error.hint else " What was embedded is kept where a cache was named: run it again."
    return EmbeddingError(f"The endpoint gives no embeddings: {error.detail}.{hint}")
