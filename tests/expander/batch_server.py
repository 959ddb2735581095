"""A Batch API for tests, independent of the project: takes files, makes batches, answers them when told, and misbehaves.

It runs in a thread of the test, so a test can look at what was sent and say what becomes of each batch.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""From a request line, the result line without its custom_id."""


class BatchService:
    """What the service holds. Set `faults` to statuses by `METHOD /path`, each served once and in order."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.keys: set[str] = set()
        self.faults: dict[str, list[int]] = {}
        self.lose_created = 0
        """So many batches are made, and the answer that says so is lost."""
        self.cut_downloads = 0
        """So many downloads end in the middle."""
        self.url = ""

    def finish(self, batch_id: str, answer: Answer, *, status: str = "completed", only: int | None = None) -> None:
        """End a batch: its first `only` requests (all, if None) answered; those without a 200 into the error file."""
        batch = self.batches[batch_id]
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        results = [{"custom_id": line["custom_id"], **answer(line)} for line in lines[:only]]
        unreached = {"code": "batch_expired", "message": "This request could not be executed in time."}
        if status == "expired":
            results += [{"custom_id": line["custom_id"], "response": None, "error": unreached} for line in lines[only:]]
        good = [line for line in results if line["response"] and line["response"]["status_code"] == 200]
        bad = [line for line in results if line not in good]
        batch |= {
            "status": status,
            "output_file_id": self._add("output", good),
            "error_file_id": self._add("error", bad),
            "request_counts": {"total": len(lines), "completed": len(good), "failed": len(bad)},
        }

    def fail(self, batch_id: str, code: str) -> None:
        """End a batch before its first request."""
        errors = {"object": "list", "data": [{"code": code, "message": "secret prompt sk-secret", "line": None}]}
        self.batches[batch_id] |= {"status": "failed", "errors": errors}

    def _add(self, kind: str, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        name = f"file-{kind}-{len(self.files)}"
        self.files[name] = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        return name

    def upload(self, content_type: str, body: bytes) -> dict[str, Any]:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        assert parts["purpose"].get_payload(decode=True) == b"batch"
        content = parts["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        name = f"file-input-{len(self.files)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "created_at": 1, "purpose": "batch"}

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "created_at": 1,
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            **asked,
        }
        return self.batches[name]


@contextmanager
def batch_service() -> Iterator[BatchService]:
    service = BatchService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self._refused():
                return
            if self.path == "/v1/files":
                self._json(service.upload(self.headers["Content-Type"], body))
            elif self.path == "/v1/batches":
                made = service.create(json.loads(body))
                if service.lose_created:
                    service.lose_created -= 1
                    self.close_connection = True
                    return
                self._json(made)
            else:
                self._json({"error": {"code": "nothing-here"}}, 404)

        def do_GET(self) -> None:
            if self._refused():
                return
            parts = self.path.split("?")[0].split("/")
            if parts[2:] == ["batches"]:
                listed = list(reversed(service.batches.values()))
                self._json({"object": "list", "data": listed, "has_more": False})
            elif parts[2] == "batches" and parts[3] in service.batches:
                self._json(service.batches[parts[3]])
            elif parts[2] == "files" and parts[3] in service.files and parts[4:] == ["content"]:
                content = service.files[parts[3]]
                if service.cut_downloads:
                    service.cut_downloads -= 1
                    lines = content.splitlines(keepends=True)
                    content = b"".join(lines[: len(lines) // 2])
                self._send(200, content)
            else:
                self._json({"error": {"code": "nothing-here"}}, 404)

        def _refused(self) -> bool:
            what = f"{self.command} {self.path.split('?')[0]}"
            service.asked.append(what)
            service.keys.add(self.headers["Authorization"])
            waiting = service.faults.get(what)
            if not waiting:
                return False
            self._json({"error": {"code": "some_code", "message": "your key sk-secret"}}, waiting.pop(0))
            return True

        def _json(self, value: object, status: int = 200) -> None:
            self._send(status, json.dumps(value).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0.05")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
