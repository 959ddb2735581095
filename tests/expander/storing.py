"""Opens run stores for tests, in this process or in one of their own, and makes what goes into them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from expander.post import Place, Post
from expander.store import NewReply, Outcome, RowRecord, Store

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
BODY = b'{"choices": [{"message": {"content": "\xff broken, and paid for"}}]}'
PLACE = Place("posts.json", 3)

CHILD = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from expander.errors import StoreError
from expander.post import Place
from expander.store import NewReply, Store

def reply(row, body=b"paid for"):
    return NewReply(row_id=row, generation=0, seconds=0.1, prompt_tokens=1, completion_tokens=2, body=body)

async def main():
    async with Store(Path(sys.argv[1])) as store:
{work}

asyncio.run(main())
"""


def child(folder: Path, work: str) -> subprocess.Popen[str]:
    """A process of its own that does this work with the store open."""
    code = CHILD.format(work=textwrap.indent(textwrap.dedent(work).strip(), " " * 8))
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def during(folder: Path, work: Callable[[Store], Awaitable[T]]) -> T:
    """What the work gives in one session."""

    async def session() -> T:
        async with Store(folder) as store:
            return await work(store)

    return asyncio.run(asyncio.wait_for(session(), 30))


def reply(row: str, generation: int = 0, body: bytes = BODY, tokens: int | None = 5) -> NewReply:
    return NewReply(
        row_id=row, generation=generation, seconds=0.5, prompt_tokens=tokens, completion_tokens=tokens, body=body
    )


def record(row: str, *replies: int, outcome: Outcome = Outcome.KEPT) -> RowRecord:
    post = Post(
        id="p" + row, title="题", description="述", answer="答", question_id="q", keywords=("失眠",), place=PLACE
    )
    return RowRecord(
        id=row,
        position=0,
        post=post,
        changes={"楼主": 2},
        redactions=(),
        sample=0,
        topic=None,
        outcome=outcome,
        rule=None,
        reason=None,
        replies=replies,
        reading=None,
    )


async def pending(store: Store) -> dict[str, list[int]]:
    return {row: [reply.id for reply in replies] for row, replies in store.pending().items()}
