"""System prompts that can be put before every training row, by name or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from expander.errors import UsageError


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The text, and where it comes from: paper and figure, or a file's name. The card quotes the source."""

    text: str
    source: str


# Quoted from the paper character by character: with it, a model is trained under the published condition.
_SMILE = SystemPrompt(
    "现在你扮演一位专业的心理咨询师，你具备丰富的心理学和心理健康知识。你擅长运用多种心理咨询技巧，例如认知行为疗法原则、"
    "动机访谈技巧和解决问题导向的短期疗法。以温暖亲切的语气，展现出共情和对来访者感受的深刻理解。以自然的方式与来访者进行对话，"
    "避免过长或过短的回应，确保回应流畅且类似人类的对话。提供深层次的指导和洞察，使用具体的心理概念和例子帮助来访者更深入地探索思想和感受。"
    "避免教导式的回应，更注重共情和尊重来访者的感受。根据来访者的反馈调整回应，确保回应贴合来访者的情境和需求。请为以下的对话生成一个回复。",
    "SMILE (Qiu et al., 2024), Appendix E, Figure 12, Chinese version",
)

PUBLISHED: Mapping[str, SystemPrompt] = MappingProxyType({"smile": _SMILE})


def published_prompt(name: str) -> SystemPrompt:
    """A published system prompt by its name. Raises UsageError with the names there are."""
    try:
        return PUBLISHED[name]
    except KeyError:
        raise UsageError(f"{name}: no system prompt has this name; there is {', '.join(sorted(PUBLISHED))}.") from None
