"""The dataset card: README.md with a YAML header, as Hugging Face reads it. All that comes from data is neutralised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from expander.export.facts import CardFacts, Origin
from expander.export.formats import format_named
from expander.export.licences import header as licence_header
from expander.export.markdown import one_line, plain, table
from expander.export.report import LEFT_OUT_BECAUSE, ExportReport
from expander.export.split import Split

_NOT_MEASURED = "Not measured."
_NOT_STATED = "Not stated."

_WHAT_IT_IS: Mapping[Origin, str] = {
    Origin.SYNTHETIC: "Synthetic multi-turn counselling dialogues: a language model rewrote single-turn posts. Nobody held these conversations.",
    Origin.BASELINE: "A rule-based baseline: a program without a language model cut answers into counselor utterances and linked them with "
    "pieces of the question. It is meant for trying things out and for comparison.",
    Origin.HUMAN: "Counselling dialogues held by people.",
    Origin.UNKNOWN: "Counselling dialogues. Who or what wrote them is not stated.",
}

_LIMITS: Mapping[Origin, tuple[str, ...]] = {
    Origin.SYNTHETIC: (
        "Synthetic dialogue differs from what people say in counselling. Measure how far before you rely on it.",
        "A model may have added facts, diagnoses or advice that neither the post nor its answer holds.",
    ),
    Origin.BASELINE: (
        "Counselor utterances are pieces of written answers and client utterances pieces of written questions: do not train a counselor on them.",
    ),
    Origin.HUMAN: ("People may be recognisable from what they tell. Do not try to identify anyone.",),
    Origin.UNKNOWN: (
        "Its origin is not stated, so neither its quality nor anybody's consent can be judged from this card.",
    ),
}

_SMILE = (
    "Qiu et al. (2024), *SMILE: Single-turn to Multi-turn Inclusive Language Expansion via ChatGPT for Mental Health Support* "
    "(prompts, rules, training sessions)."
)
_SOULCHAT = (
    "Chen et al. (2023), *SoulChat: Improving LLMs' Empathy, Listening, and Comfort Abilities through Fine-tuning with Multi-turn "
    "Empathy Conversations* (the empathy prompts, the `soulchat` form)."
)
_PSYQA = (
    "Sun et al. (2021), *PsyQA: A Chinese Dataset for Generating Long Counseling Text for Mental Health Support*: where the posts "
    "are PsyQA's. The full set is given out under a signed agreement; read what it says on passing derived data on."
)


def card(facts: CardFacts, report: ExportReport) -> str:
    """The card's text. A pure function: the same facts and report give the same card."""
    parts = (
        f"# {plain(facts.name)}",
        _WHAT_IT_IS[facts.origin],
        *("## Files", *_files(report)),
        *("## How it was made", *_making(facts)),
        *("## Kept and rejected", *_funnel(facts)),
        *("## What the export changed", *_changes(report)),
        *("## Safety and privacy", *_safety(facts)),
        *("## Intended use", _USE),
        *("## Limits", _list((*_LIMITS[facts.origin], *_LIMITS_OF_ALL, *map(plain, facts.limits)))),
        *("## Licence", _licence(facts)),
        *("## Please cite, as far as it applies", _list((_SMILE, _SOULCHAT, _PSYQA))),
    )
    return f"---\n{_header(facts, report)}---\n\n" + "\n\n".join(parts) + "\n"


_USE = (
    "Research on dialogue models for mental health support: training, comparing templates and measuring. "
    "It is not therapy and not made for it. A model trained on it must not stand in for a professional, "
    "and whoever lets people talk to one owes them a way to human help in a crisis."
)

_LIMITS_OF_ALL = (
    "No clinician has vouched for these dialogues unless this card says so.",
    "Rules and word lists look for known patterns; what they do not name, they do not find.",
)


def _header(facts: CardFacts, report: ExportReport) -> str:
    link = {"license_link": one_line(facts.licence_link)} if facts.licence_link else {}
    values = {
        "pretty_name": one_line(facts.name),
        "language": [one_line(language) for language in facts.languages],
        **licence_header(one_line(facts.licence)),
        **link,
        "task_categories": ["text-generation"],
        "tags": ["counseling", "mental-health", "dialogue", str(facts.origin)],
        "size_categories": [_size_category(report.rows)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": str(split), "path": data_file(report.to, split)} for split in _written(report)
                ],
            }
        ],
    }
    return yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=1 << 20)


def data_file(to: str, split: Split) -> str:
    """The name of a part's file in a format."""
    return f"{split}.{format_named(to).suffix}"


