"""What the rewriter says of its own: short client reactions, a listener's invitations, and a few frames around them.

Everything here was written for this project. Each bank is walked from a place drawn by seed, so a line comes up twice in
one dialogue only when the bank is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language's banks, named for what the counselor has just done and what the client makes of it."""

    opening: tuple[str, ...]
    """The client's first words when the post brings none."""
    after_question: tuple[str, ...]
    after_advice: tuple[str, ...]
    after_comfort: tuple[str, ...]
    otherwise: tuple[str, ...]
    closing: tuple[str, ...]
    """The client's last words."""
    listening: tuple[str, ...]
    """The counselor, while the client is still telling."""
    farewell: tuple[str, ...]
    """The counselor's last words where the answer itself ends in another language."""


class Walk:
    """Lines of a bank without repeats until all were used, from a place and in a step drawn by the dice."""

    __slots__ = ("_bank", "_place", "_step")

    def __init__(self, bank: tuple[str, ...], dice: Random) -> None:
        self._bank = bank
        self._place = int(dice.random() * len(bank))
        self._step = 1 if dice.random() < 0.5 else len(bank) - 1  # noqa: PLR2004 - a coin

    def next(self) -> str:
        line = self._bank[self._place]
        self._place = (self._place + self._step) % len(self._bank)
        return line


CHINESE = Phrases(
    opening=(
        "你好，我最近心里有些乱，想找人说说话。",
        "老师好，有件事压在我心里挺久了，想听听你的看法。",
        "你好，我不太会表达，不过还是想试着讲一讲。",
        "您好，我最近状态不太好，想聊一聊。",
    ),
    after_question=(
        "嗯……你这么一问，我得好好想想，好像真是这样。",
        "这个问题我以前没有认真想过。",
        "应该是有的吧，只是我一直不愿意去面对。",
        "说实话，我也不太确定，有时候是，有时候又不是。",
        "我想了一下，大概就是你说的这样。",
        "被你问到这里，我心里有点酸。",
        "可能是吧，我一直没跟别人提过这些。",
        "这个我说不太清楚，就是觉得心里堵得慌。",
        "嗯，我觉得多少有一点关系。",
        "我愣了一下，好像从来没有人这样问过我。",
        "也许吧，我得回去再琢磨琢磨。",
        "如果照实说的话，是的。",
    ),
    after_advice=(
        "那具体该怎么做呢？我有点不知道从哪里开始。",
        "听起来有道理，可我怕自己坚持不下来。",
        "我可以试试看，不过心里还是没什么底。",
        "要是试了以后没有用，怎么办呢？",
        "嗯，这个办法我以前没想到，我记下来了。",
        "道理我好像懂，就是做起来挺难的。",
        "我担心迈出第一步的时候又会退回去。",
        "这样的话，我是不是可以先从小一点的事做起？",
        "我愿意试一试，还有别的需要注意的吗？",
        "以前我也试过类似的，但没有坚持多久。",
        "好的，那在这个过程中我该怎么看待自己的情绪呢？",
        "你说的这一点我觉得可行，请接着讲。",
    ),
    after_comfort=(
        "谢谢你，听到你这么说，我心里松了一点。",
        "你说到我心里去了，我差点要哭出来。",
        "原来真的有人能明白我的感受。",
        "嗯，我一直以为只有我一个人会这样。",
        "被你这样理解，我觉得没那么孤单了。",
        "其实我很少听到别人这样对我说话。",
        "是啊，这段时间我真的撑得很累。",
        "你这样讲，我好像能稍微放过自己一点了。",
        "我没想到会被这样接住，有点意外，也有点感动。",
        "嗯，能说出来就已经好受一些了。",
    ),
    otherwise=(
        "嗯，我在听，你继续说。",
        "原来还可以这样看，我之前没有往这方面想。",
        "这么说来，我好像有点明白了。",
        "你说的这些，和我的情况挺像的。",
        "我得慢慢消化一下，那然后呢？",
        "嗯嗯，我大概懂你的意思了。",
        "可我还是有一点想不通的地方。",
        "听你这么分析，我心里清楚了不少。",
        "有时候我也会这么想，但很快又会被情绪带走。",
        "是这样啊，那我应该怎么理解自己呢？",
        "我以前总是钻牛角尖，现在好像看到了别的角度。",
        "嗯，这一点确实说中了。",
        "我心里还是有些矛盾，不过愿意接着听。",
        "这一点我会放在心上的。",
    ),
    closing=(
        "谢谢你今天陪我聊这么多，我心里踏实一些了。",
        "嗯，我会照着试试看，谢谢你。",
        "聊完以后感觉轻松多了，真的谢谢你。",
        "我好像有一点力量了，谢谢你愿意听我说。",
        "好的，我会慢慢来的，谢谢你的耐心。",
        "谢谢你，你的话我会记着。",
        "今天说出来真好，我会对自己温和一点。",
        "明白了，我先从能做的一小步开始，谢谢。",
    ),
    listening=(
        "嗯，我在听，可以多说一点吗？",
        "谢谢你愿意告诉我这些，后来怎么样了呢？",
        "听上去这件事让你很不好受，慢慢说，不着急。",
        "我能感觉到这对你很重要，愿意再讲讲吗？",
        "嗯嗯，那个时候你心里是怎么想的呢？",
        "我明白，这样的处境换谁都不轻松，请接着说。",
        "你能把这些讲出来，已经很不容易了。",
        "我在这里陪着你，想到哪里就说到哪里。",
        "听你这么说，我想多了解一些你的感受。",
        "嗯，这种感觉持续多久了呢？",
    ),
    farewell=(
        "不用谢，愿你一点点好起来，需要的时候可以再来聊。",
        "也谢谢你的信任，照顾好自己，我们慢慢来。",
        "不客气，你已经迈出了很好的一步，祝你一切顺利。",
    ),
)

