"""Looks for a secret in everything that a command leaves behind, and serves endpoints that send it back.

A command runs as a child in a folder of its own (HOME, TMPDIR, working directory) while its and its children's command
lines are watched. Then every byte of every file, the values of every SQLite database, and both outputs are searched for the
secret in the forms that a program may give it.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import sqlite3
import subprocess
import threading
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.expander.rogue_server import DIALOGUE, completion
from tests.expander.running import command, environment

CANARY = "sk-Zq7CnRyW/93kTu+V0eWpL2mD8hQ-xJr5BtNs"
"""Holds what URLs and JSON escape; its beginning and its end stand nowhere else."""
_ENDS = 8  # characters: what providers and careful programs still show of a key
_LOOK_EVERY = 0.02  # seconds between two looks at command lines


def forms(secret: str) -> dict[str, bytes]:
    """The secret as a program may write it, by name."""
    found = {
        "plain": secret,
        "swapped case": secret.swapcase(),
        "lower case": secret.lower(),
        "upper case": secret.upper(),
        "backwards": secret[::-1],
        "URL-encoded": urllib.parse.quote(secret, safe=""),
        "JSON with solidus": secret.replace("/", "\\/"),
        "JSON in codes": "".join(f"\\u{ord(each):04x}" for each in secret),
        "UTF-16": secret.encode("utf-16-le").decode("latin-1"),
        "first": secret[:_ENDS],
        "last": secret[-_ENDS:],
    }
    encoded = {name: text.encode("latin-1") for name, text in found.items()}
    for shift in range(
        3
    ):  # as it stands at any place of a longer text: without the ends, which depend on the neighbours
        whole = base64.b64encode(b"\0" * shift + secret.encode())
        encoded[f"base64 at {shift}"] = whole[4:-4]
        encoded[f"base64 for URLs at {shift}"] = whole[4:-4].replace(b"+", b"-").replace(b"/", b"_")
    return encoded


def found_in(data: bytes, secret: str = CANARY) -> list[str]:
    """Names of the forms of the secret that stand in the data."""
    return [name for name, form in forms(secret).items() if form in data]


@dataclass
class Left:
    """What a command left behind."""

    code: int
    out: str
    err: str
    folder: Path
    command_lines: set[bytes] = field(default_factory=set)

    def leaks(self, secret: str = CANARY) -> list[str]:
        """Where the secret stands, and in which form; empty where it stands nowhere."""
        places = {"standard output": self.out.encode(), "standard error": self.err.encode()}
        places |= {f"command line {place}": line for place, line in enumerate(sorted(self.command_lines))}
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            places[f"name {name}"] = name.encode("utf-8", "surrogateescape")
            if path.is_file() and not path.is_symlink():
                places[name] = path.read_bytes()
                places[f"{name} (values)"] = b"\n".join(_values(path))
        return [f"{place}: {form}" for place, data in places.items() for form in found_in(data, secret)]


def _values(path: Path) -> Iterator[bytes]:
    """What a database holds, each value also as it was before it was packed."""
    if path.suffix == ".sqlite":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own name
                    for value in row:
                        raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
                        yield from (raw, *_unpacked(raw))


def _unpacked(raw: bytes) -> Iterator[bytes]:
    for unpack in (zlib.decompress, gzip.decompress):
        with contextlib.suppress(zlib.error, OSError, EOFError):
            yield unpack(raw)


def watched(
    folder: Path,
    *arguments: object,
    variables: Mapping[str, str] = {},
    given: bool = False,
    timeout: float = 300,
) -> Left:
    """The command, run to its end. `given`: its own command line holds the secret, as a careless user may give it."""
    homes = {name: str(folder / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for path in homes.values():
        Path(path).mkdir(exist_ok=True)
    (folder / "work").mkdir(exist_ok=True)
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder / "work",
        env=environment(**{**homes, **variables}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    lines: set[bytes] = set()
    over = threading.Event()
    looking = threading.Thread(target=_look, args=(process.pid, lines, over, given))
    looking.start()
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
        over.set()
        looking.join()
    return Left(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), folder, lines)


def _look(pid: int, lines: set[bytes], over: threading.Event, given: bool) -> None:  # noqa: FBT001
    while not over.wait(_LOOK_EVERY):
        found = {}
        for each in _family(pid):
            with contextlib.suppress(OSError):
                found[each] = Path(f"/proc/{each}/cmdline").read_bytes()
        # A child shows its parent's line until it has become another program.
        lines.update(line for line in found.values() if not (given and line == found.get(pid)))


def _family(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


@dataclass
class Endpoint:
    """What an endpoint that sends secrets back was asked."""

    url: str = ""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    def was_sent(self, secret: str = CANARY) -> bool:
        """Whether a request carried the secret, so that a search for it can fail."""
        return any(secret in value for headers in self.headers for value in headers.values())


def _echo(secret: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(completion())
    body["id"] = f"chatcmpl-{secret}"
    body["choices"][0]["message"]["content"] = DIALOGUE + f"求助者：我看到 {secret}\n支持者：嗯，没关系，我们慢慢说。"
    body["debug"] = {"request": {"headers": {"Authorization": f"Bearer {secret}", "X-Secret": secret}}}
    return body


def _vectors(asked: dict[str, Any], said: str) -> bytes:
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    rows = [
        {"object": "embedding", "index": place, "embedding": [1.0, (len(text) % 7) / 7, place / len(texts)]}
        for place, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": rows, "model": f"e{said}", "usage": usage, "debug": said}).encode()


def _answer(mode: str, path: str, asked: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    if path.endswith("/embeddings") and mode in {"good", "echo"}:
        return 200, {}, _vectors(asked, CANARY if mode == "echo" else "")
    if mode == "echo":
        return 200, {}, json.dumps(_echo(CANARY), ensure_ascii=False).encode()
    if mode == "echo-escaped":
        escaped = json.dumps(_echo(CANARY), ensure_ascii=False).replace(CANARY, forms(CANARY)["JSON in codes"].decode())
        return 200, {}, escaped.encode()
    if mode == "redirect":
        return 302, {"Location": f"http://127.0.0.1:9/{CANARY}"}, b""
    if mode == "html":
        return 500, {"Content-Type": "text/html", "X-Key": CANARY}, f"<html>Bearer {CANARY}</html>".encode()
    if mode.isdigit():
        error = {"code": CANARY, "type": CANARY, "message": f"Incorrect API key provided: {CANARY}", "param": CANARY}
        return int(mode), {"WWW-Authenticate": CANARY}, json.dumps({"error": error}).encode()
    return 200, {}, completion()


@contextlib.contextmanager
def endpoint(mode: str) -> Iterator[Endpoint]:
    """An endpoint on loopback, also a proxy for others. Modes: `good`, `echo`, `echo-escaped`, `redirect`, `html`, or a status."""
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.headers.append(dict(self.headers.items()))
            state.paths.append(self.path)
            if "messages" in asked:
                state.prompts.append(asked["messages"][-1]["content"])
            status, headers, body = _answer(mode, self.path.split("?")[0], asked)
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                **headers,
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
