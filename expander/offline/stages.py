"""The course of a dialogue that has no post: what either side may say at each stage, from greeting to farewell.

Everything here was written for this project. `{topic}` is the topic's name; `{situation}`, `{detail}` and `{suggestion}`
come from the topic's family in `material`.
"""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """One turn: what the client may say and what the counselor may answer. Any pair of the two fits."""

    client: tuple[str, ...]
    counselor: tuple[str, ...]


CHINESE = (
    Stage(
        (
            "你好，{situation}",
            "老师您好，我想聊聊。{situation}",
            "您好，在吗？{situation}",
            "{situation}我想找人说一说。",
        ),
        (
            "你好，谢谢你愿意把这些告诉我。听上去这和{topic}有关，愿意多讲一点吗？",
            "你好，很高兴你来到这里。关于{topic}，最让你放不下的是什么呢？",
            "我在听。你提到的事情让我想到{topic}，能说说最近发生了什么吗？",
        ),
    ),
    Stage(
        ("{detail}", "嗯，{detail}", "怎么说呢，{detail}"),
        (
            "这样的时刻一定很难熬，这种情况有多久了呢？",
            "我听到了你的为难，它是从什么时候开始的？",
            "谢谢你讲得这么具体，最早是什么时候有这种感觉的呢？",
        ),
    ),
    Stage(
        (
            "大概有半年了吧。",
            "从今年年初开始的。",
            "其实断断续续好几年了。",
            "也就最近一两个月，但感觉特别漫长。",
            "说不清楚，好像不知不觉就这样了。",
        ),
        (
            "这么长的时间，你一个人撑着，真的不容易。",
            "原来已经这么久了，难怪你会觉得累。",
            "能撑到现在，说明你一直在努力照顾自己。",
        ),
    ),
    Stage(
        (
            "有时候我会觉得很委屈，又不知道该怪谁。",
            "心里空落落的，也有点害怕。",
            "更多的是生自己的气吧。",
            "我常常觉得又急又无力。",
        ),
        (
            "有这样的感受很自然，它在提醒我们有些需要还没有被看见。",
            "换作别人，处在你的位置多半也会这样，你不用责怪自己。",
            "这些情绪都可以有，我们先不急着把它们赶走。",
        ),
    ),
    Stage(
        (
            "现在睡得不好，吃饭也没什么胃口。",
            "做事老是走神，效率很低。",
            "我连以前喜欢的事都懒得做了。",
            "我开始躲着人，能不说话就不说话。",
        ),
        (
            "看来它已经影响到你的生活了。在这些日子里，有没有稍微好过一点的时候？",
            "我有些心疼你。你有没有试过什么办法，让自己好受一点呢？",
            "身体和心情是连在一起的。难受的时候，你通常会怎么做？",
        ),
    ),
    Stage(
        (
            "出去走走的时候会好一点，可回来又一样了。",
            "我试过跟朋友讲，但他们不太能理解。",
            "写写日记会舒服些，就是坚持不下来。",
            "我一般就是刷手机，刷完更空虚。",
        ),
        (
            "你已经在想办法帮助自己了，这一点很可贵。",
            "哪怕只好了一会儿，也说明你身上有让自己恢复的力量。",
            "愿意去尝试，本身就是很有勇气的事。",
        ),
    ),
    Stage(
        (
            "可我总觉得自己做得不够好。",
            "是吗？我还以为是我太脆弱了。",
            "但是别人好像都能处理得很好。",
            "我怕这样下去会让身边的人失望。",
        ),
        (
            "如果先放下别人的眼光，你自己最希望事情变成什么样子呢？",
            "如果有一天醒来问题变小了，你觉得最先不一样的会是什么？",
            "在这件事里，你最需要的是什么呢？",
        ),
    ),
    Stage(
        (
            "我希望能安心一点，不要总是提心吊胆。",
            "我想要有人真正理解我吧。",
            "我只想好好过日子，像以前那样能笑出来。",
            "我希望自己可以坚定一些。",
        ),
        ("这是很正当的期待。{suggestion}", "我听到了你的盼望。{suggestion}", "嗯，我们可以朝这个方向走。{suggestion}"),
    ),
    Stage(
        (
            "听起来不错，可我怕自己做不到。",
            "要是中途又难受起来怎么办？",
            "道理我懂，就是不知道怎么开头。",
            "我可以试试，但心里没什么把握。",
        ),
        (
            "做不到全部也没关系，先做一点点就好，反复是正常的。",
            "难受回来的时候，不代表前功尽弃，它只是又来提醒你一次。",
            "我们可以把它缩小到今天就能完成的一步，你觉得会是什么？",
        ),
    ),
    Stage(
        (
            "那我今晚就先从最简单的做起。",
            "这样想的话，好像没有那么难了。",
            "嗯，我可以给自己一周的时间看看。",
            "好，我愿意再给自己一次机会。",
        ),
        ("很好，我为你的决定感到高兴。另外，{suggestion}", "这一步虽然小，却是你自己迈出的。还有一点，{suggestion}"),
    ),
    Stage(
        (
            "如果以后遇到类似的事情，我还能来找你聊吗？",
            "万一情况没有好转，我该怎么办呢？",
            "除了这些，我还需要注意什么？",
        ),
        (
            "当然可以。要是持续两周以上都很难受，也请考虑当面见一位心理咨询师或医生。",
            "随时欢迎你来。身边值得信任的人，也可以成为你的支持。",
            "记得按时吃饭睡觉，对自己温和一些，需要时就开口求助。",
        ),
    ),
    Stage(
        (
            "谢谢你，说出来以后心里轻了很多。",
            "谢谢老师，我感觉没那么孤单了。",
            "嗯，我会记住今天聊的这些，谢谢你。",
            "谢谢你听我说了这么多，我有一点力气了。",
        ),
        (
            "不客气，谢谢你的信任，愿你慢慢找回安稳的感觉。",
            "也谢谢你愿意讲给我听，祝你一步一步好起来。",
            "你已经做得很好了，照顾好自己，我们下次再聊。",
        ),
    ),
)
"""Twelve turns; shorter dialogues leave some of the middle ones out."""