ENGLISH = Phrases(
    opening=(
        "Hi, things have felt muddled lately and I'd like to talk to someone.",
        "Hello. There is something I have been carrying around for a while.",
        "Hi, I'm not great with words, but I'd like to try.",
    ),
    after_question=(
        "Hmm, let me think. I suppose that is true.",
        "I have never really asked myself that.",
        "Maybe. I think I have been avoiding that question.",
        "To be honest, I'm not sure. Sometimes yes, sometimes no.",
        "Now that you ask, it does seem that way.",
        "That question goes quite deep for me.",
        "I find it hard to say. It just feels heavy.",
        "Probably. I haven't told anyone about that before.",
    ),
    after_advice=(
        "How would I do that in practice? I don't know where to begin.",
        "That makes sense, but I'm afraid I won't keep it up.",
        "I could try that, although I'm a bit unsure.",
        "And what if I try and it doesn't work?",
        "I hadn't thought of that. I'll make a note of it.",
        "I understand it in my head, but doing it is hard.",
        "Could I start with something small?",
        "I'm willing to give it a go. Is there anything else to keep in mind?",
        "I tried something like it once and gave up soon after.",
    ),
    after_comfort=(
        "Thank you. I feel a little lighter hearing that.",
        "You put into words what I couldn't.",
        "I thought I was the only one who felt this way.",
        "It helps to know that someone understands.",
        "Yes, I have been really worn out by all this.",
        "People seldom talk to me like that.",
        "Saying it out loud already does me some good.",
    ),
    otherwise=(
        "I'm listening, please go on.",
        "I hadn't looked at it from that side.",
        "I think I'm beginning to see what you mean.",
        "That sounds a lot like my situation.",
        "I need a moment to take that in. What then?",
        "There is still a part of it I can't get past.",
        "Hearing you lay it out makes things clearer.",
        "Sometimes I think so too, and then my feelings run off with me.",
        "Yes, that describes it well.",
        "I'm still torn, but I'd like to hear more.",
    ),
    closing=(
        "Thank you for talking this through with me. I feel calmer now.",
        "All right, I'll try that. Thanks for listening.",
        "I feel a bit stronger than when we started. Thank you.",
        "I'll take it one step at a time. Thank you for your patience.",
        "It was good to say all this. I'll be gentler with myself.",
    ),
    listening=(
        "I'm listening. Would you tell me a little more?",
        "Thank you for sharing that with me. What happened then?",
        "That sounds painful. Take your time.",
        "I can hear how much this matters to you. Please go on.",
        "And what was going through your mind at that moment?",
        "Anyone would find that hard. I'd like to understand it better.",
        "It takes courage to say this.",
        "How long have you been feeling like that?",
    ),
    farewell=(
        "You're welcome. Be kind to yourself, and come back whenever you need to.",
        "Thank you for your trust. Take good care of yourself.",
    ),
)
