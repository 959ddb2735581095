"""Where a command's words go: results to standard output, progress and complaints to standard error.

What is printed may come from posts, replies and file names. So no console reads markup or emoji names in it, and nothing in it
reaches the terminal as a control character, whoever prints it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult


def console(*, stderr: bool = False) -> Console:
    """Colours in the text only where they are asked for; rich is imported late, so that --help stays quick."""
    from rich.console import Console

    class Patient(Console):
        """Goes on in silence where whoever read has enough: what is still to be done is done, and the exit code says how."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())  # Python flushes once more at exit

    made = Patient(stderr=stderr, highlight=False, markup=False, emoji=False)
    made.push_render_hook(_Inert())  # type: ignore[arg-type]  # rich's own class is not imported at the top, see above
    return made


def printable(text: str) -> str:
    """Text from data made safe for a terminal: control characters, escape sequences first of all, become visible, and so do
    invisible ones and those that turn the direction of reading."""
    return "".join(c if c in "\n\t" or c.isprintable() or c == "\u3000" else f"\\x{ord(c):02x}" for c in text)


class _Inert:
    """Sees everything that a console prints before it becomes bytes: the last guard, for text that no one made printable."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> Iterable[ConsoleRenderable]:
        return [_InertRenderable(each) for each in renderables]


class _InertRenderable:
    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            # Control segments are rich's own: the cursor of a live display.
            if segment.control is not None or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=printable(segment.text))
