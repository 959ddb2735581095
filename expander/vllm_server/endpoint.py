"""The endpoint seam over a managed server: a request that died with the server is sent again to its next life."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from expander.endpoint import Endpoint, Reply, Request
from expander.errors import Action, EndpointError
from expander.retry import RATE_LIMITED
from expander.vllm_server.supervise import Server, ServerError

# One death is the server's, and all that was in flight is sent again at once. After a second, a row among those that saw
# both may be what kills it, so they go a few at a time: a third then costs few rows their reply, and the rest goes on.
_SUSPECT_AFTER = 2  # deaths
_SUSPECTS_AT_ONCE = 8  # of 256 in flight, that is 32 rounds: minutes, against one at a time
_GIVEN_UP_AFTER = 3  # deaths


class ManagedEndpoint:
    """Waits while the server is being started again: its deaths are no failed attempts of the rows that were in flight."""

    def __init__(self, endpoint: Endpoint, server: Server) -> None:
        self._endpoint = endpoint
        self._server = server
        self._suspects = asyncio.Semaphore(_SUSPECTS_AT_ONCE)

    async def complete(self, request: Request) -> Reply:
        """As the endpoint does.

        Raises EndpointError as well for a row that saw too many deaths (it fails alone), and for a server that had too
        many (it stops the run).
        """
        deaths = 0
        while True:
            async with self._suspects if deaths >= _SUSPECT_AFTER else nullcontext():
                life = await self._ready()
                try:
                    return await self._endpoint.complete(request)
                except EndpointError as error:
                    if error.action is not Action.RETRY or error.kind == RATE_LIMITED:
                        raise
                    if not await self._server.died(life):
                        raise
                    deaths += 1
                    if deaths >= _GIVEN_UP_AFTER:
                        detail = f"the server died {deaths} times while it worked on this row"
                        raise EndpointError("server-died", Action.FAIL_ROW, detail) from error

    async def _ready(self) -> int:
        try:
            return await self._server.ready()
        except ServerError as error:
            raise EndpointError(
                "server-died", Action.STOP_RUN, str(error).rstrip("."), hint=f"Its log: {self._server.log}"
            ) from error
