"""What a line without a speaker label is: a divider, a stage direction, narration after the end, a result heading.

Every pattern is tried at the start of a line and looks at a bounded stretch or repeats possessively, so a hostile line
costs one pass.
"""

from __future__ import annotations

import re

_DIVIDER = re.compile(r"[-*_=~—─#\"“”'`\s]++\Z")
_ROUND = re.compile(
    r"[#*_\s【\[（(-]*+(?:第\s?[0-9一二三四五六七八九十]{1,4}\s?(?:轮|回合|次|段|幕)(?:对话|咨询)?"
    r"|(?:Turn|Round|Exchange)\s?\d{1,3}|\d{1,3}[.、)）])[】\]）)*_：:\s]*+\Z",
    re.IGNORECASE,
)
_STAGE = re.compile(r"(?:（[^（）]{1,60}）|\([^()]{1,60}\)|【[^【】]{1,60}】|\[[^\[\]]{1,60}\]|\*[^*]{1,60}\*)\Z")
_NARRATION = re.compile(
    r"[\s>#*_【\[（(-]{0,8}(?:总结|小结|以上(?:是|为|就|，|对话|内容|改写)|(?:这段|本次|该|此|上述|整[段个])(?:多轮)?(?:对话|改写|咨询)"
    r"|(?:总的来说，|在|通过)(?:这|以上|上述)[段个次些]?(?:对话|咨询)|注[：:]|(?:改写|对话|共情|技巧)*+(?:说明|备注|分析|思路)[：:]"
    r"|对话(?:到此)?(?:结束|完)|希望(?:这[段个次]|以上)|如果(?:您对|您?需要(?:我|进一步|调整))"
    r"|(?:Note|Summary|Explanation)[\s*]?[：:]|(?:This|The|In this|In the above) (?:rewritten |above )?(?:dialogue|conversation)"
    r"|I hope this (?:dialog|conver|rewri|help|meets)|Let me know if|End of (?:the )?(?:dialogue|conversation))",
    re.IGNORECASE,
)
_RESULT = re.compile(r"(?=[^\n]{0,40}(?:改写|结果|多轮|rewrit|multi|result))[^\n。，]{2,60}\Z", re.IGNORECASE)
_SHORT = 200


def is_divider(line: str) -> bool:
    """---, ===, a stray quotation mark, 第1轮, ### Turn 3, a number alone."""
    return bool(_DIVIDER.match(line)) or (len(line) < _SHORT and bool(_ROUND.match(line)))


def is_rule(line: str) -> bool:
    """A divider drawn with signs (---), behind which a model often leaves the dialogue."""
    return line[:3] in {"---", "***", "___", "===", "———", "───"} and bool(_DIVIDER.match(line))


def is_stage_direction(line: str) -> bool:
    """Nothing but one short bracket: （沉默）, [pause], （对话结束）."""
    return len(line) < _SHORT and bool(_STAGE.match(line))


def is_fence(line: str) -> bool:
    """``` with or without a language's name."""
    return line.startswith("```") and len(line) < len("```") + 20 and "：" not in line


def is_narration(line: str, client_names: tuple[str, ...]) -> bool:
    """A summary, a note or a closing remark, going by its first words or because it speaks *of* the client.

    Conservative: a counselor's second paragraph has neither. Looks at the first 200 characters.
    """
    return bool(_NARRATION.match(line)) or any(name in line[:_SHORT] for name in client_names)


def is_result_heading(line: str) -> bool:
    """改写结果：, **多轮对话**, "Rewritten dialogue:" - where an analysis ends and the dialogue starts."""
    return (
        len(line) < _SHORT
        and line.rstrip("*#_ ").endswith(("：", ":", "】", "对话", "结果"))
        and bool(_RESULT.match(line))
    )
