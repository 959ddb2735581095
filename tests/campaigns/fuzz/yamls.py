"""Targets: files of YAML that a user writes (templates, codebooks, rubrics, settings), and the command line's options."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from cyclopts import CycloptsError
from cyclopts.config import Yaml

import prompts
from expander.cli import app, layers
from expander.commands.report_inputs import codebook_names
from expander.errors import ExpanderError, UsageError
from expander.offline.faults import parse_faults
from expander.prompt_lint import findings
from expander.settings import EndpointSettings, InputSettings, RuleSettings, VllmSettings, run_folder
from prompts import TemplateError, Values, parse
from prompts.annotation import FOLDER, codebook, rubric
from tests.campaigns.fuzz import scratch
from tests.campaigns.fuzz.contract import Target, held
from tests.campaigns.fuzz.nasties import BYTES

_VALUES = Values(question="{answer} %s {{x}}\\1", answer="{question} \\g<0> ${y}", topic="{topic}")
_WORDS = (
    *BYTES,
    *(
        b"source: ",
        b"language: en\n",
        b"needs: topic\n",
        b"needs: nothing\n",
        b"variables: {}\n",
        b"literal: ['{x}']\n",
        b"labels:\n",
    ),
    *(
        b"  client: ",
        b"  counselor: ",
        b"turns: {min: 1}\n",
        b"opens_with: client\n",
        b"preamble: true\n",
        b"system: ",
        b"prompt: |\n  ",
    ),
    *(
        b"{question}",
        b"{answer}",
        b"{topic}",
        b"{qa}",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!binary ",
        b"!!timestamp ",
        b"? ",
        b"2001-02-30",
        b"0o9",
        b"1:60:61",
    ),
)


def template(data: bytes) -> None:
    """Loading, rendering and linting one template file."""
    path = scratch.file("mine.yaml", data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    named = [finding.message for finding in findings(path)]
    try:
        found = prompts.load.__wrapped__(str(path)) if text is None else parse(text, name="mine")
    except TemplateError as error:
        held(bool(str(error)), "an error says what is wrong")
        held(bool(named), "what the loader refuses, lint names")
        return
    said = found.render(_VALUES)
    held(said == found.render(_VALUES), "rendering is a function of the values")
    for name in {*found.pieces[1::2], *(found.qa_pieces[1::2] if found.qa_pieces else ())} - {"qa"}:
        held(getattr(_VALUES, name) in said, "a value goes in as it is")
    held(parse(found.file_text, name="mine").sha256 == found.sha256, "a stored template is the template")


def _list(load: Callable[[Path], object]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        try:
            load(scratch.file("list.yaml", data))
        except (TemplateError, UsageError) as error:
            held(bool(str(error)), "an error says what is wrong")

    return run


def config(data: bytes) -> None:
    """A file of settings by itself."""
    try:
        (_, file) = layers(scratch.file("settings.yaml", data))
        held(isinstance(file, Yaml) and isinstance(file.config, dict), "what is no error is a mapping")
    except (CycloptsError, ExpanderError) as error:
        held(bool(str(error)), "an error says what is wrong")


def values(data: bytes) -> None:
    """An option and its value on two lines: what settings make of values that are more than a number or a choice."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    given: dict[str, tuple[str, ...]] = {}
    for name, value in pairwise(lines):
        given[name] = (*given.get(name, ()), value)
    for name, read in _VALUES_OF.items():
        if name in given:
            try:
                read(given[name])
            except (ExpanderError, ValueError) as error:
                held(isinstance(error, ExpanderError) or name == "--offline-fault", "a value is refused by its option")
                held(bool(str(error)), "an error says what is wrong")


def _url(urls: tuple[str, ...]) -> None:
    hosts = EndpointSettings(base_url=urls, model="m").hosts()
    held(bool(hosts), "a URL has a host")


def _headers(headers: tuple[str, ...]) -> None:
    settings = EndpointSettings(header=headers)
    held(settings.headers().keys() >= set(settings.secret_headers()), "a secret header is a header")


_VALUES_OF: dict[str, Callable[[tuple[str, ...]], object]] = {
    "--column": lambda given: InputSettings(column=given).columns(),
    "--shard": lambda given: InputSettings(shard=given[0]).shard_of(),
    "--base-url": _url,
    "--api-key-env": lambda given: EndpointSettings(api_key_env=given[0]),
    "--header": _headers,
    "--extra-body": lambda given: EndpointSettings(extra_body=given[0]).body(),
    "--without-rule": lambda given: RuleSettings(without_rule=given),
    "--vllm-arg": lambda given: VllmSettings(vllm="m", vllm_arg=given),
    "--offline-fault": parse_faults,
    "--model": lambda given: run_folder(None, Path(given[0]), given[-1], given[0]),
}


def layered(data: bytes) -> None:
    """A file of settings under a command: parsed as the command line does, without running it."""
    _parsed(["expand", "posts.json"], scratch.file("settings.yaml", data))


def options(data: bytes) -> None:
    """Options on the command line, one a line, parsed without running the command; then what settings make of them."""
    text = data.decode("utf-8", "surrogateescape")
    _parsed(["expand", "posts.json", *text.split("\n")[:12]], None)


