"""The audit of a corpus: how many of its dialogues each rule objects to, and how many none does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.corpora import BrokenEntry
from analysis.dialogue_rules import DIALOGUE_RULES, Demands, objections
from analysis.folding import DIGEST_BYTES, digest, folded_text
from filters.dialogue import CorpusEntry, Dialogue, Role

SCHEMA = 1
"""Of `Audit.to_json`; goes up when a key changes its meaning or goes away."""

_FEW_UTTERANCES = 2
_DEMANDS = Demands()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """One rule over a corpus. `share` is of all dialogues that could be read; `examples` are the first ids it met."""

    rule: str
    source: str
    dialogues: int
    share: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the rules found. A dialogue counts once under each rule that objects to it."""

    demands: Demands
    dialogues: int
    objected: int
    """Dialogues that at least one rule objects to."""
    rules: tuple[RuleCount, ...]
    """Every rule that was asked, in the job's order, those without a finding too."""
    client_utterances: int
    counselor_utterances: int
    end_with_client: int
    at_most_two_utterances: int
    skipped_by_trainers: int
    """Dialogues that do not go client, counselor, client, counselor ... to the end: LLaMA-Factory and TRL skip such rows."""
    exact_duplicates: int
    """Dialogues with the words of an earlier one: `folding.folded_text`."""
    broken: int
    """Rows that hold no readable dialogue; they are in no other figure."""
    first_broken: tuple[BrokenEntry, ...]

    def to_json(self) -> dict[str, object]:
        """Plain values for a JSON file, with `schema`; keys are these fields' names."""
        return {
            "schema": SCHEMA,
            "demands": {
                "min_turns": self.demands.min_turns,
                "max_turns": self.demands.max_turns,
                "opens_with": self.demands.opens_with and str(self.demands.opens_with),
                "closes_with": self.demands.closes_with and str(self.demands.closes_with),
                "templates": len(self.demands.template_texts),
            },
            "dialogues": self.dialogues,
            "objected": self.objected,
            "rules": [
                {
                    "rule": found.rule,
                    "source": found.source,
                    "dialogues": found.dialogues,
                    "share": found.share,
                    "examples": list(found.examples),
                }
                for found in self.rules
            ],
            "client_utterances": self.client_utterances,
            "counselor_utterances": self.counselor_utterances,
            "end_with_client": self.end_with_client,
            "at_most_two_utterances": self.at_most_two_utterances,
            "skipped_by_trainers": self.skipped_by_trainers,
            "exact_duplicates": self.exact_duplicates,
            "broken": self.broken,
            "first_broken": [{"place": broken.place, "reason": broken.reason} for broken in self.first_broken],
        }


def audit(entries: Iterable[CorpusEntry | BrokenEntry], *, demands: Demands = _DEMANDS, examples: int = 5) -> Audit:
    """Ask every rule about every dialogue; one pass, and 16 bytes of memory a dialogue for the duplicates (32 at its end).

    Turns are utterances / 2 rounded down, as everywhere in this project; whatever `entries` raises goes through.
    """
    dialogues = objected = end_with_client = few = skipped = broken = 0
    utterances = dict.fromkeys(Role, 0)
    counts = {rule.name: 0 for rule in DIALOGUE_RULES}
    met: dict[str, list[str]] = {rule.name: [] for rule in DIALOGUE_RULES}
    first_broken: list[BrokenEntry] = []
    fingerprints = bytearray()
    for entry in entries:
        if isinstance(entry, BrokenEntry):
            broken += 1
            if len(first_broken) < examples:
                first_broken.append(entry)
            continue
        dialogues += 1
        found = [rejection.rule for rejection in objections(entry, demands)]
        objected += bool(found)
        for rule in found:
            counts[rule] += 1
            if len(met[rule]) < examples:
                met[rule].append(entry.id)
        said = entry.dialogue.utterances
        for role, _ in said:
            utterances[role] += 1
        end_with_client += said[-1].role is Role.CLIENT
        few += len(said) <= _FEW_UTTERANCES
        skipped += not trainers_take(entry.dialogue)
        fingerprints += digest(folded_text(entry.dialogue))
    return Audit(
        demands=demands,
        dialogues=dialogues,
        objected=objected,
        rules=tuple(
            RuleCount(
                rule=rule.name,
                source=rule.source,
                dialogues=counts[rule.name],
                share=counts[rule.name] / dialogues if dialogues else 0.0,
                examples=tuple(met[rule.name]),
            )
            for rule in DIALOGUE_RULES
        ),
        client_utterances=utterances[Role.CLIENT],
        counselor_utterances=utterances[Role.COUNSELOR],
        end_with_client=end_with_client,
        at_most_two_utterances=few,
        skipped_by_trainers=skipped,
        exact_duplicates=dialogues - _distinct(fingerprints),
        broken=broken,
        first_broken=tuple(first_broken),
    )


def _distinct(fingerprints: bytearray) -> int:
    """How many different digests stand there, one after another."""
    found = np.sort(np.frombuffer(fingerprints, dtype=f"S{DIGEST_BYTES}"))
    return min(len(found), 1) + int(np.count_nonzero(found[1:] != found[:-1]))


def trainers_take(dialogue: Dialogue) -> bool:
    """Whether the speakers alternate from a client to a counselor.

    What LLaMA-Factory's ShareGPT converter (odd places one role, even ones the other, an even count) and TRL's chat
    templates ask of a row.
    """
    roles = [role for role, _ in dialogue.utterances]
    alternate = all(one is not other for one, other in pairwise(roles))
    return alternate and roles[:1] == [Role.CLIENT] and roles[-1:] == [Role.COUNSELOR]
