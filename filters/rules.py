"""The rules in their order, which of them are on, and the verdict on one reply.

The first rule that objects decides a rejection. The order goes from the outside in: is there a whole reply, is it a
dialogue, has it the template's shape, is what is said fit to keep. So a row's reason is the one that explains the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from filters import content_rules as content
from filters import form_rules as form
from filters import safety_rules as safety
from filters.case import Case, Check, Context, Rule
from filters.dialogue import Dialogue, DialogueFormat, Rejection, Repair, Verdict
from filters.links import foreign_link
from filters.reply import read_reply
from filters.template_text import repeated

__all__ = ["DEFAULT", "OPTIONAL", "RULES", "RULES_VERSION", "Context", "RuleSet", "judge", "rejections"]

RULES_VERSION = 2
"""Goes up when a rule or the reading decides anything differently: stored verdicts of another version are stale."""

_SMILE_FORMAT = "SMILE (Qiu et al. 2024), Appendix B.1 rule "
_SOULCHAT = "SoulChat (Chen et al. 2023), Figure 2, requirement "
_API = "OpenAI-compatible API, finish_reason"
_HABIT = "what real replies show"

RULES: tuple[Rule, ...] = (
    Rule("empty-reply", _HABIT, form.empty_reply),
    Rule("cut-by-length", _API, form.cut_by_length),
    Rule("content-filter", _API, form.content_filter),
    Rule("broken-characters", _HABIT, form.broken_characters),
    Rule("special-token", _HABIT, form.special_token),
    Rule("prompt-repeated", _HABIT, content.prompt_repeated),
    Rule("refusal", _HABIT, form.refusal),
    Rule("no-known-speaker", f"{_SMILE_FORMAT}1", form.no_known_speaker),
    Rule("one-line", f"{_SMILE_FORMAT}2", form.one_line),
    Rule("preamble", f"{_SMILE_FORMAT}1; SoulChat's Figure 2 asks for an analysis first", form.preamble),
    Rule("third-speaker", f"{_SMILE_FORMAT}3", form.third_speaker),
    Rule("unlabelled-line", f"{_SMILE_FORMAT}3", form.unlabelled_line),
    Rule("leaked-label", f"{_SMILE_FORMAT}3; SMILECHAT holds such labels", form.leaked_label),
    Rule("same-speaker-twice", "SMILE §4.1, Equation 2: the speakers alternate", form.same_speaker_twice),
    Rule("needs-repair", _HABIT, form.needs_repair),
    Rule("empty-utterance", _HABIT, form.empty_utterance),
    Rule("wrong-opening", f"{_SOULCHAT}1", form.wrong_opening),
    Rule("wrong-closing", f"{_SOULCHAT}1", form.wrong_closing),
    Rule("too-few-turns", f"SMILE, Appendix B.2; {_SOULCHAT}3", form.too_few_turns),
    Rule("too-many-turns", f"{_SOULCHAT}3", form.too_many_turns),
    Rule("english-ending", f"{_SMILE_FORMAT}4", content.english_ending),
    Rule("placeholder", "SMILE, Figures 2, 9, 10; SoulChat §2.1", content.placeholder),
    Rule("template-leak", _HABIT, content.template_leak),
    Rule("foreign-link", "this project: a post may command the model", foreign_link),
    Rule("assistant-voice", _HABIT, content.assistant_voice),
    Rule("answer-copied", _HABIT, content.answer_copied),
    Rule("repetition-loop", _HABIT, content.repetition_loop),
)
"""Every rule, in the order in which they are asked."""

OPTIONAL: tuple[Rule, ...] = (
    Rule("risk-drop", "this project: risk content", safety.risk),
    Rule("risk-quarantine", "this project: risk content", safety.risk),
    Rule("soulchat-strings", "SoulChat (Chen et al. 2023), Ethics Statement", safety.soulchat_strings),
)
"""Rules that are asked, after the others, only where a rule set names them."""

NAMES: frozenset[str] = frozenset(rule.name for rule in RULES)
ALWAYS_ON = frozenset({"empty-reply", "no-known-speaker", "empty-utterance"})
"""Without these a kept row might be no dialogue at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Which rules are on, and how they read. Raises ValueError for a name that is no rule, or one that must stay on.

    Strict makes no repair. A strict rule that is off lets its repairs pass: without `unlabelled-line`, blank lines are read
    over as in lenient. The turn bounds stand in for the format's when given.
    """

    off: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    """Of the optional rules."""
    strict: bool = False
    min_turns: int | None = None
    max_turns: int | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.off - NAMES)
        if unknown:
            raise ValueError(
                f"no such rule: {', '.join(unknown)}; the rules are {', '.join(rule.name for rule in RULES)}"
            )
        if strangers := sorted(self.on - {rule.name for rule in OPTIONAL}):
            raise ValueError(f"no such optional rule: {', '.join(strangers)}")
        needed = sorted(self.off & ALWAYS_ON)
        if needed:
            raise ValueError(f"{', '.join(needed)} cannot be switched off: what it rejects is no dialogue")

    def fingerprint(self) -> str:
        """Equal for two sets that decide alike; changes with `RULES_VERSION`."""
        content = [RULES_VERSION, sorted(self.off), sorted(self.on), self.strict, self.min_turns, self.max_turns]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


DEFAULT = RuleSet()
_NOTHING = Context()


def judge(
    text: str | None,
    fmt: DialogueFormat,
    *,
    finish_reason: str | None = "stop",
    context: Context = _NOTHING,
    rules: RuleSet = DEFAULT,
) -> Verdict:
    """Kept with its dialogue, or rejected with the first rule that objects; a pure function of its arguments.

    Never raises for any text. A rejected reply's verdict carries the dialogue too where one could be read, to be shown;
    `repairs` are those the reading made, of a strict rejection those it would have taken.
    """
    text = text or ""
    case = _case(text, fmt, finish_reason, context, rules)
    reading = case.reading
    rejection = None
    for name, check in _active(rules):
        finding = check(case)
        if finding is not None:
            rejection = Rejection(name, *finding)
            break
    repairs = tuple(Repair(name, count) for name, count, _ in reading.marks) if reading.marks else ()
    return Verdict(Dialogue(reading.utterances) if reading.utterances else None, rejection, repairs)


def rejections(
    text: str | None,
    fmt: DialogueFormat,
    *,
    finish_reason: str | None = "stop",
    context: Context = _NOTHING,
    rules: RuleSet = DEFAULT,
) -> Iterator[Rejection]:
    """Every rule's objection, in order: what a corpus's audit counts. The first is `judge`'s."""
    text = text or ""
    case = _case(text, fmt, finish_reason, context, rules)
    for name, check in _active(rules):
        finding = check(case)
        if finding is not None:
            yield Rejection(name, *finding)


def _case(text: str, fmt: DialogueFormat, finish_reason: str | None, context: Context, rules: RuleSet) -> Case:
    return Case(
        text,
        read_reply(text, fmt),
        fmt,
        finish_reason,
        context,
        rules.strict,
        fmt.min_turns if rules.min_turns is None else rules.min_turns,
        fmt.max_turns if rules.max_turns is None else rules.max_turns,
        repeated(context.template_text, text),
    )


@lru_cache(maxsize=64)
def _active(rules: RuleSet) -> tuple[tuple[str, Check], ...]:
    active = (rule for rule in RULES if rule.name not in rules.off)
    asked = (rule for rule in OPTIONAL if rule.name in rules.on)
    return tuple((rule.name, rule.check) for rule in (*active, *asked))
