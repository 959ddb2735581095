"""The formats that the tests of this room read by, and a writer of plain replies."""

from __future__ import annotations

import os
from pathlib import Path

from filters.dialogue import DialogueFormat, Role

SMILE = DialogueFormat(client_labels=("求助者", "Help-seeker"), counselor_labels=("支持者", "Supporter"), min_turns=5)
SOULCHAT = DialogueFormat(
    client_labels=("用户",),
    counselor_labels=("心理咨询师",),
    min_turns=8,
    max_turns=20,
    opens_with=Role.CLIENT,
    closes_with=Role.COUNSELOR,
    preamble=True,
)
SOULCHAT_EN = DialogueFormat(
    client_labels=("User",),
    counselor_labels=("Psychologist", "Psychological counselor"),
    min_turns=8,
    max_turns=20,
    preamble=True,
    english=True,
)

DATA = Path(os.environ.get("EXPANDER_DATA", Path(__file__).parents[3] / "shared" / "data"))
PAPERS = Path(__file__).parents[3] / "shared" / "papers"

CLIENT_SAYS = (
    "最近总是睡不好。",
    "工作压力很大，我很累。",
    "我不知道和谁说。",
    "我试过运动，没有用。",
    "好的，我愿意试试。",
)
COUNSELOR_SAYS = (
    *("听起来你很辛苦，愿意多说一点吗？", "这样的压力确实让人疲惫。", "谢谢你愿意告诉我。", "那时你的感受是什么？"),
    "你已经迈出了第一步。",
)


def reply(turns: int = 5, *, client: str = "求助者：", counselor: str = "支持者：", between: str = "\n") -> str:
    """A clean reply of so many turns, every utterance different."""
    lines = []
    for turn in range(turns):
        mark = "" if turn < len(CLIENT_SAYS) else f"第{turn}次。"
        lines += [client + mark + CLIENT_SAYS[turn % 5], counselor + mark + COUNSELOR_SAYS[turn % 5]]
    return between.join(lines)
