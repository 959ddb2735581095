"""The embedder behind `--embeddings endpoint`: the user's endpoint, or the embedded offline one in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from expander.commands.options import EmbeddingOptions
from expander.embedding_endpoint import EmbeddingSettings, EndpointEmbedder
from expander.errors import UsageError
from expander.offline.app import OfflineSettings, serving

_OFFLINE = "offline-character-n-grams"


@contextmanager
def endpoint_embedder(options: EmbeddingOptions) -> Iterator[EndpointEmbedder]:
    """The embedder, as long as it is needed. Raises UsageError for a URL without a model."""
    if options.base_url is None:
        with _offline() as url:
            # Nothing is paid for, and the port is another one each time: there is nothing to keep.
            yield EndpointEmbedder(EmbeddingSettings(base_url=url, model=_OFFLINE, dimensions=options.dimensions))
        return
    if options.model is None:
        raise UsageError("--base-url needs --model: the name of the embedding model at that endpoint.")
    options.cache.parent.mkdir(parents=True, exist_ok=True)
    yield EndpointEmbedder(
        EmbeddingSettings(
            base_url=options.base_url,
            model=options.model,
            api_key_env=options.api_key_env,
            dimensions=options.dimensions,
            concurrency=options.concurrency,
            cache=options.cache,
        )
    )


@contextmanager
def _offline() -> Iterator[str]:
    """Its base URL. It has a loop of its own: the embedder runs one for each call."""
    started: Future[str] = Future()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with serving(OfflineSettings(aliases=(_OFFLINE,))) as url:
            started.set_result(url)
            await ended.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001 - handed on to the thread that waits for it
            if not started.done():
                started.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    url = started.result()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
