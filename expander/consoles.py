"""Where a command's words go: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Colours in the text only where they are asked for; rich is imported late, so that --help stays quick."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)
