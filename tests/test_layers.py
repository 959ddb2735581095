"""Imports run one way, and the command line starts quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# What each room may import of the project, besides itself.
ALLOWED = {
    "filters": set(),
    "prompts": {"filters"},
    "analysis": {"filters"},
    "expander": {"filters", "prompts"},
}
COMMANDS = ("cli", "commands")
"""The command line joins the rooms, so it alone of `expander` may import `analysis`."""


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names} & {*ALLOWED, "tests", "benchmarks"}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_upwards(room: str) -> None:
    wrong = {}
    for path in (REPOSITORY / room).rglob("*.py"):
        inside = path.relative_to(REPOSITORY / room).parts
        allowed = ALLOWED[room] | {room}
        if room == "expander" and (inside[0] in COMMANDS or path.stem in COMMANDS):
            allowed |= {"analysis"}
        if foreign := imported(path) - allowed:
            wrong[str(path)] = foreign
    assert not wrong


def test_the_ground_floor_imports_of_the_project() -> None:
    assert not imported(REPOSITORY / "filters" / "dialogue.py")


def test_help_imports_what_can_wait() -> None:
    """`--help` must answer at once: what is heavy waits inside the commands."""
    heavy = [
        "openai",
        "aiohttp",
        "pandas",
        "numpy",
        "sklearn",
        "pyarrow",
        "jieba",
        "rjieba",
        "yaml",
        "pydantic",
        "scipy",
        "matplotlib",
    ]
    script = (
        "import sys, contextlib, io\n"
        "from expander.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        f"print(*[name for name in {heavy} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
