"""`audit`: the rules on a corpus, as a table and as a file for machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from analysis.audit import Audit
from analysis.audit import audit as asked
from analysis.audit_table import audit_table
from analysis.dialogue_rules import Demands
from expander.commands.options import AuditOptions, Speaker
from expander.commands.reading import Reader
from expander.commands.writing import keep_inputs, write_json
from expander.consoles import printable
from expander.errors import UsageError
from filters.dialogue import Role
from prompts import load


def audit_corpus(corpus: Path, options: AuditOptions, console: Console, status: Console) -> int:
    """Print the audit, write it where asked, and give the exit code."""
    keep_inputs([options.json], [corpus])
    reader = Reader(status)
    found = asked(reader.entries(corpus, options.kind), demands=_demands(options))
    console.print(audit_table(_shown(found)))
    if options.json is not None:
        write_json(options.json, found.to_json())
    return reader.exit_code


def _demands(options: AuditOptions) -> Demands:
    try:
        return Demands(
            min_turns=options.min_turns,
            max_turns=options.max_turns,
            opens_with=_role(options.opens_with),
            closes_with=_role(options.closes_with),
            template_texts=tuple(load(name).prompt for name in options.template),
        )
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def _role(speaker: Speaker) -> Role | None:
    return None if speaker == "any" else Role(speaker)


def _shown(found: Audit) -> Audit:
    """The same with ids and places that cannot steer a terminal: they come from the corpus."""
    return replace(
        found,
        rules=tuple(replace(rule, examples=tuple(map(printable, rule.examples))) for rule in found.rules),
        first_broken=tuple(type(entry)(*map(printable, entry)) for entry in found.first_broken),
    )
