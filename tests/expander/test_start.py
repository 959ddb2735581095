"""Ctrl-C before the command line listens, and after it has done its work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

# The command line's module is replaced by one that stands still where a real one is imported, or where it has ended.
PROGRAM = """
import importlib.abc, importlib.machinery, signal, sys, time

signal.signal(signal.SIGINT, signal.SIG_IGN if "ignored" in sys.argv else signal.default_int_handler)

class Slow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "expander.cli" else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        if sys.argv[1] == "import":
            print("here", flush=True)
            time.sleep(60)
        module.main = lambda: None

sys.meta_path.insert(0, Slow())
from expander.start import main
main()
print("here", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["import", "end"])
def test_an_interrupt_makes_a_traceback(moment: str, number: signal.Signals) -> None:
    child = _at(moment)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert (out, err, child.returncode) == ("", "", -number)


def test_an_interrupt_that_was_to_be_ignored_ends_the_program() -> None:
    child = _at("import", "ignored")
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert child.poll() is None
    child.kill()
    child.communicate(timeout=30)


def _at(*words: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    time.sleep(0.1)
    return child
