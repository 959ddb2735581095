"""An endpoint for tests that answers annotation prompts as its mode says, in the style of the rogue server.

`python -m tests.expander.annotating_server MODE LOG` prints its port and logs a line for every answer.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from tests.expander.rogue_server import Rogue, answer, completion

PROSE = "这段话我不太好判断，请再给我一些材料。"
TOPICS = "焦虑, 与猫的关系, 3"


class Annotator(Rogue):
    """Modes: `slow` answers with topics after a while, `prose` never answers, `late` answers at the third asking."""

    async def decide(self, name: str) -> tuple[str, bytes]:
        if self.mode == "slow":
            await asyncio.sleep(0.02 + 0.03 * random.random())
        if self.mode == "prose" or (self.mode == "late" and self.seen[name] < 3):
            return "prose", answer(200, completion(PROSE))
        if self.mode == "empty":
            return "empty", answer(200, completion(""))
        if self.mode.isdigit():
            return "refused", answer(int(self.mode), b'{"error": {"code": "some_code"}}')
        if self.mode == "first":  # a judge that always takes the dialogue in the first place
            return "good", answer(
                200,
                completion('{"interactivity": "A", "helpfulness": "A", "comforting": "tie", "explainability": "A"}'),
            )
        return "good", answer(200, completion(TOPICS))


async def main(mode: str, log: Path) -> None:
    server = await asyncio.start_server(Annotator(mode, log).serve, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