def _written(report: ExportReport) -> list[Split]:
    return [split for split in Split if report.sizes[split].rows]


def _size_category(rows: int) -> str:
    bounds = (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
        (10_000_000, "1M<n<10M"),
    )
    return next((name for bound, name in bounds if rows < bound), "10M<n<100M")


def _files(report: ExportReport) -> Iterable[str]:
    yield f"Format: `{report.to}`. {format_named(report.to).loading}"
    sizes = [(split, *report.sizes[split]) for split in Split]
    yield table(("Split", "Dialogues", "Rows"), [*sizes, ("all", report.dialogues, report.rows)])
    shares = report.shares
    split = (
        f"Split by question, never by row, with seed {report.seed} and shares {shares.train:g} / {shares.validation:g} / {shares.test:g}: "
        "all dialogues made from one question stand on one side."
    )
    if report.without_question:
        split += (
            f" For {report.without_question:,} of the dialogues the corpus names no question. They were split by their own id, "
            "so two of them that stem from one question may stand on different sides."
        )
    yield split
    if report.system_source is not None:
        yield f"Every row begins with a system prompt: {plain(report.system_source)}."


def _making(facts: CardFacts) -> Iterable[str]:
    yield _list((f"Source: {plain(facts.source)}", f"Program: {plain(facts.program)}"))
    if not facts.arms:
        yield f"Models, templates and sampling: {_NOT_STATED.lower()}"
        return
    rows = [(arm.template, arm.template_hash, arm.model, _named(arm.sampling)) for arm in facts.arms]
    yield table(("Template", "Hash of its text", "Model", "Sampling"), rows)


def _named(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "the endpoint's own"


def _funnel(facts: CardFacts) -> Iterable[str]:
    funnel = facts.funnel
    if funnel is None:
        yield f"{_NOT_STATED} The corpus did not come from a run of this program, or its counts were not given."
    else:
        groups = (("rejected by rule", funnel.rejected), ("no reply", funnel.failed), ("not a row", funnel.missing))
        reasons = [(group, reason, count) for group, counts in groups for reason, count in sorted(counts.items())]
        yield table(("Outcome", "Reason", "Rows"), [("kept", "", funnel.kept), *reasons])
    if facts.repairs:
        yield "Repairs: readings of a reply's form that change none of its words."
        yield table(("Repair", "Times"), sorted(facts.repairs.items()))


def _changes(report: ExportReport) -> Iterable[str]:
    if format_named(report.to).for_trainers:
        yield (
            "Speakers alternate, the client begins and the counselor ends, so that LLaMA-Factory and TRL take every row. "
            f"{report.changed:,} of {report.dialogues:,} dialogues were changed for it; `changes.jsonl` has the counts for each."
        )
        yield table(
            ("Change", "Utterances"),
            (
                ("merged with the same speaker's utterance before", report.merged),
                ("trimmed at the start (counselor before the client's first)", report.trimmed_start),
                ("trimmed at the end (client after the counselor's last)", report.trimmed_end),
                ("empty, left out", report.empty),
            ),
        )
    else:
        yield "Utterances stand as in the corpus."
    if report.left_out:
        yield "Dialogues left out:"
        yield table(
            ("Because", "Dialogues"), [(LEFT_OUT_BECAUSE[why], count) for why, count in report.left_out.items()]
        )
    else:
        yield "No dialogue was left out."


def _safety(facts: CardFacts) -> Iterable[str]:
    if facts.risk is None:
        yield f"Risk content: {_NOT_MEASURED.lower()}"
    else:
        whole = sum(facts.risk.values())
        flagged = whole - facts.risk.get("none", 0)
        share = f"{flagged / whole:.2%}" if whole else "none"
        yield f"Risk content: {flagged:,} of {whole:,} dialogues ({share}) were flagged, by word lists that are made to miss little and are not clinical."
        yield table(("Kind", "Dialogues"), sorted(facts.risk.items()))
    policy = plain(facts.risk_policy) if facts.risk_policy else _NOT_STATED
    pii = plain(facts.pii) if facts.pii else _NOT_STATED
    duplicates = plain(facts.deduplication) if facts.deduplication else _NOT_STATED
    yield _list((f"What became of it: {policy}", f"Personal information: {pii}", f"Duplicates: {duplicates}"))


def _licence(facts: CardFacts) -> str:
    link = f" ({plain(facts.licence_link)})" if facts.licence_link else ""
    return f"{plain(facts.licence)}{link}, as given by whoever exported it. What it was made from may carry terms of its own."


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
