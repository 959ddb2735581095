"""A run's settings: written once, and the same ever after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from expander.errors import UsageError

_SHOWN = 80  # characters of a setting that differs
_JUDGED_ANEW = frozenset({"rules", "format"})  # settings that `filter` changes in a run


def check_same(folder: Path, before: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raises UsageError naming every key that differs: mixing two conditions in one run would spoil both."""
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if not differing:
        return
    lines = "\n".join(f"  {key}: {_short(before.get(key))} then, {_short(now.get(key))} now" for key in differing)
    way_on = "Give the settings it began with, or another folder with --out."
    if _JUDGED_ANEW.issuperset(differing):
        way_on += f" Or have its stored replies judged by these rules, without a request: `filter {folder} ...`."
    raise UsageError(
        f"{folder}: this run began with other settings, and mixing them would spoil it:\n{lines}\n{way_on}"
    )


def _short(value: object) -> str:
    text = "nothing" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
