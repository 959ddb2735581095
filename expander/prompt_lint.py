"""`prompt lint`: what is wrong or doubtful in a template file, as lines for a person."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

import prompts
from expander.cleaning import QA_LIMIT
from expander.consoles import printable
from expander.errors import UsageError
from expander.exits import Exit
from expander.tokens import TYPICAL_REPLY, estimate_tokens
from prompts import TemplateError, Values, parse, published
from prompts.findings import Finding, Severity
from prompts.linting import lint
from prompts.small_file import read_small

CONTEXT = 4096
"""Tokens that prompt and reply share at the smallest model in use here: gpt-3.5-turbo's in SMILE §3.1."""
_ENDINGS = frozenset({".yaml", ".yml"})


def lint_file(template: str, *, strict: bool, console: Console) -> Exit:
    """Print the findings in a published template or a file, and how many; `strict` counts warnings as errors.

    Raises UsageError for a file that cannot be opened.
    """
    path = prompts.HERE / f"{template}.yaml" if template in published() else Path(template)
    found = findings(path)
    for each in found:
        place = f"{template}:{each.line}" if each.line is not None else template
        console.print(
            printable(f"{place}: {each.severity}: {each.name}: {each.message}. {each.advice}"),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    errors = sum(each.severity is Severity.ERROR for each in found)
    warnings = len(found) - errors
    console.print(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}.", highlight=False)
    return Exit.USAGE if errors or (strict and warnings) else Exit.COMPLETE


def findings(path: Path) -> list[Finding]:
    """Of a file: what `prompts.linting` finds in its text, its name, and its length beside a post and a reply."""
    found: list[Finding] = []
    if path.suffix not in _ENDINGS:
        message = "its name does not end in .yaml, so `--template` would look for a published template"
        found.append(Finding("file-name", Severity.ERROR, None, message, "Rename it."))
    try:
        text = read_small(path)
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is no UTF-8"
        return [*found, Finding("unreadable", Severity.ERROR, None, message, "Save the file as UTF-8.")]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path}: cannot be read as a template: {error}.") from error
    return [*found, *lint(text, name=path.stem), *_length(text, path.stem)]


def _length(text: str, name: str) -> list[Finding]:
    """Whether the template leaves room for the longest post that cleaning lets through, and for a typical reply."""
    try:
        template = parse(text, name=name)
    except (TemplateError, ValueError, RecursionError):
        return []
    own = estimate_tokens(template.render(Values())) + estimate_tokens(template.system or "")
    post = QA_LIMIT if template.needs == "qa" else 0
    if own + post + TYPICAL_REPLY <= CONTEXT:
        return []
    message = (
        f"about {own:,} tokens of its own, {post:,} of the longest post and {TYPICAL_REPLY:,} of a typical reply are more "
        f"than {CONTEXT:,}"
    )
    return [Finding("long-prompt", Severity.WARNING, None, message, "Take a model with more context, or say less.")]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
