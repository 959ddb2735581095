"""Every regular expression of the project, and how it is used: found by recording, and by reading the code for what was not run.

Run as a program it writes them to standard output, a JSON object a line: a process of its own, in which no pattern was compiled
before the recording began.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tests.conftest import REPOSITORY

PACKAGES = ("expander", "filters", "prompts", "analysis")
_DIRECT = frozenset({"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer", "compile"})
_USES = _DIRECT - {"compile"}
_ANYWHERE = frozenset({"search", "match", "fullmatch", "finditer"})
"""How a pattern is tried whose use cannot be read off the code."""
_OPTIONAL = frozenset({"vllm", "torch", "sentence_transformers", "transformers", "mauve"})


@dataclass(frozen=True, slots=True)
class Found:
    """One pattern: where it is compiled, its text (bytes as Latin-1), its flags, and the methods that use it."""

    place: str
    text: str
    is_bytes: bool
    flags: int
    uses: tuple[str, ...]

    def compiled(self) -> re.Pattern[Any]:
        return re.compile(self.text.encode("latin-1") if self.is_bytes else self.text, self.flags)


class _Site:
    """A call of the `re` module in the project's code."""

    def __init__(self, path: Path, call: ast.Call, function: str, name: str | None) -> None:
        self.place = f"{path.relative_to(REPOSITORY)}:{call.lineno}"
        self.span = range(call.lineno, (call.end_lineno or call.lineno) + 1)
        self.function, self.name = function, name
        self.pattern = call.args[0] if call.args else None


def every_pattern() -> list[Found]:
    """All of them, from a process of their own. Raises RuntimeError where one is made at run time and was never made here."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.fuzz.patterns"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    return [Found(**{**row, "uses": tuple(row["uses"])}) for row in rows]


def _sites() -> Iterator[tuple[Path, _Site]]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            names = {}
            for node in ast.walk(tree):
                target = (
                    node.targets[0]
                    if isinstance(node, ast.Assign)
                    else node.target
                    if isinstance(node, ast.AnnAssign)
                    else None
                )
                if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                    names[node.value] = target.id
                elif isinstance(node, ast.keyword) and node.arg:
                    names[node.value] = f".{node.arg}"
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "re"
                    and node.func.attr in _DIRECT
                ):
                    yield path, _Site(path, node, node.func.attr, names.get(node))


def _used() -> dict[str, set[str]]:
    """The methods called on anything of a name, whatever module it is in; on an attribute also under `.name`.

    A pattern given as a keyword argument is used as an attribute, and a text of that name (`line.split`) is another thing.
    """
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in _USES:
                    name = (
                        node.value.id
                        if isinstance(node.value, ast.Name)
                        else node.value.attr
                        if isinstance(node.value, ast.Attribute)
                        else ""
                    )
                    found.setdefault(name, set()).add(node.attr)
                    if isinstance(node.value, ast.Attribute):
                        found.setdefault(f".{name}", set()).add(node.attr)
    return found


class _Recorder:
    """Stands in `re`'s own compiler, and notes which line of the project asked for which pattern."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, int], set[tuple[str | bytes, int]]] = {}
        self._compile = re._compile  # type: ignore[attr-defined]
        re._compile = self  # type: ignore[attr-defined]

    def __call__(self, pattern: Any, flags: int) -> re.Pattern[Any]:
        made: re.Pattern[Any] = self._compile(pattern, flags)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and "/re/__init__" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is not None:
            self.seen.setdefault((frame.f_code.co_filename, frame.f_lineno), set()).add((made.pattern, made.flags))
        return made


def _import_everything() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(REPOSITORY / package)], f"{package}."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if (error.name or "").split(".")[0] not in _OPTIONAL:
                    raise


def _main() -> None:
    recorder = _Recorder()
    _import_everything()
    from tests.campaigns.fuzz.exercise import exercise

    exercise()
    used = _used()
    missing = []
    for path, site in _sites():
        made = {found for line in site.span for found in recorder.seen.get((str(path), line), ())}
        if not made and isinstance(site.pattern, ast.Constant) and isinstance(site.pattern.value, str | bytes):
            constant: re.Pattern[Any] = re.compile(site.pattern.value)
            made = {(constant.pattern, constant.flags)}
        if not made:
            missing.append(site.place)
        uses = {site.function} if site.function != "compile" else used.get(site.name or "", set()) or _ANYWHERE
        for pattern, flags in sorted(made, key=repr):
            is_bytes = isinstance(pattern, bytes)
            text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
            kept = flags & ~(re.UNICODE if not is_bytes else 0) & ~re.DEBUG
            print(json.dumps(asdict(Found(site.place, text, is_bytes, kept, tuple(sorted(uses))))))  # noqa: T201
    if missing:
        sys.exit(f"these patterns are made at run time, and nothing here makes them: {', '.join(missing)}")


if __name__ == "__main__":
    _main()
