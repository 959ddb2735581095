"""The command that starts the server: which executable, which arguments, which environment."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from expander.errors import UsageError
from expander.vllm_server.log_lines import INSTALL

HOST = "127.0.0.1"
EXECUTABLE = "EXPANDER_VLLM_EXECUTABLE"
_OURS = ("--host", "--port", "--uds", "--model", "--api-key", "--ssl-keyfile", "--root-path", "--headless")
_NAME = "--served-model-name"
# A key that the user's shell has for another provider is none of the server's business; VLLM_API_KEY would lock us out.
_WITHHELD = ("VLLM_API_KEY", "OPENAI_API_KEY")
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}  # nothing about anybody's run leaves the machine unasked


def split_arguments(entries: Sequence[str]) -> list[str]:
    """The arguments of `--vllm-arg`, each of which may hold several, as a shell splits them.

    Raises UsageError for one that the job sets itself.
    """
    arguments: list[str] = []
    for entry in entries:
        try:
            arguments += shlex.split(entry)
        except ValueError as error:
            raise UsageError("--vllm-arg: a quote in it is not closed.") from error
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        if name in _OURS:
            raise UsageError(f"--vllm-arg may not set {name}: the job sets that itself.")
    return arguments


def served_name(model: str, arguments: Sequence[str]) -> str:
    """The model's name in requests and rows: `--served-model-name` of the arguments, else a folder's name, else MODEL."""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, _, value = argument.partition("=")
        if name.replace("_", "-") == _NAME and (value or following):
            return value or following
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else model


def find_executable(executable: str | None = None) -> str:
    """The vllm executable: the one given, or of $EXPANDER_VLLM_EXECUTABLE, or of this environment, or on the PATH.

    Raises UsageError that says what to install.
    """
    named = executable or os.environ.get(EXECUTABLE)
    if named:
        found = shutil.which(str(Path(named).expanduser()))
        if found is None:
            raise UsageError(f"The vllm executable {named} is not there or cannot be run. {INSTALL}")
        return found
    beside = shutil.which("vllm", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("vllm")
    if found is None:
        raise UsageError(f"vllm is not installed. {INSTALL}")
    return found


def serve_command(executable: str, model: str, arguments: Sequence[str], port: int) -> list[str]:
    """`vllm serve`, with what the user said before what the job needs."""
    folder = Path(model).expanduser()
    name = [] if any(a.replace("_", "-").startswith(_NAME) for a in arguments) else [_NAME, served_name(model, ())]
    return [
        executable,
        "serve",
        str(folder.resolve()) if folder.is_dir() else model,
        *name,
        *arguments,
        "--host",
        HOST,
        "--port",
        str(port),
        "--disable-uvicorn-access-log",  # a line a request says nothing that the run's store does not
    ]


def server_environment(executable: str) -> dict[str, str]:
    """The job's environment without keys; tools beside the executable (ninja) first on the PATH."""
    kept = {name: value for name, value in os.environ.items() if name not in _WITHHELD}
    path = os.pathsep.join([str(Path(executable).parent), kept.get("PATH", os.defpath)])
    return {**_QUIET, **kept, "PATH": path}


def free_port() -> int:
    """A loopback port that is free now. Another process may take it before the server does: then try another."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
