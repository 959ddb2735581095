"""The command line. Heavy imports wait inside the commands, so that --help answers at once."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.config import Env, Yaml

from expander import interrupts
from expander.bounds import FLAG
from expander.command_secrets import secrets_in, silence_libraries, without_secrets
from expander.commands import asking, corpora
from expander.commands.ablate import ablate
from expander.commands.batching import batch_app
from expander.commands.recovering import recover
from expander.consoles import console, printable
from expander.errors import ExpanderError, UsageError
from expander.settings import (
    EndpointSettings,
    InputSettings,
    OfflineKnobs,
    RuleSettings,
    SamplingSettings,
    StructuredSettings,
    VllmSettings,
    WorkSettings,
)

_USAGE = 2
_BUG = 1

app = App(
    name="run.py",
    help="Turn single-turn counselling posts into multi-turn dialogues.",
    help_epilogue="Options come from the command line, then EXPANDER_... in the environment, then --config FILE.yaml.",
    suppress_keyboard_interrupt=False,  # `main` answers it: with its exit code, and with the command that goes on
)
app.meta.suppress_keyboard_interrupt = False
prompt_app = App(name="prompt", help="Look at prompt templates.")
app.command(prompt_app)
for command in (corpora.audit, corpora.dedup, corpora.export, corpora.report, corpora.agree, asking.annotate):
    app.command(command)
app.command(ablate)
app.command(recover)
app.command(batch_app)

_JOB = Group("Job", sort_key=0)


@app.command
def expand(
    posts: Path | None = None,
    /,
    *,
    template: Annotated[str, Parameter(group=_JOB)] = "smile",
    out: Annotated[Path | None, Parameter(group=_JOB)] = None,
    dry_run: Annotated[bool, Parameter(group=_JOB, negative="")] = False,
    inputs: InputSettings = InputSettings(),  # noqa: B008 - frozen
    endpoint: EndpointSettings = EndpointSettings(),  # noqa: B008
    sampling: SamplingSettings = SamplingSettings(),  # noqa: B008
    work: WorkSettings = WorkSettings(),  # noqa: B008
    rules: RuleSettings = RuleSettings(),  # noqa: B008
    offline: OfflineKnobs = OfflineKnobs(),  # noqa: B008
    vllm: VllmSettings = VllmSettings(),  # noqa: B008
    structured: StructuredSettings = StructuredSettings(),  # noqa: B008
) -> int:
    """Make dialogues from posts. The same command again goes on where the last one stopped.

    Example: `run.py expand posts.json --template smile --base-url https://api.openai.com/v1 --model gpt-4o-mini`
    or, on a machine with a GPU, `run.py expand posts.json --vllm Qwen/Qwen2.5-7B-Instruct --structured regex`

    Exit codes: 0 complete, 1 a bug, 2 wrong usage or an unusable file or folder, 3 finished with rows that failed,
    4 stopped by the provider or a budget, 130 interrupted.

    Parameters
    ----------
    posts: Path
        PsyQA JSON, JSON Lines, CSV, TSV (these also .gz, .zst, .xz) or Parquet.
    template: str
        A published template (`prompt list`), or your own YAML file.
    out: Path
        The run's folder [default: outputs/POSTS-TEMPLATE-MODEL].
    dry_run: bool
        Print the first prompt, counts and estimates; send nothing.
    """
    from expander import expanding
    from expander.job import Job

    job = Job(
        posts=posts,
        template=template,
        out=out,
        inputs=inputs,
        endpoint=endpoint,
        sampling=sampling,
        work=work,
        rules=rules,
        offline=offline,
        vllm=vllm,
        structured=structured,
    )
    if dry_run:
        return expanding.dry_run(job, console=console())
    return expanding.expand(job, console=console(), status=console(stderr=True))


@app.command
def show(run: Path, row: str | None = None, /) -> int:
    """Print a post beside its dialogue, or beside why it has none.

    Parameters
    ----------
    run: Path
        A run's folder.
    row: str
        A row's or post's id, or its beginning; without it, the run's summary and its first dialogue.
    """
    from expander.show import show as show_row

    show_row(run, row, console=console())
    return 0


@app.command(name="filter")
def filter_run(
    run: Path,
    /,
    *,
    rules: RuleSettings = RuleSettings(),  # noqa: B008
    template: str | None = None,
    changes: Path | None = None,
    dry_run: Annotated[bool, FLAG] = False,
) -> int:
    """Judge a run's stored replies by other rules, without a request. The options are the whole rule set from now on.

    The first stored reply of a row that passes decides, or else its last; rows that failed stay failed. `expand` goes on
    with the run when it is given the same rules. Exit codes as of `expand`.

    Example: `run.py filter outputs/posts-smile-gpt-4o-mini --strict --without-rule answer-copied --dry-run`

    Parameters
    ----------
    run: Path
        A run's folder.
    template: str
        The run's template with the same words and other demands on a reply (labels, turns).
    changes: Path
        Write a JSON line for each row that changed: its id, from, to and the reason.
    dry_run: bool
        Show what would change, and change nothing.
    """
    from expander.changes_table import changes_table
    from expander.refilter import refilter
    from prompts import load

    chosen = load(template) if template is not None else None
    result = refilter(run, rules.rule_set(), template=chosen, changes=changes, dry_run=dry_run)
    console().print(changes_table(result))
    if dry_run:
        console().print("A dry run: the run is as it was.")
    return 0


@app.command
def serve_offline(
    *,
    host: str = "127.0.0.1",
    port: int = 8399,
    latency: float = 0.0,
    rate_limit: float | None = None,
    fault: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    seed: int = 0,
    refusal_wait: float = 1.0,
    served: Path | None = None,
) -> int:
    """Serve the embedded offline endpoint to clients of any kind. It is a rule-based baseline, no language model.

    Parameters
    ----------
    host: str
        Loopback unless told otherwise: it asks nobody for a key.
    port: int
        0 takes a free one.
    latency: float
        Seconds before it answers.
    rate_limit: float
        Requests a second before it answers 429.
    fault: tuple[str, ...]
        A fault by share of the prompts, such as `500=0.05`, `truncated=0.1`, `429=0.2x2`, `hang=0.01xalways`. Kinds: any
        status from 400 to 599; 429-seconds, -date, -ms, -none, -past, -negative, -garbage, -far; quota; drop, reset, hang,
        hang-body, trickle; truncated, bad-utf8, html, content-type, oversized, gzip-bomb; empty, null, no-choices, length,
        content_filter, huge; rule-... (docs/endpoints.md).
    seed: int
        Decides which prompts the faults hit.
    refusal_wait: float
        Seconds of Retry-After in a 429 that is a fault.
    served: Path
        Append a JSON line for each request: when, a hash of its prompt, and the fault it met.
    """
    from expander.offline.app import OfflineSettings, serve

    try:
        settings = OfflineSettings(
            latency=latency, rate_limit=rate_limit, faults=fault, seed=seed, refusal_wait=refusal_wait, served=served
        )
        serve(settings, host, port)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"The endpoint cannot be served: {error}.") from error
    return 0


@prompt_app.command(name="list")
def prompt_list() -> int:
    """List the templates this project brings."""
    from rich.table import Table

    from prompts import load, published

    table = Table("template", "needs", "turns", "source", box=None)
    for name in published():
        template = load(name)
        turns = f"{template.format.min_turns}-{template.format.max_turns or ''}"
        table.add_row(name, template.needs, turns, template.source)
    console().print(table)
    return 0


@prompt_app.command(name="show")
def prompt_show(
    template: str,
    posts: Path | None = None,
    /,
    *,
    post: str | None = None,
    inputs: InputSettings = InputSettings(),  # noqa: B008
) -> int:
    """Print a template, or with POSTS the prompt it makes of a post.

    Parameters
    ----------
    template: str
        A published template, or your own YAML file.
    posts: Path
        A file of posts.
    post: str
        A post's or question's id, or its beginning; the first post without it.
    """
    from expander.prompt_preview import preview

    console().print(preview(template, posts, post, inputs), markup=False, highlight=False, soft_wrap=True)
    return 0


@prompt_app.command(name="lint")
def prompt_lint(template: str, /, *, strict: Annotated[bool, FLAG] = False) -> int:
    """Name everything that is wrong or doubtful in a template, with its line and what to do.

    Exit codes: 0 fine, or warnings only; 2 errors: the file cannot be loaded, or no reply that does as it says can be kept.

    Parameters
    ----------
    template: str
        Your own YAML file, or a published template.
    strict: bool
        Warnings count as errors.
    """
    from expander.prompt_lint import lint_file

    return lint_file(template, strict=strict, console=console())


@prompt_app.command(name="try")
def prompt_try(
    template: str,
    posts: Path | None = None,
    /,
    *,
    post: str | None = None,
    inputs: InputSettings = InputSettings(),  # noqa: B008
    endpoint: EndpointSettings = EndpointSettings(),  # noqa: B008
    sampling: SamplingSettings = SamplingSettings(),  # noqa: B008
    rules: RuleSettings = RuleSettings(),  # noqa: B008
    offline: OfflineKnobs = OfflineKnobs(),  # noqa: B008
    vllm: VllmSettings = VllmSettings(),  # noqa: B008
    structured: StructuredSettings = StructuredSettings(),  # noqa: B008
) -> int:
    """Send one post through a template: its prompt, the reply, how it is read, the verdict. Nothing is stored.

    Exit codes: 0 kept, 2 wrong usage, 3 rejected, 4 no reply from the provider.

    Example: `run.py prompt try mine.yaml posts.json --post 3f2a --base-url https://api.openai.com/v1 --model gpt-4o-mini`

    Parameters
    ----------
    template: str
        Your own YAML file, or a published template.
    posts: Path
        A file of posts; the project's own examples without it.
    post: str
        A post's or question's id, or its beginning; the first post without it.
    """
    from expander.job import Job
    from expander.prompt_try import try_prompt

    job = Job(
        posts=posts,
        template=template,
        out=None,
        inputs=inputs,
        endpoint=endpoint,
        sampling=sampling,
        work=WorkSettings(),
        rules=rules,
        offline=offline,
        vllm=vllm,
        structured=structured,
    )
    return try_prompt(job, post, console=console(), status=console(stderr=True))


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], config: Path | None = None
) -> int:
    """Read the layers of settings, then run the command.

    Parameters
    ----------
    config: Path
        A YAML file of options: `temperature: 0.7`.
    """
    app.config = layers(config)
    return int(app(tokens, exit_on_error=False, print_error=False, result_action="return_value") or 0)


def layers(config: Path | None) -> list[Env | Yaml]:
    """Where options come from beside the command line. Raises UsageError for a file that holds no settings."""
    found: list[Env | Yaml] = [Env("EXPANDER_", command=False)]
    if config is not None:
        from expander.settings_file import check_settings_file

        check_settings_file(config)
        found.append(Yaml(str(config), use_commands_as_keys=False))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    silence_libraries()
    interrupts.answer()
    try:
        _check_text(arguments)
        code = int(app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0)
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (CycloptsError, ExpanderError) as error:
        code = _USAGE
        _complain(str(error), arguments)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # noqa: BLE001 - the last resort: a bug ends in one line and an exit code
        if _is_template_error(error):
            code = _USAGE
            _complain(str(error), arguments)
        elif isinstance(error, PermissionError) and error.filename is not None:
            code = _USAGE
            _complain(
                f"{os.fsdecode(error.filename)}: {error.strerror}. Change its rights, or name another.", arguments
            )
        else:
            code = _BUG
            import traceback

            # Frames and lines of ours, never the values in them: those hold posts and replies.
            traceback.print_tb(error.__traceback__)
            _complain(f"{type(error).__name__}: this is a bug. What was stored before it is safe.", arguments)
    if code and arguments[:1] in (["expand"], ["annotate"], ["ablate"], ["batch"]):
        advice = "Once that is put right, to go on" if code == _USAGE else "To go on"
        print(f"{advice}: {continuation(arguments)}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


def _check_text(arguments: list[str]) -> None:
    """Raises UsageError for what is no UTF-8: it can be written neither into a store nor into a request."""
    for number, argument in enumerate(arguments, 1):
        if not argument.isascii() and any("\ud800" <= sign <= "\udfff" for sign in argument):
            raise UsageError(f"Argument {number} is not UTF-8. Rename the file, or write the text anew.")


def continuation(arguments: list[str]) -> str:
    """The command that goes on with a run: the same one, without what may be a secret in it."""
    program = "dialogue-expander" if Path(sys.argv[0]).name == "dialogue-expander" else f"python {sys.argv[0]}"
    return printable(f"{program} {shlex.join(without_secrets(arguments))}")


def _is_template_error(error: Exception) -> bool:
    from prompts import TemplateError

    return isinstance(error, TemplateError)


def _complain(message: str, arguments: list[str]) -> None:
    for secret in secrets_in(arguments):  # an option that is none, or a value that cannot be read, is quoted
        message = message.replace(secret, "...")
    print(printable(message), file=sys.stderr)  # noqa: T201
