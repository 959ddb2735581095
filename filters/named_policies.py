"""Filters that others published as lists of strings, kept by name so that their effect can be measured or repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import yaml

from filters.dialogue import Dialogue, Role, Span

_FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPolicy:
    """A published list. `note` says what of it is unpublished."""

    name: str
    source: str
    note: str
    strings: tuple[str, ...]


class StringFinding(NamedTuple):
    """A string of a policy in a dialogue. `utterance` counts from 0; `span` is in that utterance's text."""

    string: str
    utterance: int
    role: Role
    span: Span


@cache
def policies() -> Mapping[str, NamedPolicy]:
    """Every policy by its name."""
    listed = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: NamedPolicy(name=name, source=one["source"], note=one["note"], strings=tuple(one["strings"]))
            for name, one in listed.items()
        }
    )


def would_take(policy: str | NamedPolicy, dialogue: Dialogue) -> tuple[StringFinding, ...]:
    """Where the policy's strings stand in either speaker's utterances; the policy takes a dialogue that has any.

    Plain substrings, as the publications describe them. Raises ValueError for a name that is no policy.
    """
    if isinstance(policy, str):
        if policy not in policies():
            raise ValueError(f"no such policy: {policy}; the policies are {', '.join(policies())}")
        policy = policies()[policy]
    pattern = _pattern(policy.strings)
    return tuple(
        StringFinding(found[0], place, role, Span(*found.span()))
        for place, (role, said) in enumerate(dialogue.utterances)
        for found in pattern.finditer(said)
    )


@cache
def _pattern(strings: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(strings, key=len, reverse=True))))
