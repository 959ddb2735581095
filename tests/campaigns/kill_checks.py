"""What a killed or finished command left, read by means of our own, and what of it is no longer as promised."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.campaigns.counting_proxy import Served
from tests.campaigns.kill_commands import PRICE_IN, PRICE_OUT, Killable

_STORE_FILES = frozenset({"store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "lock", "lock.holder"})
_TOKENS = re.compile(r"^ *([\d,]+)\s+tokens \(([\d,]+) in prompts, ([\d,]+) in replies\); ([\d.]+) USD", re.MULTILINE)
_ARM = re.compile(r"^(\S+) +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +([\d,]+) +([\d.]+) USD", re.MULTILINE)
_MONEY_DIGITS = 4
_REPLIES = "SELECT id, row_id, generation, body, prompt_tokens, completion_tokens FROM reply"


class StoredReply(NamedTuple):
    """One row of a store's table of replies."""

    row: str
    generation: int
    body: bytes
    prompt_tokens: int
    completion_tokens: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def text(self) -> str | None:
        text: str | None = json.loads(self.body)["choices"][0]["message"]["content"]
        return text


@dataclass(frozen=True)
class Look:
    """All stores of a trial at one moment."""

    replies: dict[tuple[str, int], StoredReply] = field(default_factory=dict)
    """By store and number."""
    rows: dict[tuple[str, str], str] = field(default_factory=dict)
    """Outcomes by store and row."""
    damaged: tuple[str, ...] = ()

    def tokens(self, store: str | None = None) -> tuple[int, int]:
        found = [reply for (name, _), reply in self.replies.items() if store in (None, name)]
        return sum(reply.prompt_tokens for reply in found), sum(reply.completion_tokens for reply in found)


def look(folder: Path, stores: tuple[str, ...]) -> Look:
    """Read from copies: opening a store, its log not yet merged into it, would change what the next command finds."""
    seen = Look()
    damaged: list[str] = []
    for name in stores:
        if not (folder / name / "store.sqlite").exists():
            continue
        with tempfile.TemporaryDirectory() as elsewhere:
            for file in ("store.sqlite", "store.sqlite-wal"):
                if (folder / name / file).exists():
                    shutil.copy(folder / name / file, elsewhere)
            with closing(sqlite3.connect(Path(elsewhere) / "store.sqlite")) as store:
                state = store.execute("PRAGMA integrity_check").fetchall()
                if state != [("ok",)]:
                    damaged.append(f"{name}: the store is damaged: {state[:3]}")
                if store.execute("PRAGMA user_version").fetchone() == (0,):
                    continue  # killed before its tables were made
                for number, *reply in store.execute(_REPLIES):
                    seen.replies[name, number] = StoredReply(*reply)
                for row, outcome in store.execute("SELECT id, outcome FROM row"):
                    seen.rows[name, row] = outcome
    return Look(seen.replies, seen.rows, tuple(damaged))


