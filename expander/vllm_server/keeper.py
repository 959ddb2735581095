"""Runs one server and leaves none of its processes behind, however the job ends. Started by path, as its own process.

`python -I -S keeper.py GRACE COMMAND ...`: the server's output goes to this process's stderr. Stdin is a pipe whose other
end only the job holds. The kernel closes it when the job ends, SIGKILL included, and that is the sign to stop: SIGTERM to
all of the server's processes, SIGKILL after GRACE seconds to what is left. So nothing depends on the job's own cleaning up.

The keeper is the server's parent, so there is no moment at which the server runs and nobody watches. It has a session of
its own, so neither Ctrl-C nor a signal to the job's process group reaches it. As a child subreaper (prctl(2)) it adopts
processes whose parent died, so that a worker which left the server's process group is found too. Should the keeper itself
be killed, the kernel kills the server's main process (PDEATHSIG), and the job the rest of its process group.

vLLM's processes talk through sockets in a temporary folder, and leave them there when they are killed: here they get a folder
of their own, which goes with the server. Their shared memory would stay too: Python's resource tracker (one of the processes)
removes it once those that used it are gone, if it is left alone for so long.

It prints `started PID FOLDER` and, when every process is gone, `ended CODE` (a signal's number negative) or `stopped`.
Standard library only, and little of it: it starts in some 20 ms and costs the job 8 MB.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
_LOOK_EVERY = 0.1  # seconds between looks at the server and the job
_CANNOT_BE_KILLED = 20.0  # seconds after SIGKILL: what is left then hangs in a driver, and waiting would not end
_TIDYING = 2.0  # seconds that a resource tracker has to end by itself
_TRACKER = b"multiprocessing.resource_tracker"  # in its command line (multiprocessing/resource_tracker.py)
_NO_COMMAND = 127  # the shell's exit code for a command that cannot be run
_SOCKETS = "VLLM_RPC_BASE_PATH"  # vllm/envs.py
_LONGEST_FOLDER = 70  # characters: a socket's whole path may have 107 (unix(7)), its name in there is a UUID of 36


def main(grace: float, command: list[str]) -> None:
    # Some event loops leave copies of the pipes open here. The server would inherit them and hold them beyond our death.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asked_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked_to_end.append(number))
    job = os.getppid()
    with _sockets() as folder:
        server = _start(libc, command)
        say(f"started {server} {folder or ''}")
        end = _watch(server, job, asked_to_end, grace)
    say(end)


def _watch(server: int, job: int, asked_to_end: list[int], grace: float) -> str:
    """Until nothing of the server is left; how it came to that."""
    while True:
        if asked_to_end or _job_ended(job):
            _stop(server, grace)
            return "stopped"
        if (code := _reap().get(server)) is not None:
            _stop(server, 0.0)  # what outlives its main process holds the GPU and serves nobody
            return f"ended {code}"


def say(text: str) -> None:
    with suppress(OSError):  # the job is gone, and nobody reads
        os.write(1, f"{text}\n".encode())


@contextmanager
def _sockets() -> Iterator[Path | None]:
    """A folder for the server's sockets; None where the user has named one or there is no room for a name that long."""
    folder = Path(os.environ.get("TMPDIR", "/tmp"), f"vllm-{os.getpid()}-{time.time_ns():x}")  # noqa: S108
    if _SOCKETS in os.environ or len(str(folder)) > _LONGEST_FOLDER:
        yield None
        return
    with suppress(OSError):
        folder.mkdir(mode=0o700)
        os.environ[_SOCKETS] = str(folder)
    yield folder
    with suppress(OSError):
        for each in folder.iterdir():
            each.unlink(missing_ok=True)
        folder.rmdir()


def _start(libc: ctypes.CDLL, command: list[str]) -> int:
    """The server's process id, which is its process group's too."""
    pid = os.fork()
    if pid:
        with suppress(OSError):  # the child does the same: whoever comes first
            os.setpgid(pid, pid)
        return pid
    try:
        os.setpgid(0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.execvp(command[0], command)  # noqa: S606 - the user's own vllm
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(_NO_COMMAND)


def _job_ended(job: int) -> bool:
    """Waits a little. A job that forked a child without exec leaves a copy of the pipe behind: its own death counts too."""
    readable, _, _ = select.select([0], [], [], _LOOK_EVERY)
    return bool(readable and not os.read(0, 1)) or os.getppid() != job


def _reap() -> dict[int, int]:
    """Exit codes of the processes that have ended, by process id."""
    ended = {}
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def _stop(server: int, grace: float) -> None:
    _signal(server, signal.SIGTERM if grace else signal.SIGKILL, all_of_them=False)
    begun = time.monotonic()
    while _any_left():
        waited = time.monotonic() - begun
        if waited > grace:
            # Again and again: each may have started another meanwhile.
            _signal(server, signal.SIGKILL, all_of_them=waited > grace + _TIDYING)
        if waited > grace + _CANNOT_BE_KILLED:
            return
        time.sleep(0.02)


def _signal(server: int, number: signal.Signals, *, all_of_them: bool) -> None:
    """To all processes, or to all but the resource trackers."""
    if all_of_them:
        with suppress(OSError):
            os.killpg(server, number)
    for pid in _descendants():
        with suppress(OSError):
            if all_of_them or _TRACKER not in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, number)


def _any_left() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> set[int]:
    """Every process below this one. A child's line in /proc names its parent after the name in brackets."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                )
    found: set[int] = set()
    edge = {os.getpid()}
    while edge:
        edge = {pid for pid, parent in parents.items() if parent in edge} - found
        found |= edge
    return found


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
