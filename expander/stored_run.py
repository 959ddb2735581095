"""What a stored run says of itself: the template as it was then, the rules it is judged by, its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from expander.errors import UsageError
from expander.judging import Judge
from expander.store import read_only
from filters.rules import RuleSet
from prompts import Template, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run without its rows."""

    template: Template
    rules: RuleSet
    settings: Mapping[str, Any]
    """What must not change within the run: `job.Job.settings`."""
    provenance: Mapping[str, Any]


def stored_run(folder: Path) -> StoredRun:
    """Read it. Raises UsageError where the folder holds no run, or one that ended before it began."""
    connection = read_only(folder)
    try:
        stored = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    finally:
        connection.close()
    if not stored.keys() >= {"template", "rules", "settings", "provenance"}:
        raise UsageError(f"{folder}: this run ended before it wrote its settings. Give its `expand` command again.")
    template = orjson.loads(stored["template"])
    return StoredRun(
        template=parse(template["text"], name=template["name"]),
        rules=_rules_of(stored["rules"]),
        settings=orjson.loads(stored["settings"]),
        provenance=orjson.loads(stored["provenance"]),
    )


def stored_judge(folder: Path) -> Judge:
    """The rules a stored run was judged by, with the template as it was then."""
    run = stored_run(folder)
    return Judge(run.template, run.rules)


def template_text(template: Template) -> str:
    """The template as a run stores it: its whole file, so that replies can be read again after the file has changed."""
    return orjson.dumps({"name": template.name, "text": template.file_text}).decode()


def rules_text(rules: RuleSet) -> str:
    """The rule set as a run stores it."""
    return orjson.dumps({**asdict(rules), "off": sorted(rules.off), "on": sorted(rules.on)}).decode()


def _rules_of(text: str) -> RuleSet:
    stored = orjson.loads(text)
    return RuleSet(**{**stored, "off": frozenset(stored["off"]), "on": frozenset(stored["on"])})
