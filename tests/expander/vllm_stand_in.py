"""Behaves like `vllm serve` without a model: the same log lines, routes, processes and ways to die. Standard library only.

`vllm_stand_in.py serve MODEL --host H --port P ...`. MODEL says how it behaves (`sound`, `slow`, `roomy`, `mute`, `oom`, `refused`,
`broken`, `old`, `port-taken`, `sick`); a prompt with CRASH in it kills its engine, whose death is that of a real one.
$STAND_IN_FOLDER takes what it did: `pids`, `started`, `posts`, `keys`, `most`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.resource_tracker import getfd
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from tempfile import gettempdir

FOLDER = Path(os.environ["STAND_IN_FOLDER"])
DEAD = threading.Event()
DIALOGUE = "\n".join(f"求助者：我第{n}晚又没睡好，很烦。\n支持者：第{n}晚发生了什么？愿意说说吗？" for n in range(6))

# Ignores SIGTERM, as an engine does that is busy; its own child leaves the process group, as some launchers' do.
ENGINE = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1:] != ["worker"]:
    worker = subprocess.Popen([sys.executable, __file__, "worker"], start_new_session=True)
    with open(sys.argv[1], "a") as file:
        print(worker.pid, file=file)
time.sleep(600)
"""

TRACE = """(Worker pid=7) ERROR 11-21 09:38:43 [multiproc_executor.py:1063] WorkerProc hit an exception.
(Worker pid=7) ERROR 11-21 09:38:43 [multiproc_executor.py:1063] Traceback (most recent call last):
(Worker pid=7) ERROR 11-21 09:38:43 [multiproc_executor.py:1063] {error}
(EngineCore pid=6) ERROR 11-21 09:38:43 [core.py:1512] EngineCore encountered a fatal error.
(EngineCore pid=6) ERROR 11-21 09:38:43 [core.py:1512] RuntimeError: Worker failed with error '...', please check the stack trace
(APIServer pid=5) ERROR 11-21 09:38:43 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.
ConnectionResetError: [Errno 104] torn down with the rest
"""


def log(line: str) -> None:
    sys.stderr.write(f"(APIServer pid={os.getpid()}) INFO 11-21 09:36:15 [model.py:733] {line}\n")
    sys.stderr.flush()


def die(error: str) -> None:
    sys.stderr.write(TRACE.format(error=error))
    sys.stderr.flush()


def wait_for_worker(engine: subprocess.Popen[bytes]) -> None:
    """Until the engine has written its child's number, as a test counts all three; an earlier one may have died before."""
    until = time.monotonic() + 5
    while engine.poll() is None and (FOLDER / "pids").read_text().count("\n") % 3 and time.monotonic() < until:
        time.sleep(0.01)


class Running:
    """How many requests are at work, and how many were at most: the file `most` has it."""

    def __init__(self) -> None:
        self.count = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.count += 1
            if self.count > self.most:
                self.most = self.count
                (FOLDER / "most").write_text(str(self.most))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.count -= 1


RUNNING = Running()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = ""

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(503 if DEAD.is_set() else 200)
        elif self.path == "/version":
            self.answer(200, json.dumps({"version": "0.9.1" if self.model == "old" else "0.32.0"}).encode())
        else:
            self.answer(200, b'vllm:num_requests_running{engine="0"} %d\n' % RUNNING.count)

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][-1]["content"]
        with (FOLDER / "posts").open("a") as file:
            file.write(prompt.split()[0] + "\n")
        with (FOLDER / "keys").open("a") as file:
            file.write(f"{self.headers['Authorization']}\n")
        with RUNNING:
            time.sleep(2.0 if self.model == "roomy" else 0.3 if "SLOW" in prompt else 0)
        if DEAD.is_set():
            self.answer(500, b"{}")
        elif "CRASH" in prompt and ("ALWAYS" in prompt or lives() == 1):
            DEAD.set()
            die("RuntimeError: CPU Generator does not use offset")
            self.answer(500, b'{"error": {"code": 500}}')
            if self.model != "sick":
                threading.Timer(0.3, os._exit, (0,)).start()
        else:
            said = DIALOGUE if "求助者" in prompt else "ok"
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
            body = {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": request["model"],
                "choices": [choice],
            }
            self.answer(200, json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def lives() -> int:
    return len((FOLDER / "started").read_text().splitlines())


def main() -> None:
    arguments = sys.argv[1:]
    assert arguments[0] == "serve"
    model = Path(arguments[1]).name
    port = int(arguments[arguments.index("--port") + 1])
    with (FOLDER / "started").open("a") as file:
        file.write(" ".join(arguments) + "\n")
    log("non-default args: {}")
    if model == "broken":
        sys.exit("ModuleNotFoundError: No module named 'torch'")
    if model == "refused":
        sys.exit("usage: vllm serve ...\nvllm: error: unrecognized arguments: --nonsense")
    if model == "port-taken" and lives() == 1:
        sys.exit("OSError: [Errno 98] Address already in use")
    socket.socket(socket.AF_UNIX).bind(f"{os.environ.get('VLLM_RPC_BASE_PATH', gettempdir())}/{uuid.uuid4()}")
    with (FOLDER / "shared").open("a") as file:
        file.write(f"{SharedMemory(create=True, size=4096).name}\n")
    engine_file = FOLDER / "engine.py"
    engine_file.write_text(ENGINE)
    # The engine shares the resource tracker of its parent, as one does that multiprocessing started.
    tracker = getfd()
    assert tracker is not None
    engine = subprocess.Popen([sys.executable, str(engine_file), str(FOLDER / "pids")], pass_fds=[tracker])
    with (FOLDER / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n{engine.pid}\n")
    wait_for_worker(engine)
    if model == "oom":
        die("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
        os._exit(1)
    if model == "slow":
        for share in (0, 25, 50, 75, 100):
            sys.stderr.write(f"\rLoading safetensors checkpoint shards: {share:3d}% Completed | 1/4 [00:00<00:00]")
            sys.stderr.flush()
            time.sleep(0.4)
    while model == "mute":
        log(f"Waiting for 1 local core engine proc(s) to start, {time.monotonic():.0f} seconds by now.")
        time.sleep(0.1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Handler.model = model
    ThreadingHTTPServer.request_queue_size = 256
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        log("Application startup complete.")
        server.serve_forever()


if __name__ == "__main__":
    main()
