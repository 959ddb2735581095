"""What a session left unread: replies whose row has no outcome yet are found again, each once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expander.store import Outcome, Store
from tests.expander.storing import during, pending, record, reply


def test_a_reply_with_an_outcome_is_judged_again_or_one_without_is_lost(tmp_path: Path) -> None:
    """Also once 64 rows are done, when looking starts behind the replies that are settled."""

    async def work(store: Store) -> list[int]:
        early = await store.keep_reply(reply("early"))
        for i in range(150):
            number = await store.keep_reply(reply(f"row{i}"))
            store.keep_row(record(f"row{i}", number, outcome=Outcome.REJECTED if i % 2 else Outcome.KEPT))
        late = [await store.keep_reply(reply("late", generation)) for generation in range(2)]
        return [early, *late]

    early, *late = during(tmp_path, work)
    assert during(tmp_path, pending) == {"early": [early], "late": late}

    async def settle(store: Store) -> int:
        store.pending()
        store.keep_row(record("early", early))
        for i in range(150, 250):
            store.keep_row(record(f"row{i}", await store.keep_reply(reply(f"row{i}"))))
        await store.flush()
        return int(store.meta("settled") or 0)

    assert 0 < during(tmp_path, settle) < late[0]
    assert during(tmp_path, pending) == {"late": late}


def test_the_replies_of_a_failed_row_are_forgotten(tmp_path: Path) -> None:
    """A row refused by the rules, asked for anew and then failed goes on from the reply it has."""

    async def work(store: Store) -> None:
        first = await store.keep_reply(reply("failed"))
        store.keep_row(record("failed", first, outcome=Outcome.FAILED))
        for i in range(130):
            store.keep_row(record(f"row{i}", await store.keep_reply(reply(f"row{i}"))))

    during(tmp_path, work)
    assert during(tmp_path, pending) == {"failed": [1]}


def test_a_reply_whose_worker_was_cancelled_is_forgotten(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        dropped = asyncio.create_task(store.keep_reply(reply("dropped")))
        await asyncio.sleep(0)
        dropped.cancel()
        for i in range(130):
            store.keep_row(record(f"row{i}", await store.keep_reply(reply(f"row{i}"))))

    during(tmp_path, work)
    assert during(tmp_path, pending) == {"dropped": [1]}


STEP = st.one_of(
    st.tuples(st.just("reply"), st.integers(0, 5)),
    st.tuples(st.just("replies"), st.integers(2, 40)),
    st.tuples(st.just("cancelled reply"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["kept", "rejected", "failed"]), st.integers(0, 5)),
    st.tuples(st.just("finish all"), st.just(0)),
    st.tuples(st.just("reopen"), st.just(0)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=40), every=st.sampled_from([1, 3, 64]))
def test_an_order_of_events_loses_or_doubles_a_pending_reply(steps: list[tuple[str, int]], every: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("expander.store.run_store._SETTLE_EVERY", every)
        folder = Path(tempfile.mkdtemp())
        try:
            asyncio.run(asyncio.wait_for(_live(folder, steps), 30))
        finally:
            shutil.rmtree(folder)


async def _live(folder: Path, steps: list[tuple[str, int]]) -> None:
    """Take the steps, and hold what is pending at each opening against a plain list of what must be."""
    replies: dict[str, list[int]] = {}  # of rows without an outcome
    numbers = 0
    steps = [*steps, ("reopen", 0), ("reopen", 0)]
    while steps:
        async with Store(folder) as store:
            assert await pending(store) == replies
            while steps:
                step, number = steps.pop(0)
                if step == "reopen":
                    break
                if step in {"reply", "cancelled reply"}:
                    numbers += 1
                    row = f"row{number}-{numbers // 20}"  # rows that are done get no replies
                    while (ended := store.outcome(row)) is not None and ended is not Outcome.FAILED:
                        row += "x"
                    keeping = asyncio.create_task(store.keep_reply(reply(row)))
                    await asyncio.sleep(0)
                    if step == "reply":
                        assert await keeping == numbers
                    else:
                        keeping.cancel()
                        await store.flush()
                    replies.setdefault(row, []).append(numbers)
                elif step == "replies":
                    rows = [f"many{numbers + i}" for i in range(number)]
                    kept = await asyncio.gather(*(store.keep_reply(reply(row)) for row in rows))
                    numbers += number
                    replies |= {row: [one] for row, one in zip(rows, kept, strict=True)}
                elif step == "finish all":
                    for row in list(replies):
                        store.keep_row(record(row, *replies.pop(row)))
                    await store.flush()
                elif replies:
                    row = list(replies)[number % len(replies)]
                    store.keep_row(record(row, *replies[row], outcome=Outcome(step)))
                    if step != "failed":
                        del replies[row]
                    await store.flush()