@dataclass
class Findings:
    """What was counted, and every promise that was broken."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    missing: int = 0
    broken: list[str] = field(default_factory=list)

    def need(self, holds: object, what: str) -> None:
        if not holds:
            self.broken.append(what)


def compare_looks(before: Look, now: Look, found: Findings) -> None:
    """Every reply stored before is there, the same bytes under the same number; no row has one generation twice."""
    lost = [key for key, reply in before.replies.items() if now.replies.get(key) != reply]
    found.lost += len(lost)
    found.need(not lost, f"{len(lost)} stored replies are lost or changed: {lost[:3]}")
    turns: dict[tuple[str, str], list[int]] = {}
    for (store, _), reply in now.replies.items():
        turns.setdefault((store, reply.row), []).append(reply.generation)
    doubled = [row for row, generations in turns.items() if sorted(generations) != list(range(len(generations)))]
    found.doubled += len(doubled)
    found.need(not doubled, f"{len(doubled)} rows have a generation twice, or leave one out: {doubled[:3]}")
    found.need(not now.damaged, "; ".join(now.damaged))


def whole_files(folder: Path, before: dict[str, bytes], reference: dict[str, bytes], found: Findings) -> None:
    """After a kill: a file that is there under its own name is as it was before, or whole and no row in it twice."""
    for name, content in files(folder).items():
        if _is_draft(name) or content == before.get(name) or content == reference.get(name):
            continue
        if not name.endswith(".jsonl"):
            found.need(False, f"{name} is neither as it was nor as it should become")
            continue
        found.need(not content or content.endswith(b"\n"), f"{name} ends within a line")
        try:
            ids = [line["id"] for line in map(json.loads, content.splitlines()) if line["id"] is not None]
        except (ValueError, KeyError) as error:
            found.need(False, f"{name} holds a broken line: {error}")
        else:
            found.need(len(ids) == len(set(ids)), f"{name} holds a row twice")


def whole_folder(folder: Path, before: dict[str, bytes], reference: dict[str, bytes], found: Findings) -> None:
    """After a kill: the export is the earlier one or the new one; or, between two renames, the earlier one is set aside."""
    earlier, now = _export(before), _export(files(folder))
    found.need(now in (earlier, reference), "the export is neither the earlier nor the new one")


def _export(contents: dict[str, bytes]) -> dict[str, bytes]:
    """What stands in `out`, or else what is set aside for it; drafts beside them do not count."""
    shown = {name: content for name, content in contents.items() if name.startswith("out/")}
    aside = ".out.before/"
    return shown or {
        f"out/{name.removeprefix(aside)}": content for name, content in contents.items() if name.startswith(aside)
    }


def compare_results(
    folder: Path, command: Killable, now: Look, reference: tuple[dict[str, bytes], Look], found: Findings
) -> None:
    """After the last command: every file and every reply is that of an uninterrupted run; nothing else is there."""
    files_then, look_then = reference
    for store in command.stores:
        ids = Counter(_ids(folder / store, command.results))
        should = set(_ids_in(files_then, store, command.results))
        found.rows += len(ids)
        found.doubled += (doubled := ids.total() - len(ids))
        found.missing += (missing := len(should - ids.keys()))
        found.need(not doubled, f"{store}: {doubled} rows stand twice in the results")
        found.need(not missing, f"{store}: {missing} rows are missing from the results")
    files_now = files(folder)
    differing = sorted(
        name for name in files_then.keys() | files_now.keys() if files_then.get(name) != files_now.get(name)
    )
    found.need(not differing, f"other files than those of an uninterrupted run: {differing[:6]}")
    found.need(now.rows == look_then.rows, "rows have other outcomes than those of an uninterrupted run")
    said, should_say = (
        {(store, reply.row, reply.generation): reply.text for (store, _), reply in each.replies.items()}
        for each in (now, look_then)
    )
    found.need(said == should_say, "the store holds other replies than that of an uninterrupted run")


def compare_stopped(folder: Path, command: Killable, now: Look, found: Findings) -> None:
    """After a stop that finished what was in flight: the results speak of as many rows as have ended, none twice."""
    for store in command.stores:
        shown = Counter(_ids(folder / store, command.results))
        ended = {row for name, row in now.rows if name == store}
        found.need(
            shown.total() == len(shown) == len(ended),
            f"{store}: the results show {shown.total()} rows where {len(ended)} have ended",
        )


def compare_account(served: list[Served], now: Look, output: str, command: Killable, found: Findings) -> Counter[int]:
    """Stored replies, tokens and money against what the endpoint answered. Gives by session what was not stored."""
    by_body = {each.body: each for each in served}
    stored = Counter(reply.sha256 for reply in now.replies.values())
    found.need(all(count == 1 for count in stored.values()), "one answer of the endpoint is stored twice")
    foreign = stored.keys() - by_body.keys()
    found.need(not foreign, f"{len(foreign)} stored replies are not what the endpoint answered, byte for byte")
    paid = [by_body[name] for name in stored if name in by_body]
    counted = sum(each.prompt_tokens for each in paid), sum(each.completion_tokens for each in paid)
    found.need(now.tokens() == counted, f"the store counts {now.tokens()} tokens, the endpoint {counted}")
    keys = Counter(each.request for each in paid)
    found.need(all(count == 1 for count in keys.values()), "a request's answer is stored twice")
    unstored = [each for each in served if each.body not in stored]
    asked_again = {each.request for each in unstored} - keys.keys()
    found.need(not asked_again, f"{len(asked_again)} requests were answered, and none of their answers is stored")
    _compare_printed(output, now, command, found)
    return Counter(each.session for each in unstored)


def _compare_printed(output: str, now: Look, command: Killable, found: Findings) -> None:
    """What the command's last words say of tokens and money."""
    if len(command.stores) > 1:
        arms = {name: (_number(tokens), money) for name, tokens, money in _ARM.findall(output)}
        for store in command.stores:
            prompt, completion = now.tokens(store)
            should = (prompt + completion, _money(prompt, completion))
            said = arms.get(Path(store).name)
            found.need(said == should, f"{store}: says {said} tokens and money, where {should} were served")
        return
    prompt, completion = now.tokens()
    match = _TOKENS.search(output)
    said_all = (*map(_number, match.groups()[:3]), match[4]) if match else None
    should_all = (prompt + completion, prompt, completion, _money(prompt, completion))
    found.need(said_all == should_all, f"says {said_all} tokens and money, where {should_all} were served")


def files(folder: Path) -> dict[str, bytes]:
    """Every file but those of a store, hidden ones too, by its path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in _STORE_FILES:
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def drafts(folder: Path) -> list[str]:
    return [name for name in files(folder) if _is_draft(name)]


def _is_draft(name: str) -> bool:
    return any(part.startswith(".") for part in Path(name).parts)


def _ids(folder: Path, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if (folder / name).exists():
            yield from _ids_of((folder / name).read_bytes())


def _ids_in(contents: dict[str, bytes], store: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield from _ids_of(contents[f"{store}/{name}"])


def _ids_of(content: bytes) -> Iterator[str]:
    for line in content.splitlines():
        row: dict[str, Any] = json.loads(line)
        if row["id"] is not None and row.get("outcome") != "unanswered":  # as `annotate` says of those still to come
            yield row["id"]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _money(prompt: int, completion: int) -> str:
    return f"{(prompt * PRICE_IN + completion * PRICE_OUT) / 1_000_000:.{_MONEY_DIGITS}f}"
