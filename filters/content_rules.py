"""Rules on what is said: nothing of the prompt, of the answer as it was, or of the model itself belongs into a dialogue.

A rule first asks the whole reply a cheap question (does a word occur at all?) and reads utterances only if it does.
"""

from __future__ import annotations

import re
from collections import Counter

from filters.case import Case, Finding
from filters.dialogue import Role, Span
from filters.template_text import instructions, squeeze

# Each starts with a sign that is rare in a dialogue: looking for one sign costs a tenth of looking for two.
ASSISTANT_HINTS = ("AI", "工智", "模型", "器人", "程序", "虚拟助", "智能助", "GPT", " a")
ASSISTANT_VOICE = re.compile(
    r"(?:作为|身为|作為|身為)(?:一[个名款位種种個]|您的|你的)?(?:大型|大规模|先进的?|虚拟的?|基于)?\s?"
    r"(?:AI(?![a-zA-Z])|人工智能|人工智慧|(?:大型)?语言模型|大模型|聊天机器人|机器人|虚拟助[手理]|智能助[手理])"
    r"|我(?:只|仅仅|不过)?(?:只)?是(?:一[个名款位]|个|由)?(?:大型|虚拟的?|基于)?\s?"
    r"(?:AI(?![a-zA-Z])|人工智能|人工智慧|(?:大型)?语言模型|大模型|聊天机器人|机器人|计算机程序|虚拟助[手理]|ChatGPT|OpenAI)"
    r"(?!\s?(?:工程师|专业|行业|从业|领域|研究|公司|爱好|产品|开发|算法|方向|博士|硕士|学生|老师))"
    r"|\bas an? (?:AI|artificial intelligence|language model|large language model)\b"
    r"|\bI(?:'m| am|’m) (?:just |only |merely )?an? (?:AI|artificial intelligence|(?:large )?language model|chatbot|virtual assistant)\b",
    re.IGNORECASE,
)
"""How a model speaks of itself: 作为一个AI, 我是一个人工智能, As an AI. An AI engineer's 我是一个人工智能工程师 is not it."""

PLACEHOLDER_HINTS = ("{", "[", "【", "<", "省略", "utterance")
PLACEHOLDER = re.compile(
    r"\A[\"“]?utterance[。.]?[\"”]?\Z|\{(?:QA|topic|single_turn|question|answer|\w{1,20})\}|\[Dialogue Topic\]"
    r"|<(?:user|psy)_utt>|[（(【\[](?:此处|这里|以下|中间|后续|其余|部分)?(?:的?(?:对话|内容))?省略[^）)】\]\n]{0,20}[）)】\]]"
    r"|[\[【](?:你的|您的|插入|填写|某|咨询师的?|求助者的?|来访者的?|用户的?)?"
    r"(?:名字|姓名|昵称|称呼|年龄|城市|学校|公司|电话|Name|Your Name|name)[】\]]"
)
"""What a template fills in or a model leaves open: utterance。, {QA}, [Dialogue Topic], [你的名字], （此处省略）."""

# An English sentence: three Latin words or more in a run, one of them in lower case (Emotional First Aid is a name), or two
# when a full stop closes them (Take care!). OK, MBTI, WeChat and addresses are none. The pattern takes a word that stands alone
# too: one that it refused would be tried anew from each of its letters, which takes the square of its length.
_LATIN_RUN = re.compile(r"[A-Za-z][A-Za-z'’\-]*+(?:[ ,]{1,3}[A-Za-z][A-Za-z'’\-]*+)*+[.!?]?")
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]{1,64}@[A-Za-z0-9.-]+")
_SENTENCE_WORDS = 3
_CLOSED_WORDS = 2

COPIED_SHARE = 0.8
COPIED_LENGTH = 50
_SHINGLE = 5

LOOP_TIMES = 3
LOOP_LENGTH = 8
_STUCK_LENGTH = 240
_STUCK_SHARE = 0.08


def english_ending(case: Case) -> Finding | None:
    """SMILE's rule 4, with "an English sentence" made exact (see `_LATIN_RUN`)."""
    if case.fmt.english or not case.reading.utterances:
        return None
    said = case.reading.utterances[-1].text
    if "http" in said or "www." in said or "@" in said:
        said = _ADDRESS.sub(lambda found: "#" * len(found[0]), said)
    for run in _LATIN_RUN.finditer(said):
        words = re.split(r"[ ,]+", run[0].rstrip(".!?"))
        sentence = len(words) >= (_CLOSED_WORDS if run[0][-1] in ".!?" else _SENTENCE_WORDS)
        if sentence and any(word.islower() and len(word) > 1 for word in words):
            return Finding(f"the last utterance has an English sentence: {run[0][:60]}", _last(case, *run.span()))
    return None


