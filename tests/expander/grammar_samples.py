"""Draws texts from a grammar in the part of xgrammar's EBNF that the project writes, by reading the grammar's own text."""

from __future__ import annotations

import json
import random
import re
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+,\d*\}|[()?|]|[a-z]+')
_OPEN = 40  # more of a repeat without an upper bound than its least

Node = tuple[str, Any]


class Grammar:
    """A grammar's rules, ready to draw from. Raises ValueError for a line that is no rule."""

    def __init__(self, text: str) -> None:
        self._rules: dict[str, Node] = {}
        for line in text.rstrip("\n").split("\n"):
            name, found, body = line.partition(" ::= ")
            tokens = _TOKEN.findall(body)
            if not found or _TOKEN.sub("", body).strip() or not tokens:
                raise ValueError(line)
            self._rules[name], rest = _choice(tokens)
            if rest:
                raise ValueError(line)

    def draw(self, chance: random.Random, extreme: str | None = None) -> str:
        """A random text of it; every repeat at its "most" or its "least" where that is said."""
        return self._draw(("rule", "root"), chance, extreme)

    def _draw(self, node: Node, chance: random.Random, extreme: str | None) -> str:
        kind, content = node
        if kind == "text":
            return str(content)
        if kind == "class":
            return _character(content, chance)
        if kind == "rule":
            return self._draw(self._rules[content], chance, extreme)
        if kind == "sequence":
            return "".join(self._draw(part, chance, extreme) for part in content)
        if kind == "choice":
            return self._draw(chance.choice(content), chance, extreme)
        piece, least, most = content
        most = least + _OPEN if most is None else most
        times = chance.randint(least, most) if extreme is None else most if extreme == "most" else least
        return "".join(self._draw(piece, chance, extreme) for _ in range(times))


def _choice(tokens: list[str]) -> tuple[Node, list[str]]:
    options: list[Node] = []
    while True:
        parts: list[Node] = []
        while tokens and tokens[0] not in {"|", ")"}:
            part, tokens = _piece(tokens)
            parts.append(part)
        options.append(("sequence", parts))
        if not tokens or tokens[0] == ")":
            return ("choice", options), tokens
        tokens = tokens[1:]


def _piece(tokens: list[str]) -> tuple[Node, list[str]]:
    sign, tokens = tokens[0], tokens[1:]
    node: Node
    if sign == "(":
        node, tokens = _choice(tokens)
        assert tokens[0] == ")"
        tokens = tokens[1:]
    elif sign[0] == '"':
        node = ("text", json.loads(sign))
    elif sign[0] == "[":
        node = ("class", _ranges(sign))
    else:
        node = ("rule", sign)
    if tokens and tokens[0] == "?":
        return ("repeat", (node, 0, 1)), tokens[1:]
    if tokens and tokens[0][0] == "{":
        least, most = tokens[0].strip("{}").split(",")
        return ("repeat", (node, int(least), int(most) if most else None)), tokens[1:]
    return node, tokens


def _ranges(token: str) -> list[tuple[int, int]]:
    signs = [json.loads(f'"{sign}"') if sign[0] == "\\" else sign for sign in re.findall(r"\\.|[\s\S]", token[1:-1])]
    ranges: list[tuple[int, int]] = []
    place = 0
    while place < len(signs):
        if signs[place + 1 : place + 2] == ["-"] and place + 2 < len(signs):
            ranges.append((ord(signs[place]), ord(signs[place + 2])))
            place += 3
        else:
            ranges.append((ord(signs[place]), ord(signs[place])))
            place += 1
    return ranges


def _character(ranges: list[tuple[int, int]], chance: random.Random) -> str:
    """Each range as likely as the others, so that a sign comes as often as an ideograph and whatever it breaks shows."""
    return chr(chance.randint(*chance.choice(ranges)))
