"""`ablate --plan`: what would be sent, what it would cost, what it could show."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from analysis.ablation.diffs import prompt_diff
from analysis.power import detectable
from expander.ablation.arms import Arm, shared_work
from expander.ablation.estimate import Estimate, estimate
from expander.ablation.identity import settings_of
from expander.ablation.interleaving import ahead_of
from expander.commands.ablation_options import AblationPage
from expander.consoles import printable
from expander.display import cost
from expander.exits import Exit

COMPARISONS = 80
"""Tests that one arm's comparison with one reference adds to a page: 79 with each of two synthetic corpora against Psy-Insight
and with one against the other, plus kept rates and costs. The correction runs over all of them."""
_FIRST_LINE = 160  # characters of a prompt's first line
_SIGNS = {"same": "  ", "removed": "- ", "added": "+ ", "left out": "  ... "}


def print_plan(arms: list[Arm], baseline: str, folder: Path, page: AblationPage, console: Console) -> Exit:
    """Print it. Sends nothing and writes nothing; the posts are read."""

    def say(text: str) -> None:
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    found = [estimate(arm) for arm in arms]
    console.rule("arms")
    for arm, each in zip(arms, found, strict=True):
        say(f"{arm.name}{' (baseline)' if arm.name == baseline else ''}")
        say(f"  {', '.join(f'{name} {value}' for name, value in settings_of(arm).items())}")
        say(f"  {_first_line(prompt_text(arm))}")
        say(f"  {_words(arm, each)}")
    console.rule("what differs in the prompts")
    base = next(arm for arm in arms if arm.name == baseline)
    for arm in arms:
        if arm is base:
            continue
        lines = prompt_diff(prompt_text(base), prompt_text(arm))
        say(f"{arm.name} against {baseline}:" + ("" if lines else " the same prompt."))
        for line in lines:
            say(f"  {_SIGNS[line.change]}{line.text}")
    console.rule("in all")
    say(_whole(arms, found))
    shares = [work.in_flight for work in shared_work(arms[0].job.work, len(arms))]
    say(
        f"Side by side: {max(shares)} requests of an arm in flight, none more than {ahead_of(shares)} rows ahead of another."
    )
    references = len(arms) * len(page.human) + len(arms) - 1
    say(detectable(min(each.posts for each in found), comparisons=COMPARISONS * references).sentence)
    say("An estimate: how many comparisons a page has depends on what the corpora hold.")
    say(f"Folder: {folder}. Nothing was sent.")
    return Exit.COMPLETE


def prompt_text(arm: Arm) -> str:
    """What the template sends, its variables still in it; a system message first."""
    template = arm.job.loaded_template()
    return f"{template.system}\n\n{template.prompt}" if template.system else template.prompt


def _first_line(prompt: str) -> str:
    line = next((line for line in prompt.splitlines() if line.strip()), "")
    return line if len(line) <= _FIRST_LINE else f"{line[:_FIRST_LINE]}..."


def _words(arm: Arm, each: Estimate) -> str:
    tokens = each.prompt_tokens, each.completion_tokens
    unreadable = f", {each.unreadable:,} input rows unreadable" if each.unreadable else ""
    return (
        f"{each.rows:,} rows of {each.posts:,} posts{unreadable}; about {tokens[0]:,} tokens in prompts and {tokens[1]:,} in "
        f"replies: {cost(arm.job.work, tokens)}"
    )


def _whole(arms: list[Arm], found: list[Estimate]) -> str:
    rows, tokens = sum(each.rows for each in found), sum(each.prompt_tokens + each.completion_tokens for each in found)
    costs = [
        arm.job.work.cost(each.prompt_tokens, each.completion_tokens) for arm, each in zip(arms, found, strict=True)
    ]
    known = [each for each in costs if each is not None]
    money = f"{sum(known):.4f} {arms[0].job.work.currency}" if len(known) == len(costs) else "price unknown"
    anew = arms[0].job.work.max_regenerations
    most = f" Replies that fail the rules are asked for anew, at most {anew} times each: not in it." if anew else ""
    return f"{rows:,} requests, about {tokens:,} tokens: {money}.{most}"
