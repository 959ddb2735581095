"""A semaphore whose size can change while it is held. asyncio's cannot: it takes nothing back without waiting for it."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """So many may be held at once. Those who wait get theirs in the order they came.

    Made smaller, what is held stays held, and nothing is given out until enough of it is back.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        """1 or more."""
        self.held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        if self.held < self.size and not self._waiting:
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was handed over to a task that is being cancelled
                self.release()
            raise

    def release(self) -> None:
        self.held -= 1
        self._hand_over()

    def resize(self, size: int) -> None:
        self.size = size
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and self.held < self.size:
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled ones are still in the queue
                self.held += 1
                turn.set_result(None)
