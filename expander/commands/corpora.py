"""`audit`, `dedup`, `export`, `report`, `agree`: what can be done with any corpus. Each is a signature and one call."""

from __future__ import annotations

from pathlib import Path

from expander.commands.options import (
    AgreeOptions,
    AuditOptions,
    DedupOptions,
    EmbeddingOptions,
    ExportOptions,
    ReportOptions,
)
from expander.consoles import console


def audit(corpus: Path, /, *, options: AuditOptions = AuditOptions()) -> int:  # noqa: B008 - frozen
    """Ask every rule that fits a finished dialogue about each dialogue of a corpus, whoever made it.

    Exit codes: 0 done, 2 wrong usage or an unusable corpus, 3 done, with broken entries, which are named.

    Parameters
    ----------
    corpus: Path
        SMILECHAT (folder or JSON Lines), Psy-Insight, OpenAI messages, ShareGPT, PsyQA posts, labelled text (one file a dialogue), a run;
        also .gz, .zst, .xz.
    """
    from expander.commands.auditing import audit_corpus

    return audit_corpus(corpus, options, console(), console(stderr=True))


def dedup(*corpora: Path, options: DedupOptions = DedupOptions()) -> int:  # noqa: B008
    """Find dialogues that say what another one says: within corpora, across them, and in a reference.

    Prints counts and ids; without -o and --json, nothing else comes of it. Exit codes as of `audit`.

    Example: `run.py dedup outputs/run-a outputs/run-b --against smilechat.jsonl -o kept.jsonl`

    Parameters
    ----------
    corpora: Path
        Corpora of any kind that `audit` reads.
    """
    from expander.commands.deduplicating import dedup_corpora

    return dedup_corpora(corpora, options, console(), console(stderr=True))


def export(corpus: Path, /, *, options: ExportOptions) -> int:
    """Hand a run or any corpus to those who train on it: rows that no trainer skips, split by question, with a card.

    Exit codes as of `audit`.

    Example: `run.py export outputs/posts-smile-gpt-4o-mini --to sft-sessions --out corpus --license cc-by-nc-4.0`

    Parameters
    ----------
    corpus: Path
        A run's folder, or a corpus of any kind that `audit` reads.
    """
    from expander.commands.exporting import export_corpus

    return export_corpus(corpus, options, console(), console(stderr=True))


def report(
    *corpora: Path,
    options: ReportOptions = ReportOptions(),  # noqa: B008
    embedding: EmbeddingOptions = EmbeddingOptions(),  # noqa: B008
) -> int:
    """Say how diverse corpora are and how human: one page that opens offline, report.json and tables beside it.

    Exit codes as of `audit`.

    Example: `run.py report outputs/run-a outputs/run-b --human psy_insight_cn.json -o report.html`

    Parameters
    ----------
    corpora: Path
        Corpora of any kind that `audit` reads; the first is the baseline unless another is named.
    """
    from expander.commands.reporting import report_on

    return report_on(corpora, options, embedding, console(), console(stderr=True))


def agree(*folders: Path, options: AgreeOptions = AgreeOptions()) -> int:  # noqa: B008
    """Say how far annotators agree beyond chance (Krippendorff's alpha), or one agrees with a corpus's own labels.

    Exit codes: 0 done, 2 wrong usage, or folders that cannot be held against each other.

    Example: `run.py agree outputs/RUN-topics-gpt-4o outputs/RUN-topics-qwen --distance masi`

    Parameters
    ----------
    folders: Path
        Folders that `annotate` made, with one task, of the same dialogues: two annotators or more, or two runs of one.
    """
    from expander.commands.agreeing import agree_on

    return agree_on(folders, options, console())
