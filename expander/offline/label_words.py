"""Words by which the rule-based annotator knows a counselor's strategy and a client's emotion, written for this project.

The first label whose words are found is taken, so the more telling ones stand first.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_WORDS = (
    # What a counselor does.
    ("Self-disclosure", r"我(?:自己)?(?:也|曾经?|以前)(?:有过|经历|遇到|曾)|\bI (?:too|also) (?:have|had|went)|when I was"),
    ("Role-play", r"扮演|假装我是|空椅|如果我是(?:他|她|你)|role[- ]?play|pretend"),
    ("Question", r"[？?]"),
    ("Reflection of Feelings", r"(?:听起来|感觉到|感受到|看得出|听得出|能感受|可以想象).{0,20}|你(?:很|一定|似乎|好像|感到|觉得).{0,6}(?:难过|委屈|焦虑|害怕|孤单|生气|累|辛苦|痛苦)|you (?:feel|seem|sound|must)|sounds like|it seems"),
    ("Restatement or Paraphrasing", r"你(?:是说|刚才|提到|说到)|也就是说|换句话说|so you|you(?:'re| are) saying|in other words"),
    ("Providing Suggestions", r"可以试|试着|试试|建议|不妨|可以(?:先|考虑|尝试|每天|找)|should|could try|try to|suggest|recommend|why don't"),
    ("Affirmation and Reassurance", r"很棒|不容易|相信你|做得很?好|勇敢|加油|会好|放心|没关系|支持你|陪你|谢谢你|proud|brave|well done|it's ok|you're not alone|that's great"),
    ("Information", r"研究|通常|往往|一般来说|是指|指的是|叫做|咨询是|保密|心理学|research|usually|generally|refers to|is called"),
    # What a client feels.
    ("Guilty", r"内疚|愧疚|自责|对不起|都怪我|是我不好|guilt|my fault|blame myself"),
    ("Shame", r"丢脸|羞|没面子|抬不起头|ashamed|shame|embarrass|humiliat"),
    ("Anger", r"生气|愤怒|气死|恨|凭什么|受不了他|讨厌|火大|angry|mad at|furious|hate|annoy"),
    ("Fear", r"害怕|恐惧|吓|不敢|恐慌|afraid|scared|terrified|fear"),
    ("Depression", r"抑郁|绝望|没有意义|没意思|活着|没有动力|提不起|低落|崩溃|无助|depress|hopeless|worthless|no point|empty"),
    ("Sadness", r"难过|伤心|哭|失落|心痛|悲伤|孤单|孤独|委屈|想念|sad|cry|cried|lonely|miss (?:him|her|them)|hurt"),
    ("Anxiety", r"焦虑|担心|紧张|压力|不安|怎么办|睡不着|失眠|烦|纠结|慌|anxious|anxiety|worr|nervous|stress|panic"),
    ("Happiness", r"高兴|开心|谢谢|感谢|好多了|轻松|放心了|有希望|快乐|happy|glad|thank|great|better now|relieved"),
)  # fmt: skip
_FOUND = tuple((name, re.compile(words, re.IGNORECASE)) for name, words in _WORDS)
_ELSE = ("Neutral", "Others")


def labelled(text: str, offered: Collection[str]) -> str:
    """The first of the offered labels whose words the text holds; else the neutral one, else the last one offered."""
    for name, words in _FOUND:
        if name in offered and words.search(text):
            return name
    return next(
        (name for name in _ELSE if name in offered), [*offered, "Others"][-1 if not offered else len(offered) - 1]
    )
