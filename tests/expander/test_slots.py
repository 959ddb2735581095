"""Slots: bounded, in order, resized while they are held."""

from __future__ import annotations

import asyncio
import random

from expander.slots import Slots


async def hold(slots: Slots, entered: list[int], number: int, gate: asyncio.Event) -> None:
    await slots.acquire()
    entered.append(number)
    try:
        await gate.wait()
    finally:
        slots.release()


def test_more_are_held_than_there_are_or_somebody_overtakes() -> None:
    async def go() -> None:
        slots, entered, gate = Slots(3), list[int](), asyncio.Event()
        tasks = [asyncio.create_task(hold(slots, entered, number, gate)) for number in range(10)]
        await asyncio.sleep(0)
        assert entered == [0, 1, 2]
        slots.resize(5)
        await asyncio.sleep(0)
        assert entered == [0, 1, 2, 3, 4]
        slots.resize(1)
        gate.set()
        await asyncio.gather(*tasks)
        assert entered == list(range(10))
        assert slots.held == 0

    asyncio.run(go())


def test_made_smaller_it_gives_out_what_it_should_not() -> None:
    async def go() -> None:
        slots = Slots(4)
        for _ in range(4):
            await slots.acquire()
        slots.resize(2)
        slots.release()
        slots.release()
        late = asyncio.create_task(slots.acquire())
        await asyncio.sleep(0)
        assert not late.done()
        slots.release()
        await asyncio.wait_for(late, 1)
        assert slots.held == 2

    asyncio.run(go())


def test_a_cancelled_wait_keeps_a_slot() -> None:
    """Cancelled in the queue, and in the moment between being given a slot and learning of it."""

    async def go() -> None:
        chance = random.Random(0)
        slots, entered = Slots(2), 0

        async def work() -> None:
            nonlocal entered
            await slots.acquire()
            try:
                entered += 1
                assert slots.held <= 2
                await asyncio.sleep(0)
            finally:
                slots.release()

        for _ in range(200):
            tasks = [asyncio.create_task(work()) for _ in range(8)]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            for task in chance.sample(tasks, 4):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert slots.held == 0
        assert entered > 800

    asyncio.run(go())