def _last(case: Case, start: int, end: int) -> Span:
    return case.span(len(case.reading.utterances) - 1, start, end)


def placeholder(case: Case) -> Finding | None:
    text = case.text
    if any(hint in text for hint in PLACEHOLDER_HINTS):
        for place, (_, said) in enumerate(case.reading.utterances):
            found = PLACEHOLDER.search(said)
            if found:
                return Finding(
                    f"utterance {place + 1} holds the placeholder {found[0]}", case.span(place, *found.span())
                )
    return None


def template_leak(case: Case) -> Finding | None:
    """One unit of the template's instructions inside an utterance; white space does not count."""
    for found in case.repeated:
        for place, (_, said) in enumerate(case.reading.utterances):
            if found in squeeze(said):
                return Finding(f"utterance {place + 1} holds the template's own words: {found[:40]}", case.span(place))
    return None


def prompt_repeated(case: Case) -> Finding | None:
    """Two units of the template's instructions or more outside the dialogue: the prompt came back with the reply.

    One alone is not: an analysis that a template asks for may quote what it was asked.
    """
    found = case.repeated
    if len(found) < len(("one", "another")):
        return None
    dialogue = "\n".join(squeeze(said) for _, said in case.reading.utterances)
    outside = [unit for unit in found if unit not in dialogue]
    if len(outside) < len(("one", "another")):
        return None
    return Finding(
        f"{len(outside)} of the template's instructions stand before or after the dialogue", _of_unit(case, outside[0])
    )


def _of_unit(case: Case, squeezed: str) -> Span | None:
    for unit in instructions(case.context.template_text or ""):
        if unit.squeezed == squeezed:
            start = case.text.find(unit.text)
            return Span(start, start + len(unit.text)) if start >= 0 else None
    return None


def assistant_voice(case: Case) -> Finding | None:
    text = case.text
    if any(hint[0] in text and hint in text for hint in ASSISTANT_HINTS):
        for place, (role, said) in enumerate(case.reading.utterances):
            found = ASSISTANT_VOICE.search(said) if role is Role.COUNSELOR else None
            if found:
                return Finding(f"the counselor speaks as a machine: {found[0]}", case.span(place, *found.span()))
    return None


def answer_copied(case: Case) -> Finding | None:
    """One counselor utterance holds 80 % or more of the answer's runs of five characters.

    Our threshold: a rewriting keeps phrases but cuts the answer apart; an answer of fewer than 50 characters may be said whole.
    """
    answer = case.context.answer
    if answer is None or len(answer) < COPIED_LENGTH:
        return None
    least = len(answer) * COPIED_SHARE
    # Cheap first: white space aside, an utterance that holds the answer is nearly as long.
    if all(len(said) < least * COPIED_SHARE for _, said in case.reading.utterances):
        return None
    bare = squeeze(answer)
    runs = {bare[start : start + _SHINGLE] for start in range(len(bare) - _SHINGLE + 1)}
    for place, (role, said) in enumerate(case.reading.utterances):
        if role is Role.COUNSELOR and len(said) >= least * COPIED_SHARE and runs:
            heard = squeeze(said)
            kept = len(runs & {heard[start : start + _SHINGLE] for start in range(len(heard) - _SHINGLE + 1)}) / len(
                runs
            )
            if kept >= COPIED_SHARE:
                return Finding(f"utterance {place + 1} holds {kept:.0%} of the answer as it was", case.span(place))
    return None


def _is_latin(text: str) -> bool:
    """Whether an alphabet carries the text: then few characters make up much of it, and that is no fault."""
    return sum(character.isascii() for character in text) > len(text) / 2


def repetition_loop(case: Case) -> Finding | None:
    """A model that goes round: one utterance three times, or a long one made of hardly any characters."""
    utterances = case.reading.utterances
    if len(set(utterances)) < len(utterances):
        for (role, said), times in Counter(utterances).items():
            if times >= LOOP_TIMES and len(said) >= LOOP_LENGTH:
                place = max(i for i, utterance in enumerate(utterances) if utterance == (role, said))
                return Finding(f"one utterance comes {times} times", case.span(place))
    for place, (_, said) in enumerate(utterances):
        if len(said) >= _STUCK_LENGTH and len(set(said)) < len(said) * _STUCK_SHARE and not _is_latin(said):
            return Finding(f"utterance {place + 1}: {len(set(said))} characters make up {len(said)}", case.span(place))
    return None
