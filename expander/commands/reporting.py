"""`report`: corpora held against each other and against people, as a page, as JSON and as tables."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml
from rich.console import Console

from analysis.corpora import BrokenEntry
from analysis.lexical.tokenizers import TokenizerError
from analysis.report.compose import ReportSettings, compose
from analysis.report.files import TABLES, tables, to_json
from analysis.report.inputs import CorpusInput, corpus_name, unique_names
from analysis.report.model import Report
from analysis.report.page import page
from analysis.semantic.embedder import Embedder
from analysis.semantic.local_model import LocalModel, LocalModelError
from expander.commands.options import EmbeddingOptions, ReportOptions
from expander.commands.reading import Reader, kind_of
from expander.commands.writing import keep_inputs, output_file, write_json
from expander.errors import UsageError
from expander.job import printable
from expander.store import FILE, post_of, read_only
from expander.stored_run import stored_run
from filters.dialogue import CorpusEntry
from prompts import topics

_PLAIN_SPACES = {0x202F: " ", 0x00A0: " "}


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
    beside = {name: options.out.with_suffix(f".{name}.csv") for name in TABLES}
    document = options.out.with_suffix(".json")
    keep_inputs([options.out, document, *beside.values()], paths)
    _make_folder(options.out.parent)
    settings = _settings(options, status)
    reader = Reader(status)
    inputs = _inputs(corpora, options, reader, status)
    _check_baseline(options.baseline, inputs)
    with _embedder(embedding) as embedder:
        try:
            found = compose(inputs, settings, embedder=embedder, tell=lambda step: _tell(status, f"{step} ..."))
        except (TokenizerError, LocalModelError) as error:
            raise UsageError(printable(str(error))) from error
    _tell(status, "drawing the page ...")
    with output_file(options.out) as file:
        file.write(page(found).encode("utf-8"))
    write_json(document, to_json(found))
    for name, table in tables(found).items():
        with output_file(beside[name]) as file:
            table.to_csv(file, index=False, encoding="utf-8")
    _print(found, options.out, console)
    return reader.exit_code


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: this folder cannot be made: {error.strerror}.") from error


def _tell(status: Console, text: str) -> None:
    status.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _print(found: Report, out: Path, console: Console) -> None:
    for answer in found.answers:
        console.print(answer.question, style="bold", markup=False)
        for sentence in answer.sentences:
            # The page keeps "51.7 %" on one line with signs that a terminal may not have.
            console.print(
                f"  {printable(sentence.translate(_PLAIN_SPACES))}", markup=False, highlight=False, soft_wrap=True
            )
    console.print(f"\nThe page: {out}", markup=False, highlight=False, soft_wrap=True)


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
    kind = kind_of(path)
    whole: list[CorpusEntry] = []
    broken = 0
    for entry in reader.entries(path, kind):
        if isinstance(entry, BrokenEntry):
            broken += 1
        else:
            whole.append(entry)
    return CorpusInput(
        name=name,
        file=path.name or str(path),
        kind=kind,
        human=human,
        entries=whole,
        broken=broken,
        posts=_posts_of_run(path) if kind == "run" else {},
        from_posts=_made_from_posts(path) if kind == "run" else True,
    )


def _made_from_posts(path: Path) -> bool:
    """Whether the run's template was given the post; where only dialogues were handed on, they are taken at their word."""
    return not (path / FILE).is_file() or stored_run(path).template.needs == "qa"


def _posts_of_run(path: Path) -> Mapping[str, str]:
    """The posts of a run's folder as they were sent; none where only its dialogues were handed on."""
    if not (path / FILE).is_file():
        return {}
    connection = read_only(path)
    try:
        stored = (post_of(text).post for (text,) in connection.execute("SELECT DISTINCT post FROM row"))
        return {
            post.id: "\n".join(part for part in (post.title, post.description, post.answer) if part) for post in stored
        }
    finally:
        connection.close()


def _settings(options: ReportOptions, status: Console) -> ReportSettings:
    return ReportSettings(
        title=options.title,
        baseline=options.baseline,
        tokenizer=options.tokenizer,
        codebook=_codebook(options.codebook),
        posts=[text for path in options.posts for text in _posts(path, status)],
        examples=options.examples,
        seed=options.seed,
    )


def _posts(path: Path, status: Console) -> Iterator[str]:
    for entry in Reader(status).whole_entries(path, "psyqa"):
        yield "\n".join(said for _, said in entry.dialogue.utterances)


def _codebook(path: Path | None) -> dict[str, str]:
    """Each spelling of a topic's name, with the name itself: Chinese and English name one topic."""
    if path is None:
        return {spelling: topic.name for topic in topics() for spelling in (topic.name, topic.name_en)}
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: this codebook cannot be read. Give a YAML file in UTF-8.") from error
    listed = document.get("topics") if isinstance(document, dict) else document
    found: dict[str, str] = {}
    for entry in listed if isinstance(listed, list) else []:
        name = entry if isinstance(entry, str) else entry.get("name") if isinstance(entry, dict) else None
        other = entry.get("name_en") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name.strip():
            found.clear()
            break
        found[name.strip()] = name.strip()
        if isinstance(other, str) and other.strip():
            found.setdefault(other.strip(), name.strip())
    if not found:
        raise UsageError(f"{path}: a codebook is a list of topics, each a name or an object with `name`.")
    return found


@contextmanager
def _embedder(options: EmbeddingOptions) -> Iterator[Embedder | None]:
    """What the options name, open for as long as it is needed; None is the embedded one."""
    if options.embeddings == "tfidf":
        if options.base_url is not None:
            raise UsageError("--base-url is for --embeddings endpoint. Add that, or leave the URL out.")
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
