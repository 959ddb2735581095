"""Third speakers: is the head of an unlabelled line (旁白：, 小明：, System:) the name of somebody who speaks?

Prose uses colons too (首先：, 比如：, 10：30), so a head counts only when it is a known voice, when it is built like
a name, or when it opens two lines or more, as a speaker does and a heading does not.
"""

from __future__ import annotations

import re

VOICES = frozenset(
    {
        *("旁白", "旁白者", "画外音", "畫外音", "叙述者", "敘述者", "解说", "主持人", "系统", "系統", "系统提示"),
        *("助手", "AI", "AI助手", "人工智能", "机器人", "机器人助手", "督导", "督导师", "观察者", "记录员", "助理"),
        *("医生", "护士", "警察", "班主任", "老板", "领导", "室友", "同事", "邻居", "朋友", "闺蜜", "同学"),
        *("妈妈", "爸爸", "母亲", "父亲", "奶奶", "爷爷", "外婆", "外公", "姐姐", "妹妹", "哥哥", "弟弟"),
        *("丈夫", "妻子", "老公", "老婆", "男友", "女友", "男朋友", "女朋友", "孩子", "儿子", "女儿", "家长", "家属"),
        *("narrator", "narration", "system", "assistant", "ai", "moderator", "host", "observer", "supervisor"),
        *("mother", "father", "mom", "dad", "friend", "husband", "wife", "teacher", "doctor"),
    }
)
"""Heads that are somebody's voice at the start of a line, even once."""

_HEADINGS = (
    *("首先", "其次", "再次", "然后", "最后", "此外", "另外", "同时", "因此", "所以", "但是", "比如", "例如", "譬如"),
    *(
        "注意",
        "注",
        "附",
        "建议",
        "总结",
        "小结",
        "问题",
        "回答",
        "分析",
        "方法",
        "步骤",
        "结论",
        "目标",
        "原因",
        "优点",
    ),
    *("缺点", "说明", "备注", "提示", "温馨", "话题", "主题", "标题", "题目", "背景", "场景", "时间", "地点", "人物"),
    *(
        "行动",
        "想法",
        "情绪",
        "感受",
        "事实",
        "需求",
        "技巧",
        "共情",
        "改写",
        "对话",
        "第",
        "一",
        "二",
        "三",
        "四",
        "五",
    ),
    *("其", "小贴士", "小提示", "小建议", "小目标", "小技巧", "小方法", "小练习", "小总结", "小时候", "小事", "老实"),
    *("老话", "陈述", "陈列", "罗列", "张力", "张开", "黄昏", "黄金", "杜绝", "苏醒", "叶子", "孙子", "王者", "胡说"),
    *("亲爱", "尊敬", "这位", "各位", "我", "你", "他", "她", "答", "问", "是", "关于", "如果", "记住", "请"),
    *("note", "tip", "topic", "title", "summary", "ps", "p.s", "step", "first", "second", "third", "finally"),
    *("analysis", "example", "dialogue", "here", "http"),
)
"""Heads of prose: a line that starts so is no speaker, however often it comes."""

# 小/阿/老 + name, a common surname + given name, or a name with a title.
_NAME = re.compile(
    r"(?:[小阿老][一-鿿]{1,2}"
    r"|[王李张刘陈杨赵黄吴徐孙胡朱郭罗宋郑韩冯邓沈彭吕苏蒋蔡贾魏薛叶潘杜戴][一-鿿]{1,2}"
    r"|[一-鿿]{1,3}(?:先生|女士|小姐|老师|医生|同学|阿姨|叔叔|教授|主任|护士|经理|督导))"
)
_REPEATABLE = re.compile(r"[一-鿿]{2,4}|[A-Z][a-z]{1,15}(?: [A-Z][a-z]{1,15})?")
_HEAD = re.compile(
    r"[\s>#*+\-•·_`\"“「『【\[]{0,12}([^\s：:，。！？,.!?*_`】\]][^：:，。！？,.!?*_`】\]]{0,15})[】\]*_`\s]{0,6}[：:](.?)"
)
_SAID = re.compile(r"[说道问想答是]$")


def head_of(line: str) -> str | None:
    """The words before a line's first colon when they could be a name, else None; looks at 36 characters at most."""
    found = _HEAD.match(line[:36])
    if found is None or found[1][-1:].isdigit():
        return None
    return found[1].strip()


def is_stranger(head: str, lines_with_it: int) -> bool:
    """Whether this head is a third speaker, given how many unlabelled lines of the reply start with it."""
    folded = head.casefold()
    if folded in VOICES or head in VOICES:
        return True
    if folded.startswith(_HEADINGS) or _SAID.search(head):
        return False
    return bool(_NAME.fullmatch(head)) or (lines_with_it > 1 and bool(_REPEATABLE.fullmatch(head)))
