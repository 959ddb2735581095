"""From corpora to a report: prepare each once, measure part by part, correct over all comparisons, answer in words."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from analysis.corrections import corrected
from analysis.lexical.tokenizers import CHARACTERS, language_of, tokenizer_for
from analysis.lexical.tokenizing import tokens_of
from analysis.report.answers import answers
from analysis.report.examples import examples
from analysis.report.inputs import CorpusInput, corpus_remarks, fingerprints, shared_dialogues
from analysis.report.model import Corpus, Report
from analysis.report.parts.annotated import Names, annotated
from analysis.report.parts.human import human
from analysis.report.parts.judgement import Compared, Scored, judgement
from analysis.report.parts.lexical import lexical
from analysis.report.parts.means import Resampling
from analysis.report.parts.semantic import semantic, transformed
from analysis.report.parts.size import size
from analysis.report.parts.topics import topics
from analysis.report.parts.vectors import vectors_of
from analysis.report.parts.words import words
from analysis.report.sections import Prepared, joined, pairs_of
from analysis.semantic.embedder import Embedder

_PACKAGES = ("dialogue-expander", "jieba", "rjieba", "numpy", "pandas", "scipy", "scikit-learn")
_EXTRAS = ("sentence-transformers", "torch", "transformers", "tokenizers", "mauve-text", "faiss-cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What is not in the corpora."""

    title: str = "How diverse, how human"
    baseline: str | None = None
    """Name of the corpus that the others are held against beside the human ones; the first when None."""
    tokenizer: str | None = None
    """Besides words and characters, a folder with a Hugging Face tokenizer."""
    codebook: Mapping[str, str] = field(default_factory=dict)
    """The topics that count as limited: each spelling of a name, with the name it stands for."""
    posts: Sequence[str] = ()
    """Texts of posts beside those that runs bring."""
    labels: Mapping[str, Names] = field(default_factory=dict)
    """The labels of utterances by task (strategy, emotion): each spelling, case folded, with the name it stands for."""
    judgements: Sequence[Scored | Compared] = ()
    """What judges said of the corpora, by their names."""
    examples: int = 30
    seed: int = 0


def _silent(_: str) -> None:
    """Tells nobody."""


def compose(
    inputs: Sequence[CorpusInput],
    settings: ReportSettings,
    *,
    embedder: Embedder | None = None,
    tell: Callable[[str], None] = _silent,
) -> Report:
    """Measure everything. Human corpora come last whatever the order; corpora without a dialogue have remarks alone.

    `tell` gets a few words before each long step. Raises ValueError where two corpora share a name or the baseline is
    none of them, and what the embedder raises.
    """
    ordered = sorted(inputs, key=lambda corpus: corpus.human)
    names = [corpus.name for corpus in ordered]
    if len(set(names)) < len(names):
        raise ValueError(f"Two corpora are named alike: {', '.join(names)}.")
    if settings.baseline is not None and settings.baseline not in names:
        raise ValueError(f"The baseline {settings.baseline!r} is no corpus; there are {', '.join(names)}.")
    corpora = [_prepared(corpus, settings, tell) for corpus in ordered]
    filled = [corpus for corpus in corpora if corpus.input.entries]
    pairs = pairs_of(filled, settings.baseline)
    resampling = Resampling(seed=settings.seed)
    tell("corpus statistics")
    sections = [size(filled, pairs, resampling)]
    tell("lexical diversity")
    lexically, matched = lexical(filled, pairs, resampling)
    vectors = vectors_of(filled, settings.posts, embedder, seed=settings.seed, tell=tell)
    tell("pairwise cosines")
    sections += [lexically, semantic(filled, pairs, vectors, resampling), transformed(filled, vectors, resampling)]
    tell("topics")
    sections.append(topics(filled, pairs, settings.codebook, resampling))
    tell("what counselors do")
    sections.append(human(filled, pairs, resampling))
    sections.append(annotated(filled, settings.labels, resampling))
    if settings.judgements:
        tell("what judges said")
    sections.append(judgement(filled, pairs, settings.judgements, resampling))
    tell("words")
    sections.append(words(filled, pairs))
    whole = joined(sections)
    tell("examples")
    shown = examples(filled, vectors.corpora, count=settings.examples, seed=settings.seed)
    prints = {corpus.name: fingerprints(corpus.input) for corpus in corpora}
    described = [_described(corpus, len(prints[corpus.name])) for corpus in corpora]
    comparisons = corrected(whole.comparisons)
    return Report(
        title=settings.title,
        answers=answers(described, whole.metrics, whole.figures, comparisons),
        corpora=tuple(described),
        metrics=tuple(whole.metrics),
        figures=tuple(whole.figures),
        comparisons=tuple(comparisons),
        distributions=tuple(whole.distributions),
        rankings=tuple(whole.rankings),
        examples=shown,
        remarks=(*shared_dialogues(prints), *_languages(filled), *whole.remarks),
        settings={
            "seed": settings.seed,
            "baseline": settings.baseline,
            "embeddings": vectors.embedder,
            "resamples": resampling.resamples,
            "permutations": resampling.permutations,
            "correction": f"Holm over {sum(found.p is not None for found in comparisons)} comparisons",
            **{f"matched tokens, {each.tokenizer}": f"{each.tokens:,}, all that {each.corpus} has" for each in matched},
        },
        versions=_versions(),
    )


def _prepared(corpus: CorpusInput, settings: ReportSettings, tell: Callable[[str], None]) -> Prepared:
    dialogues = corpus.dialogues
    language = language_of(dialogues)
    tokenizer = tokenizer_for(language)
    tell(f"cutting {len(dialogues):,} dialogues of {corpus.name} into words")
    wanted = [tokenizer, CHARACTERS, *([settings.tokenizer] if settings.tokenizer else [])]
    return Prepared(
        input=corpus,
        dialogues=dialogues,
        language=language,
        tokenizer=tokenizer,
        tokens={name: corpus.cut[name] if name in corpus.cut else tokens_of(dialogues, name) for name in wanted},
    )


def _described(corpus: Prepared, distinct: int) -> Corpus:
    given = corpus.input
    return Corpus(
        name=given.name,
        file=given.file,
        kind=given.kind,
        human=given.human,
        language=corpus.language,
        dialogues=len(given.entries),
        broken=given.broken,
        remarks=corpus_remarks(given, corpus.language, distinct),
    )


def _languages(corpora: Sequence[Prepared]) -> list[str]:
    if len({corpus.tokenizer for corpus in corpora}) < 2:  # noqa: PLR2004 - one language
        return []
    return ["Chinese and English corpora are never held against each other: their words are cut differently."]


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    for package in _EXTRAS:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
