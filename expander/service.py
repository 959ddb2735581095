"""Where a job's requests go while it runs: URLs somebody else serves, a vLLM server of its own, or the embedded endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from expander.endpoint import Endpoint
from expander.errors import UsageError
from expander.openai_endpoint import OpenAIEndpoint, compose
from expander.settings import EndpointSettings, OfflineKnobs, SamplingSettings, VllmSettings, WorkSettings

if TYPE_CHECKING:
    from expander.vllm_server.feeding import Feeder
    from expander.vllm_server.supervise import Server

OFFLINE_MODEL = "offline-extractive"
_LOCAL = "vllm (started by the job)"
_NO_KEY = ""  # names no environment variable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What decides where requests go."""

    endpoint: EndpointSettings
    vllm: VllmSettings = field(default_factory=VllmSettings)
    offline: OfflineKnobs = field(default_factory=OfflineKnobs)

    @property
    def is_offline(self) -> bool:
        return not self.endpoint.base_url and self.vllm.vllm is None

    @property
    def model(self) -> str:
        """The model's name in requests and rows."""
        if self.vllm.vllm is not None:
            from expander.vllm_server.command import served_name, split_arguments

            return served_name(self.vllm.vllm, split_arguments(self.vllm.vllm_arg))
        if self.endpoint.model is not None and not self.is_offline:
            return self.endpoint.model
        return OFFLINE_MODEL

    @property
    def place(self) -> str:
        """Where the model is served, as provenance says it."""
        return self.endpoint.hosts() or (OFFLINE_MODEL if self.is_offline else _LOCAL)

    @property
    def shared_by(self) -> tuple[object, ...]:
        """Equal for all that one `serving` can serve."""
        return self.endpoint.base_url, self.vllm, self.offline

    def look_for_server(self) -> None:
        """Raises UsageError where the job is to start a server and there is no vllm."""
        if self.vllm.vllm is not None:
            from expander.vllm_server.command import find_executable

            find_executable(self.vllm.vllm_executable)

    def check(self) -> None:
        """Raises UsageError for what would only be found once the run is under way."""
        from expander.offline.faults import parse_faults

        if self.vllm.vllm is not None and (self.endpoint.base_url or self.endpoint.model):
            option = "--base-url" if self.endpoint.base_url else "--model"
            raise UsageError(f"--vllm starts a server of the job's own and names its model: leave {option} out.")
        self.endpoint.headers()
        self.endpoint.body()
        try:
            parse_faults(self.offline.offline_fault)
        except ValueError as error:
            raise UsageError(f"--offline-fault: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What serves a job. `server` is the job's own, where there is one."""

    urls: Sequence[str]
    server: Server | None = None

    def keyed(self, endpoint: EndpointSettings) -> EndpointSettings:
        """The settings to ask with: a server of the job's own asks for no key, and gets none."""
        return endpoint if self.server is None else replace(endpoint, api_key_env=_NO_KEY)

    @asynccontextmanager
    async def connected(
        self,
        *,
        model: str,
        endpoint: EndpointSettings,
        sampling: SamplingSettings,
        system: str | None,
        connections: int,
        constrained: Mapping[str, Any] | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> AsyncIterator[Endpoint]:
        """The endpoint behind its seam. `told` hears of endpoints that are left out. Raises UsageError as `compose` does."""
        async with AsyncExitStack() as stack:
            members: list[tuple[str, Endpoint]] = []
            for url in self.urls:
                composed = compose(
                    base_url=url,
                    model=model,
                    endpoint=self.keyed(endpoint),
                    sampling=sampling,
                    system=system,
                    constrained=constrained,
                )
                one = OpenAIEndpoint(composed, connections=connections, attempt_timeout=endpoint.attempt_timeout)
                members.append((url, await stack.enter_async_context(one)))
            if self.server is not None:
                from expander.vllm_server.endpoint import ManagedEndpoint

                yield ManagedEndpoint(members[0][1], self.server)
            elif len(members) > 1:
                from expander.sharing import SharedEndpoint

                yield SharedEndpoint(members, told)
            else:
                yield members[0][1]

    def most_in_flight(self, work: WorkSettings) -> int:
        """Connections that may be open at once."""
        if self.server is None:
            return work.in_flight
        from expander.vllm_server.feeding import MOST

        return max(MOST, work.in_flight)


@asynccontextmanager
async def serving(settings: ServiceSettings, *, log: Path, told: Callable[[str], None]) -> AsyncIterator[Service]:
    """Whatever the settings name, ready for requests. `log` takes what a server of the job's own says, `told` how it loads.

    Raises UsageError for a vllm that is not there, ServerError where the server does not come to serve.
    """
    endpoint, vllm, knobs = settings.endpoint, settings.vllm, settings.offline
    if vllm.vllm is not None:
        from expander.vllm_server.supervise import managed_server

        managed = managed_server(vllm.vllm, vllm.vllm_arg, executable=vllm.vllm_executable, log=log, told=told)
        async with managed as server:
            yield Service(urls=(server.base_url,), server=server)
    elif endpoint.base_url:
        yield Service(urls=endpoint.base_url)
    else:
        from expander.offline.app import OfflineSettings
        from expander.offline.app import serving as serving_offline

        offline = OfflineSettings(
            latency=knobs.offline_latency, rate_limit=knobs.offline_rate_limit, faults=knobs.offline_fault
        )
        async with serving_offline(offline) as url:
            yield Service(urls=(url,))


class Resizable(Protocol):
    """What can have more or fewer requests in flight."""

    def resize(self, most: int) -> None: ...


@asynccontextmanager
async def feeding(service: Service, work: WorkSettings, engine: Resizable) -> AsyncIterator[Feeder | None]:
    """Watch the job's own server while it works, and keep it fed unless a concurrency was given; None without a server."""
    if service.server is None:
        yield None
        return
    from expander.vllm_server.feeding import Feeder

    feeder = Feeder(service.server.metrics, engine.resize if work.concurrency is None else lambda _: None)
    task = asyncio.create_task(feeder.run())
    try:
        yield feeder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await feeder.look()
