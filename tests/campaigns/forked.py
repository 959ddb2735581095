"""The real command line in a forked process: as good as a new one, without the second that its imports take."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import NamedTuple


class Ended(NamedTuple):
    """A finished command."""

    code: int
    said: str
    """Both streams."""


def preload() -> None:
    """Import what the commands import, once. Call it before any thread is started."""
    import expander.cli
    import expander.commands.recovering
    import expander.expanding
    import expander.openai_endpoint
    import expander.store.recovery  # noqa: F401


def forked(*arguments: object) -> Ended:
    """Run one command to its end. A child that dies by a signal has its negative number for a code."""
    with tempfile.TemporaryFile() as said:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _become(said.fileno(), [str(argument) for argument in arguments])
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return Ended(os.waitstatus_to_exitcode(status), said.read().decode("utf-8", "replace"))


def _become(output: int, arguments: list[str]) -> None:
    code = 70
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["COLUMNS"] = "200"
        sys.argv = ["run.py", *arguments]
        from expander.cli import main

        try:
            main(arguments)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - nothing of the child may return into the parent's work
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
