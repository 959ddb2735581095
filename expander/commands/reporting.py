"""`report`: corpora held against each other and against people, as a page, as JSON and as tables."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from analysis.lexical.tokenizers import TokenizerError
from analysis.report.compose import ReportSettings, compose
from analysis.report.inputs import CorpusInput, corpus_name, unique_names
from analysis.report.parts.annotated import TASKS
from analysis.semantic.embedder import Embedder
from analysis.semantic.local_model import LocalModel, LocalModelError
from expander.commands.annotation_folders import label_names
from expander.commands.judgements import judgements
from expander.commands.options import EmbeddingOptions, ReportOptions
from expander.commands.reading import Reader, kind_of
from expander.commands.report_inputs import codebook_names, corpus_input, posts_of_run
from expander.commands.report_output import print_answers, report_files, write_report
from expander.commands.writing import keep_inputs
from expander.consoles import printable
from expander.errors import UsageError
from expander.results import DIALOGUES
from expander.store import FILE
from expander.stored_run import stored_run


def report_on(
    corpora: tuple[Path, ...],
    options: ReportOptions,
    embedding: EmbeddingOptions,
    console: Console,
    status: Console,
) -> int:
    """Measure, write the page and its files, print the answers, and give the exit code."""
    paths = (*corpora, *options.human)
    if not paths:
        raise UsageError("Name a corpus, or several; --human names sessions of people to hold them against.")
    if options.out.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"{options.out}: the page is HTML. Give a name that ends in .html.")
    keep_inputs(report_files(options.out), paths)
    _make_folder(options.out.parent)
    settings = _settings(options, status)
    reader = Reader(status)
    inputs = _inputs(corpora, options, reader, status)
    settings = replace(settings, judgements=judgements(options.judgements, options.rubric, inputs, paths))
    _check_baseline(options.baseline, inputs)
    with _embedder(embedding) as embedder:
        try:
            found = compose(inputs, settings, embedder=embedder, tell=lambda step: _tell(status, f"{step} ..."))
        except (TokenizerError, LocalModelError) as error:
            raise UsageError(printable(str(error))) from error
    _tell(status, "drawing the page ...")
    write_report(found, options.out)
    print_answers(found, options.out, console)
    return reader.exit_code


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: this folder cannot be made: {error.strerror}.") from error


def _tell(status: Console, text: str) -> None:
    status.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _inputs(corpora: tuple[Path, ...], options: ReportOptions, reader: Reader, status: Console) -> list[CorpusInput]:
    paths = [*corpora, *options.human]
    if len(options.name) > len(paths):
        raise UsageError(f"--name is given {len(options.name)} times for {len(paths)} corpora.")
    given = [*options.name, *(corpus_name(path) for path in paths[len(options.name) :])]
    if len(set(options.name)) < len(options.name):
        raise UsageError("--name gives one name to two corpora. Give each its own.")
    names = [printable(name) for name in unique_names(given)]
    found = []
    # What is read makes no cycles and stays to the end; looking for some among millions of texts doubles the time.
    gc.disable()
    try:
        for place, (path, name) in enumerate(zip(paths, names, strict=True)):
            _tell(status, f"reading {name} ...")
            found.append(_input(path, name, human=place >= len(corpora), reader=reader))
    finally:
        gc.freeze()
        gc.enable()
    return found


def _check_baseline(baseline: str | None, inputs: list[CorpusInput]) -> None:
    """Human corpora are held against everything anyway: a baseline is one of the others."""
    names = [corpus.name for corpus in inputs if not corpus.human]
    if baseline is not None and baseline not in names:
        raise UsageError(
            f"--baseline {printable(baseline)}: no corpus beside the human ones has that name; there are: "
            f"{', '.join(names) or 'none'}."
        )


def _input(path: Path, name: str, *, human: bool, reader: Reader) -> CorpusInput:
    found = corpus_input(path, name, kind_of(path), reader, human=human)
    if not _is_run(path):  # where only dialogues were handed on, they are taken at their word
        return found
    return replace(found, posts=posts_of_run(path), from_posts=stored_run(path).template.needs == "qa")


def _is_run(path: Path) -> bool:
    """A store that made the dialogues: that of annotations knows nothing of posts."""
    return (path / FILE).is_file() and (path / DIALOGUES).is_file()


def _settings(options: ReportOptions, status: Console) -> ReportSettings:
    return ReportSettings(
        title=options.title,
        baseline=options.baseline,
        tokenizer=options.tokenizer,
        codebook=codebook_names(options.codebook),
        posts=[text for path in options.posts for text in _posts(path, status)],
        labels={task.name: label_names(task.name) for task in TASKS},
        examples=options.examples,
        seed=options.seed,
    )


def _posts(path: Path, status: Console) -> Iterator[str]:
    for entry in Reader(status).whole_entries(path, "psyqa"):
        yield "\n".join(said for _, said in entry.dialogue.utterances)


@contextmanager
def _embedder(options: EmbeddingOptions) -> Iterator[Embedder | None]:
    """What the options name, open for as long as it is needed; None is the embedded one."""
    if options.embeddings != "endpoint" and options.base_url is not None:
        raise UsageError("--base-url is for --embeddings endpoint. Add that, or leave the URL out.")
    if options.embeddings == "tfidf":
        yield None
    elif options.embeddings == "endpoint":
        from expander.commands.embedding import endpoint_embedder

        with endpoint_embedder(options) as embedder:
            yield embedder
    else:
        try:
            model = LocalModel(Path(options.embeddings))
        except LocalModelError as error:
            raise UsageError(printable(str(error))) from error
        yield model