MORE_CHINESE = Stage(
    (
        "我还想到一件事，{detail}",
        "有时候我也会换个角度想，但很难一直这样想。",
        "刚才说的那些，我心里又过了一遍。",
        "其实说到这里，我有点想哭。",
    ),
    (
        "嗯，我在听，想到什么都可以说。",
        "你能留意到自己的变化，这很重要。",
        "谢谢你把这一面也让我看到，它给你带来了什么感觉呢？",
        "慢慢来，我们有时间把它理一理。",
    ),
)

ENGLISH = (
    Stage(
        (
            "Hi. I've been having a hard time with something, it's about {topic}.",
            "Hello, I'd like to talk about {topic}. It has been on my mind a lot.",
        ),
        (
            "Hello, I'm glad you came. What has been weighing on you most?",
            "Thank you for reaching out. Would you tell me what has been going on?",
        ),
    ),
    Stage(
        (
            "The more I try to ignore it, the more I think about it.",
            "I feel better for a day or two and then I'm back where I began.",
        ),
        ("That sounds tiring. How long has it been like this?", "I can hear how stuck that feels. When did it start?"),
    ),
    Stage(
        (
            "About half a year, I think.",
            "On and off for years, really.",
            "Only a couple of months, but they felt endless.",
        ),
        ("That is a long time to carry it on your own.", "No wonder you feel worn out."),
    ),
    Stage(
        (
            "Mostly I'm angry with myself.",
            "I feel helpless, and a little scared.",
            "I feel hurt and don't know whom to blame.",
        ),
        (
            "Those feelings make sense. There is no need to chase them away.",
            "Many people in your place would feel that way.",
        ),
    ),
    Stage(
        ("I sleep badly and keep losing track of what I'm doing.", "I've started to avoid people."),
        ("So it reaches into your days too. What helps, even a little?", "What do you usually do when it gets bad?"),
    ),
    Stage(
        ("Going for a walk helps until I get home again.", "I told a friend once, but they didn't quite get it."),
        (
            "You have already been looking for ways to help yourself. That counts.",
            "Even a short relief shows that something in you knows how to recover.",
        ),
    ),
    Stage(
        ("I still think I should be doing better.", "Everybody else seems to manage."),
        ("Leaving other people aside, what would you like to be different?", "What do you need most right now?"),
    ),
    Stage(
        ("I'd like to feel calm again.", "I'd like someone to really understand me."),
        (
            "That is a fair wish. You could begin by writing down which parts of it are in your hands.",
            "Let's work toward that. Could you pick one small thing to do today?",
        ),
    ),
    Stage(
        ("I'm not sure I can keep it up.", "I wouldn't know how to start."),
        (
            "It doesn't have to be perfect. A little is enough, and slipping back is normal.",
            "Let's make it so small that it can't go wrong.",
        ),
    ),
    Stage(
        ("All right, I'll start with the easiest part.", "Put like that, it seems less hard."),
        ("I'm glad to hear it. You took that step yourself.", "Good. Notice how it feels and be kind to yourself."),
    ),
    Stage(
        ("What if it doesn't get better?", "Can I come back if it happens again?"),
        (
            "Of course you can come back. If it stays this hard for weeks, please see a counselor or a doctor in person.",
            "Then we look at it together, and people you trust can be part of that.",
        ),
    ),
    Stage(
        ("Thank you. I feel lighter now.", "Thanks for listening to all that."),
        ("Thank you for your trust. Take good care of yourself.", "You did well today. I wish you a calmer week."),
    ),
)

MORE_ENGLISH = Stage(
    (
        "Something else comes to mind, though it's hard to put into words.",
        "Saying this makes me want to cry a little.",
        "I keep turning it over in my head.",
    ),
    (
        "Take your time, I'm listening.",
        "It matters that you notice that. What does it bring up for you?",
        "Thank you for letting me see this side of it too.",
    ),
)
