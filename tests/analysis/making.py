"""Dialogues for the tests, written for this project."""

from __future__ import annotations

from collections.abc import Sequence

from filters.dialogue import CorpusEntry, Dialogue, Role, Utterance

CLIENT_SAYS = (
    "最近总是睡不着，一闭眼就想起工作上的事。",
    "大概两个月了，换了部门以后就这样。",
    "白天很累，开会的时候也走神，怕领导看出来。",
    "我没跟家里人说，不想让他们操心。",
    "你说的散步我可以试试，下班以后有时间。",
    "好的，谢谢你听我说这么多。",
)
COUNSELOR_SAYS = (
    "听起来这段日子很辛苦，睡不好会让整个人都绷着。持续多久了？",
    "换部门意味着新的人和新的要求，紧张是可以理解的。白天的状态怎么样？",
    "你一边撑着工作一边担心被看出来，这很耗力气。身边有人知道吗？",
    "你想保护他们，可这样所有的重量都在你一个人肩上。",
    "很好，从一件小事开始就够了，不必要求自己马上睡好。",
    "愿意说出来已经是照顾自己的一步，祝你今晚能睡得安稳些。",
)


def dialogue(*texts: str, first: Role = Role.CLIENT) -> Dialogue:
    """The texts in turn, speakers alternating."""
    second = Role.COUNSELOR if first is Role.CLIENT else Role.CLIENT
    return Dialogue(tuple(Utterance(second if place % 2 else first, text) for place, text in enumerate(texts)))


def sound(turns: int = 6) -> Dialogue:
    """A dialogue that no rule objects to, of up to six turns."""
    pairs = zip(CLIENT_SAYS[:turns], COUNSELOR_SAYS[:turns], strict=True)
    return dialogue(*(text for pair in pairs for text in pair))


def entry(name: str, said: Dialogue, **extra: object) -> CorpusEntry:
    """An entry whose place is its own name."""
    return CorpusEntry(id=name, dialogue=said, place=f"memory:{name}", extra=extra)


def entries(dialogues: Sequence[Dialogue]) -> list[CorpusEntry]:
    """Entries named 0, 1, 2 ..."""
    return [entry(str(number), said) for number, said in enumerate(dialogues)]
