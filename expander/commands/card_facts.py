"""What a corpus says of its own making, for its card: a run by its store and provenance, another by its name alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from analysis.corpora import BrokenEntry
from expander.commands.options import ExportOptions
from expander.commands.reading import entries, kind_of
from expander.errors import UsageError
from expander.export import ArmFacts, CardFacts, FunnelFacts, Origin
from expander.results import DIALOGUES, funnel
from expander.service import OFFLINE_MODEL
from expander.store import FILE, read_only
from expander.stored_run import StoredRun, stored_run
from expander.version import program_version
from filters.dialogue import CorpusEntry

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LOOKED_AT = 20  # dialogues, for the language


@dataclass(slots=True)
class _Made:
    """What the provenance of a run's dialogues tells."""

    dialogues: int = 0
    risk: Counter[str] = field(default_factory=Counter)
    """Dialogues by their kinds of risk content, joined where there are several; `none` among them."""
    redacted: Counter[str] = field(default_factory=Counter)
    """Places in posts by kind."""
    by_the_baseline: int = 0
    arms: dict[bytes, ArmFacts] = field(default_factory=dict)
    repairs: Counter[str] = field(default_factory=Counter)

    def add(self, provenance: Mapping[str, Any]) -> None:
        self.dialogues += 1
        self.by_the_baseline += OFFLINE_MODEL in {
            provenance.get(key) for key in ("endpoint", "model", "model_reported")
        }
        self.repairs.update(_mapping(provenance.get("repairs")))
        self.redacted.update(_mapping(provenance.get("redacted")))
        if isinstance(risk := provenance.get("risk"), dict):
            self.risk[", ".join(map(str, risk.get("kinds", ()))) or "none"] += 1
        sampling = _mapping(provenance.get("sampling"))
        arm = ArmFacts(
            template=str(provenance.get("template")),
            template_hash=str(provenance.get("template_sha256")),
            model=str(provenance.get("model")),
            sampling={name: value for name, value in sampling.items() if value not in (None, [])},
        )
        key = orjson.dumps([arm.template, arm.template_hash, arm.model, arm.sampling], option=orjson.OPT_SORT_KEYS)
        self.arms.setdefault(key, arm)

    @property
    def origin(self) -> Origin:
        return Origin.BASELINE if self.dialogues == self.by_the_baseline else Origin.SYNTHETIC

    @property
    def limits(self) -> tuple[str, ...]:
        if self.origin is Origin.BASELINE or not self.by_the_baseline:
            return ()
        return (
            f"{self.by_the_baseline:,} of the dialogues are a rule-based baseline's, which asks no language model.",
        )


def facts_of(corpus: Path, options: ExportOptions) -> CardFacts:
    """The facts that the corpus and the options give.

    Raises UsageError: a corpus that cannot be read; a run whose results are not those of its store; an `origin` that a run
    has and was given besides.
    """
    made = _made(corpus, options.kind)
    if made is not None and options.origin is not None:
        raise UsageError("--origin: a run says itself who made its dialogues. Leave the option out.")
    run = stored_run(corpus) if _is_run(corpus) else None
    return CardFacts(
        name=options.name or corpus.resolve().name.split(".")[0],
        licence=options.licence,
        languages=options.language or (_language(corpus, options.kind),),
        source=_source(corpus),
        origin=made.origin if made else Origin(options.origin or Origin.UNKNOWN),
        program=f"dialogue-expander {program_version()}",
        arms=tuple(made.arms.values()) if made else (),
        funnel=_funnel(corpus, made.dialogues if made else 0),
        repairs=made.repairs if made else {},
        risk=made.risk if made and made.risk.total() == made.dialogues else None,
        risk_policy=_risk_policy(run) if run else None,
        pii=_pii(run, made) if run and made else None,
        limits=made.limits if made else (),
    )


def _made(corpus: Path, kind: str | None) -> _Made | None:
    """None for a corpus that is no run's, and holds no run's dialogues."""
    if (kind or kind_of(corpus)) != "run":
        return None
    made = _Made()
    for entry in entries(corpus, "run"):
        if isinstance(entry, CorpusEntry):
            provenance = entry.extra.get("provenance")
            made.add(provenance if isinstance(provenance, dict) else {})
    return made


def _is_run(corpus: Path) -> bool:
    return (corpus / FILE).is_file()


def _funnel(corpus: Path, dialogues: int) -> FunnelFacts | None:
    if not _is_run(corpus):
        return None
    connection = read_only(corpus)
    try:
        counts = funnel(connection)
    finally:
        connection.close()
    if counts.kept != dialogues:
        raise UsageError(
            f"{corpus}: its store has {counts.kept:,} dialogues and its {DIALOGUES} {dialogues:,}: the run goes on, or ended before "
            "it wrote them. Let it finish, or give its `expand` command again."
        )
    return FunnelFacts(kept=counts.kept, rejected=counts.rejected, failed=counts.failed, missing=counts.missing)


def _risk_policy(run: StoredRun) -> str:
    taken = ", ".join(sorted(run.rules.on))
    return (
        f"Dialogues were flagged, and left out by the rules {taken}." if taken else "Dialogues were flagged and kept."
    )


def _pii(run: StoredRun, made: _Made) -> str:
    if not run.settings.get("redaction"):
        return "Posts were sent as they stood: nothing was looked for."
    found = ", ".join(f"{count:,} x {kind}" for kind, count in sorted(made.redacted.items())) or "none was found"
    return f"Looked for in posts by validators, and taken out before they were sent: {found}."


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _source(corpus: Path) -> str:
    if not _is_run(corpus):
        return corpus.resolve().name
    connection = read_only(corpus)
    try:
        found = connection.execute("SELECT DISTINCT json_extract(post, '$.place[0]') FROM row").fetchall()
    finally:
        connection.close()
    return "posts of " + ", ".join(sorted(Path(name).name for (name,) in found))


def _language(corpus: Path, kind: str | None) -> str:
    """As the audit's rules tell it: Chinese where there is a Chinese character, else English."""
    first = (entry for entry in islice(entries(corpus, kind), _LOOKED_AT) if not isinstance(entry, BrokenEntry))
    chinese = any(_HAN.search(said) for entry in first for _, said in entry.dialogue.utterances)
    return "zh" if chinese else "en"
