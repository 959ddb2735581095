"""An audit as a table for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from analysis.audit import Audit


def audit_table(audit: Audit, *, title: str | None = None) -> Table:
    """The rules that objected, most dialogues first, then the totals. Ids come from the corpus: no markup is read."""
    table = Table(title=title, title_justify="left")
    table.add_column("rule", no_wrap=True)
    table.add_column("dialogues", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("for example", overflow="fold")
    for found in sorted(audit.rules, key=lambda found: -found.dialogues):
        if found.dialogues:
            ids = ", ".join(found.examples)
            table.add_row(found.rule, f"{found.dialogues:,}", f"{found.share:.1%}", Text(ids))
    table.add_section()
    totals = (
        ("with any objection", audit.objected),
        ("skipped by trainers", audit.skipped_by_trainers),
        ("at most two utterances", audit.at_most_two_utterances),
        ("end with the client", audit.end_with_client),
        ("words of an earlier one", audit.exact_duplicates),
    )
    for name, count in totals:
        table.add_row(name, f"{count:,}", f"{count / audit.dialogues:.1%}" if audit.dialogues else "", "")
    table.add_section()
    spoken = f"{audit.client_utterances:,} client + {audit.counselor_utterances:,} counselor utterances"
    table.add_row("dialogues", f"{audit.dialogues:,}", "", spoken)
    if audit.broken:
        first = audit.first_broken[0] if audit.first_broken else None
        table.add_row("broken rows", f"{audit.broken:,}", "", Text(f"{first.place}: {first.reason}") if first else "")
    return table
