"""The rule-based rewriter: cuts a post's answer into counselor utterances and links them with client utterances.

It is extractive. Every sentence of the answer is said once, in order; the client says the question's sentences, then
short reactions from `phrases`. It understands nothing, and what it writes is a baseline, not a model's dialogue.
"""

from __future__ import annotations

import hashlib
import re
from random import Random

from expander.offline import cutting, phrases
from expander.offline.composing import compose
from expander.offline.draft import Draft, Line
from expander.offline.phrases import Phrases
from expander.offline.reading import Reading, mostly_chinese, read_prompt
from filters.dialogue import Role

MOST_LISTENING = 5  # a short answer is filled up with listening, but not drowned in it
LONGEST = {True: 110, False: 330}
"""Characters of a counselor utterance before a dialogue gets more turns; Chinese or not. SMILE Figure 2, item 6."""
SHORTEST = {True: 14, False: 45}
"""Characters an utterance should have when the answer is spread over as many turns as asked."""
CLAUSE = {True: 7, False: 20}

ASKS = re.compile(r"[？?][”’」』）)\"]*$")
ADVISES = re.compile(
    r"可以|建议|试着|试试|尝试|不妨|应该|需要|最好|should|could|try|suggest|recommend|need to", re.IGNORECASE
)
COMFORTS = re.compile(
    r"感受|理解|心疼|不容易|难过|委屈|辛苦|陪|拥抱|难受|understand|sorry|hard for you|feel|brave|pain", re.IGNORECASE
)
# Three words in a run, or two that a sign closes. Begun at a word's first letter only: at every letter of a word without end it
# would take the square of its length.
ENGLISH_SENTENCE = re.compile(
    r"(?<![A-Za-z])(?:[A-Za-z]++(?:[ ,']++[A-Za-z]++){2}|[A-Za-z]{2,}+[ ,']++[A-Za-z]++\s*+[.!?])"
)
SKILLS = (
    (re.compile(r"听|讲述|描述|hear|listen"), "倾听", "listening"),
    (re.compile(r"理解|明白|感受|understand|feel"), "理解", "understanding"),
    (re.compile(r"抱抱|心疼|陪|难过|不容易|sorry|comfort"), "安慰", "comfort"),
    (re.compile(r"很棒|勇敢|优秀|欣赏|做得好|proud|brave|strength"), "认可", "recognition"),
    (re.compile(r"相信|信任|believe|trust"), "信任", "trust"),
    (re.compile(r"可以|建议|试|should|could|try"), "建议", "suggestion"),
)


def rewrite(prompt: str, seed: int) -> str:
    """The reply to `prompt`. The same two arguments give the same text, on every machine."""
    return draft(read_prompt(prompt), drawn(prompt, seed)).text()


def drawn(prompt: str, seed: int) -> Random:
    """The dice for one reply. Both arguments count, so posts differ under one seed and seeds differ on one post."""
    digest = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=8, key=str(seed).encode()[:64])
    return Random(int.from_bytes(digest.digest(), "big"))


def draft(reading: Reading, dice: Random) -> Draft:
    """The reply to a prompt that was read, from its post or, without one, from its topic."""
    if reading.question is None:
        return compose(reading, dice)
    bank = phrases.CHINESE if reading.chinese else phrases.ENGLISH
    counselor = _counselor(reading, dice, bank)
    client = _client(reading, dice, bank, counselor)
    lines: list[Line] = []
    for asked, said in zip(client, counselor, strict=True):
        lines.append(Line(Role.CLIENT, reading.client, asked))
        lines.append(Line(Role.COUNSELOR, reading.counselor, said))
    return Draft(_analysis(reading) if reading.analysis else "", tuple(lines))


