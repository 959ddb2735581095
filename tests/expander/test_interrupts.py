"""Ctrl-C where Python prints what is raised and goes on: nobody would know that it was pressed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time, weakref
from expander import interrupts

def slow():
    print("here", flush=True)
    time.sleep(0.5)

class Deleted:
    def __del__(self):
        slow()

class Referred:
    pass

interrupts.answer()
try:
    if sys.argv[1] == "deleted":
        Deleted()
    else:
        held = Referred()
        weakref.finalize(held, slow)
        del held
    print("went on", flush=True)
    time.sleep(1)
    print("to the end", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["deleted", "referred"])
def test_an_interrupt_is_lost(where: str, number: signal.Signals) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    time.sleep(0.1)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert (out.removeprefix("went on\n"), err, child.returncode) == ("interrupted\n", "", 0)