def _parsed(tokens: list[str], file: Path | None) -> None:
    """What the command line would do up to the command's own first step. Raises what it would not print as an error."""
    try:
        app.config = layers(file)
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
        for settings in bound.arguments.values():
            if isinstance(settings, InputSettings):
                settings.columns()
                settings.shard_of()
            elif isinstance(settings, EndpointSettings):
                settings.body()
                settings.headers()
            elif isinstance(settings, RuleSettings):
                settings.rule_set()
    except (CycloptsError, ExpanderError) as error:
        held(bool(str(error)), "an error says what is wrong")
        return
    held(callable(command), "what is no error is a command")


_PUBLISHED = tuple((prompts.HERE / f"{name}.yaml").read_bytes() for name in prompts.published())
_MINE = b"""source: mine
language: zh
needs: qa
labels:
  client: ["A"]
  counselor: ["B"]
turns: {min: 2, max: 5}
prompt: |-
  Write a dialogue of {question} and {answer}.
"""
_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
)
_OPTIONS = (
    b"temperature: 0.7\nmodel: m\nbase-url: http://127.0.0.1:1/v1\n",
    b"column: [question=title]\nshard: 1/4\n",
    b"expand:\n  seed: 3\n",
)
_CONFIGS = (*_OPTIONS, _BOMB, b"2001-02-30", b"1: 2\n")
_NAMES = (
    *tuple(
        f"--{name}".encode()
        for name in (
            *(
                "column",
                "limit",
                "sample",
                "shard",
                "seed",
                "base-url",
                "model",
                "header",
                "extra-body",
                "temperature",
                "top-p",
                "stop",
            ),
            *(
                "max-tokens",
                "concurrency",
                "rpm",
                "max-attempts",
                "price-in",
                "price-out",
                "max-cost",
                "strict",
                "without-rule",
            ),
            *(
                "min-turns",
                "max-turns",
                "risk",
                "policy",
                "offline-fault",
                "structured",
                "structured-longest",
                "template",
                "out",
            ),
        )
    ),
    b"=",
    b"question=title",
    b"1/3",
    b"http://[::1",
    b"https://a:b@c/v1",
    b"env:",
    b"{}",
    b"preamble",
    b"-1",
    b"1e999",
    b"nan",
    b"\n",
)

TARGETS = (
    Target(
        name="template",
        promise="TemplateError or a template: values go in unchanged, and lint names whatever is refused.",
        run=template,
        seeds=(_MINE, *_PUBLISHED, _BOMB),
        words=_WORDS,
    ),
    Target(
        name="codebook",
        promise="TemplateError or labels.",
        run=_list(codebook.__wrapped__),
        seeds=(
            b"- one\n- name: two\n  definition: x\n",
            b"topics:\n- {name: a, name_en: b}\n- c\n",
            _BOMB,
            b"2001-02-30",
        ),
        words=_WORDS,
    ),
    Target(
        name="report-codebook",
        promise="UsageError or names.",
        run=_list(codebook_names),
        seeds=(b"- one\n- name: two\n", b"topics:\n- {name: a, name_en: b}\n", _BOMB),
        words=_WORDS,
    ),
    Target(
        name="rubric",
        promise="TemplateError or a rubric.",
        run=_list(lambda path: rubric.__wrapped__(str(path))),
        seeds=((FOLDER / "cehs.yaml").read_bytes(), (FOLDER / "pairwise.yaml").read_bytes(), _BOMB, b"2001-02-30"),
        words=_WORDS,
    ),
    Target(
        name="config",
        promise="An error that the command line prints, or a mapping.",
        run=config,
        seeds=_CONFIGS,
        words=_WORDS + _NAMES,
    ),
    Target(
        name="config-options",
        promise="An error that the command line prints, or settings.",
        run=layered,
        seeds=_CONFIGS,
        words=_WORDS + _NAMES,
    ),
    Target(
        name="option-values",
        promise="An error that the command line prints, or what the option stands for.",
        run=values,
        seeds=(
            b'--column\nquestion=title\n--shard\n1/4\n--extra-body\n{"top_k":1}\n--api-key-env\nKEY',
            b"--base-url\nhttp://[::1]:80/v1\n--base-url\nhttps://a.cn/v1\n--header\nX=env:HOME\n--header\nY=1",
            b"--without-rule\nvendor-phrases\n--vllm-arg\n--max-model-len 8192\n--offline-fault\n429=0.2x2\n--model\na/b c",
        ),
        words=(*BYTES, *_NAMES, b"--vllm-arg", b"--api-key-env", b"x2", b"xalways", b"=0.1"),
    ),
    Target(
        name="options",
        promise="An error that the command line prints, or settings.",
        run=options,
        seeds=(
            b"--temperature\n0.7\n--model\nm\n--base-url\nhttp://127.0.0.1:1/v1",
            b"--column\nquestion=title\n--shard\n1/4\n--strict",
            b'--header=X=env:HOME\n--extra-body={"top_k":1}',
        ),
        words=BYTES[:60] + _NAMES,
    ),
)