def _counselor(reading: Reading, dice: Random, bank: Phrases) -> list[str]:
    """The answer as utterances: as many as asked where it has the length, never more than the prompt allows."""
    chinese = reading.chinese
    pieces = _unlabelled(cutting.sentences(reading.answer), reading)
    length = sum(map(len, pieces))
    floor = reading.least if reading.bounded else min(reading.least, 6)
    wanted = max(reading.least + int(dice.random() * 3), -(-length // LONGEST[chinese]))
    turns = max(1, min(wanted, reading.most, max(floor, length // SHORTEST[chinese])))
    pieces = cutting.cut_to(pieces, turns, shortest=CLAUSE[chinese])
    said = [cutting.spoken(group, chinese=chinese) for group in cutting.grouped(pieces, turns)]
    listening = phrases.Walk(bank.listening, dice)
    said = [listening.next() for _ in range(min(MOST_LISTENING, floor - len(said)))] + said
    if chinese and said and ENGLISH_SENTENCE.search(said[-1]):
        # The answer's own English farewell is kept, but does not have the last word (SMILE Appendix B.1, item 4).
        said.append(phrases.Walk(bank.farewell, dice).next())
        if len(said) > reading.most:
            said[0:2] = [cutting.spoken(said[0:2], chinese=chinese)]
    return said


def _client(reading: Reading, dice: Random, bank: Phrases, counselor: list[str]) -> list[str]:
    """As many utterances as the counselor has: the question first, in about half of the turns, then reactions."""
    turns = len(counselor)
    told = _unlabelled(cutting.sentences(reading.question or ""), reading)
    shares = max(1, min(len(told), (turns + 1 + int(dice.random() * 2)) // 2))
    said = [cutting.spoken(group, chinese=reading.chinese) for group in cutting.grouped(told, shares)]
    if not said:
        said = [phrases.Walk(bank.opening, dice).next()]
    reactions = {
        "question": phrases.Walk(bank.after_question, dice),
        "advice": phrases.Walk(bank.after_advice, dice),
        "comfort": phrases.Walk(bank.after_comfort, dice),
        "other": phrases.Walk(bank.otherwise, dice),
    }
    for turn in range(len(said), turns):
        if turn == turns - 1 and turn > 1:
            said.append(phrases.Walk(bank.closing, dice).next())
        else:
            said.append(reactions[_heard_as(counselor[turn - 1])].next())
    return said


def _heard_as(utterance: str) -> str:
    """What a client would take the counselor's utterance for, by its end and its words."""
    if ASKS.search(utterance):
        return "question"
    if ADVISES.search(utterance):
        return "advice"
    return "comfort" if COMFORTS.search(utterance) else "other"


def _unlabelled(pieces: list[str], reading: Reading) -> list[str]:
    """Speaker labels inside a post would read as new utterances at the start of a line; only the label goes."""
    names = (reading.client.rstrip(" :："), reading.counselor.rstrip(" :："))
    pattern = re.compile(rf"^(?:(?:{re.escape(names[0])}|{re.escape(names[1])})\s*[:：]\s*)+")
    return [bare for piece in pieces if (bare := pattern.sub("", piece) if piece.startswith(names) else piece)]


def _analysis(reading: Reading) -> str:
    """A few sentences on need and skills, found by keywords, that never look like a speaker's line."""
    first = next(iter(cutting.sentences(reading.question or "")), "")
    said = re.sub(r"[:：“”\"\s]+", " " if not mostly_chinese(first) else "，", first).strip("，。 ")[:40]
    found = [(zh, en) for pattern, zh, en in SKILLS if pattern.search(reading.answer)] or [("倾听", "listening")]
    if reading.chinese:
        return (
            f"先看来访一方的需求，这里说到“{said}”，希望有人理解，也希望得到可行的办法。"
            f"再看回应一方的共情技巧，原文里可以看到{'、'.join(zh for zh, _ in found)}。以上分析由规则生成，下面是改写后的对话。"
        )
    return (
        f'The person asking speaks of "{said}" and hopes to be understood and to find a way forward. '
        f"The reply shows {', '.join(en for _, en in found)}. "
        "This analysis was made by rules, and the rewritten conversation follows."
    )
