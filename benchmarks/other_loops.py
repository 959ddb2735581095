"""The loops that the job is held against, each a whole program: posts in, JSON Lines out.

`python benchmarks/other_loops.py usual|aiohttp POSTS OUT BASE_URL CONCURRENCY`

`usual` is the loop most people write: AsyncOpenAI, a semaphore, gather. `aiohttp` does the same by hand. Neither stores
before it parses, judges, retries, limits its memory, or resumes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

_PROMPT = "Rewrite this single-turn dialogue into a multi-turn dialogue.\n\n求助者: {}\n支持者: {}\n"


def _prompts(posts: Path) -> list[str]:
    with posts.open(encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        return [_PROMPT.format(row["question"] + row["description"], row["answer"]) for row in rows]


async def _all(prompts: list[str], out: Path, concurrency: int, ask: Callable[[str], Awaitable[str]]) -> None:
    semaphore = asyncio.Semaphore(concurrency)
    with out.open("w", encoding="utf-8") as file:

        async def one(prompt: str) -> None:
            async with semaphore:
                text = await ask(prompt)
            file.write(json.dumps({"reply": text}, ensure_ascii=False) + "\n")

        await asyncio.gather(*(one(prompt) for prompt in prompts))


async def _usual(prompts: list[str], out: Path, base_url: str, concurrency: int) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        async def ask(prompt: str) -> str:
            reply = await client.chat.completions.create(
                model="loopback", messages=[{"role": "user", "content": prompt}], temperature=1.0, top_p=1.0
            )
            return reply.choices[0].message.content or ""

        await _all(prompts, out, concurrency, ask)


async def _aiohttp(prompts: list[str], out: Path, base_url: str, concurrency: int) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def ask(prompt: str) -> str:
            body = {"model": "loopback", "messages": [{"role": "user", "content": prompt}], "temperature": 1.0}
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                text: str = (await response.json())["choices"][0]["message"]["content"]
                return text

        await _all(prompts, out, concurrency, ask)


if __name__ == "__main__":
    _, kind, posts_file, out_file, url, in_flight = sys.argv
    run = {"usual": _usual, "aiohttp": _aiohttp}[kind]
    asyncio.run(run(_prompts(Path(posts_file)), Path(out_file), url, int(in_flight)))
