"""Ctrl-C while an event loop is closed: neither a thread's traceback nor a program that cannot be stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio, sys, time
from expander import event_loop

def work():
    print("at work", flush=True)
    time.sleep(float(sys.argv[1]))

async def main():
    thread = asyncio.get_running_loop().run_in_executor(None, work)
    await asyncio.sleep(0.2)  # the loop is closed while the thread is at work
    print("closing", flush=True)

try:
    event_loop.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_closes_the_loop_under_a_thread(number: signal.Signals) -> None:
    child = _closing(seconds=1)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert (out, err, child.returncode) == ("interrupted\n", "", 0)


def test_a_thread_that_does_not_end_holds_the_program() -> None:
    child = _closing(seconds=60)
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)  # two at once are one to the system
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (out, err, child.returncode) == ("", "", 130)


def _closing(seconds: float) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert [child.stdout.readline(), child.stdout.readline()] == ["at work\n", "closing\n"]
    time.sleep(0.2)
    return child
