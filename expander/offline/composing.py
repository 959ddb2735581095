"""A dialogue for a prompt that brings no post: stages in order, lines drawn by the dice, material by topic."""

from __future__ import annotations

from functools import cache
from random import Random

from expander.offline import material, stages
from expander.offline.draft import Draft, Line
from expander.offline.phrases import Walk
from expander.offline.reading import Reading
from expander.offline.stages import Stage
from filters.dialogue import Role
from prompts import Topic, topics


def compose(reading: Reading, dice: Random) -> Draft:
    """As many turns as asked, or up to two more. A prompt that names no topic gets one of the 60, drawn by the dice."""
    index, name = _topic(reading, dice)
    family = material.family(index)
    turns = min(reading.least + int(dice.random() * 3), reading.most)
    slots = {
        "situation": Walk(family.situations, dice),
        "detail": Walk(family.details, dice),
        "suggestion": Walk(family.suggestions, dice),
    }
    lines: list[Line] = []
    for client, counselor in _spoken(_course(turns, dice, chinese=reading.chinese), dice):
        lines.append(Line(Role.CLIENT, reading.client, _filled(client, name, slots)))
        lines.append(Line(Role.COUNSELOR, reading.counselor, _filled(counselor, name, slots)))
    return Draft("", tuple(lines))


def _topic(reading: Reading, dice: Random) -> tuple[int | None, str]:
    if reading.topic is None:
        drawn = dice.choice(topics())
        return drawn.number, drawn.name if reading.chinese else drawn.name_en.lower()
    known = _by_name().get(reading.topic.casefold())
    if known is None:
        return None, reading.topic
    return known.number, known.name if reading.chinese else known.name_en.lower()


@cache
def _by_name() -> dict[str, Topic]:
    return {name.casefold(): topic for topic in topics() for name in (topic.name, topic.name_en)}


def _course(turns: int, dice: Random, *, chinese: bool) -> list[Stage]:
    """The stages for that many turns: greeting and farewell always, the middle thinned out or filled up."""
    every, more = (stages.CHINESE, stages.MORE_CHINESE) if chinese else (stages.ENGLISH, stages.MORE_ENGLISH)
    if turns == 1:
        return [every[0]]
    wanted = turns - 2
    middle = list(every[1:-1])
    if wanted <= len(middle):
        kept = sorted(dice.sample(range(len(middle)), wanted))
        return [every[0], *(middle[place] for place in kept), every[-1]]
    filled = middle[:6] + [more] * (wanted - len(middle)) + middle[6:]
    return [every[0], *filled, every[-1]]


def _spoken(course: list[Stage], dice: Random) -> list[tuple[str, str]]:
    """One line of each side for each stage; a stage that comes again says something else while it can."""
    walks: dict[tuple[str, ...], Walk] = {}

    def line(bank: tuple[str, ...]) -> str:
        if bank not in walks:
            walks[bank] = Walk(bank, dice)
        return walks[bank].next()

    return [(line(stage.client), line(stage.counselor)) for stage in course]


def _filled(line: str, topic: str, slots: dict[str, Walk]) -> str:
    """The line with its slot, if any, taken from the family; the topic goes in last and is never read as a slot."""
    for slot, walk in slots.items():
        if f"{{{slot}}}" in line:
            line = line.replace(f"{{{slot}}}", walk.next())
    return line.replace("{topic}", topic)
