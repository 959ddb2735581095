"""What the lines of a vLLM server's log say: how far loading has come, and why the server died."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

INSTALL = (
    "--vllm needs vLLM 0.12 or newer (Linux, an NVIDIA GPU): pip install 'dialogue-expander[vllm]', or name the vllm "
    "executable of another environment in EXPANDER_VLLM_EXECUTABLE."
)

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PREFIX = re.compile(
    r"^(?:\([^()]*pid=\d+\)\s?)?"  # the process
    r"(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+[\d-]+ [\d:]+ \[[^\]]*\]\s?|(?:INFO|WARNING|ERROR):\s+)?"
)
_MOST_SHOWN = 300  # characters of a log line in a message: one or two lines of a terminal

# Loading, in the words of vLLM 0.26 to 0.32: (what the line holds, what the user is told). A group is put in for {}.
_STAGES = (
    (re.compile(r"non-default args"), "starting"),
    (
        re.compile(r"Fetching \d{1,9} files:\s{1,9}(\d{1,3})%|Downloading.{0,200}?(\d{1,3})%"),
        "downloading the model: {} %",
    ),
    (re.compile(r"Time spent downloading weights"), "the model is downloaded"),
    (re.compile(r"Starting to load model"), "loading the model"),
    (re.compile(r"[Ll]oading .{0,80}checkpoint shards:\s{1,9}(\d{1,3})%"), "loading weights: {} %"),
    (re.compile(r"Dynamo bytecode transform|Compiling a graph|torch\.compile takes"), "compiling"),
    (re.compile(r"KV cache size: ([\d,]+) tokens"), "room for {} tokens in the KV cache"),
    (re.compile(r"Maximum concurrency for .{0,80}: ([\d.]{1,20})x"), "room for {} longest requests at once"),
    (re.compile(r"Capturing CUDA graphs.{0,200}?(\d{1,3})%"), "capturing CUDA graphs: {} %"),
)

_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?:: .*|$)")
# What vLLM says of another process's error. The error itself stands before it.
_OF_ANOTHER = re.compile(
    r"EngineDeadError|stack trace|Engine core initialization failed|Worker failed with error|"
    r"WorkerProc (?:initialization failed|hit an exception)|EngineCore (?:failed to start|encountered a fatal error)|"
    r"Failed core proc"
)


class _Known(NamedTuple):
    """A reason that has a remedy."""

    sign: re.Pattern[str]
    reason: str
    hint: str


_LESS_MEMORY = (
    "Give it less to hold: --vllm-arg=--max-model-len=4096, --vllm-arg=--max-num-seqs=64, a smaller or quantized model."
)
_KNOWN = (
    _Known(re.compile(r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED"), "the GPU's memory is full", _LESS_MEMORY),
    _Known(
        re.compile(r"Free memory on device .{0,200} is less than desired"),
        "another process holds the GPU's memory",
        "End it (nvidia-smi names it), or lower --vllm-arg=--gpu-memory-utilization=0.8.",
    ),
    _Known(
        re.compile(r"No available memory for the cache blocks|larger than the available KV cache memory"),
        "no room is left for the KV cache",
        _LESS_MEMORY,
    ),
    _Known(re.compile(r"[Aa]ddress already in use|EADDRINUSE"), "its port is in use", "Run the command again."),
    _Known(re.compile(r"No space left on device"), "a disk is full", "Make room where the model or the cache is stored."),
    _Known(
        re.compile(r"Repository Not Found|Invalid repository ID|is not a valid model identifier|RepositoryNotFoundError"),
        "there is no such model",
        "Give --vllm a folder with a model, or its name on the Hugging Face hub.",
    ),
    _Known(
        re.compile(r"GatedRepoError|gated repo|LocalEntryNotFoundError|OfflineModeIsEnabled"),
        "the model cannot be fetched",
        "Fetch it first (hf download), or log in to the hub (hf auth login).",
    ),
    _Known(re.compile(r"error: (?:unrecognized arguments|argument )"), "it refuses an argument", "See `vllm serve --help`."),
    _Known(
        re.compile(
            r"Failed to infer device type|No module named '?(?:vllm|torch)|PackageNotFoundError|cannot run |"
            r"NVIDIA driver on your system is too old|error while loading shared libraries|undefined symbol|"
            r"cannot open shared object file|invalid choice: 'serve'"
        ),
        "this vllm does not work on this machine",
        INSTALL,
    ),
)  # fmt: skip
_KILLED = -9
_KILLED_HINT = "Something killed it; when memory runs out, the kernel does (dmesg says so)."


class Death(NamedTuple):
    """Why a server died."""

    reason: str
    """Half a sentence, with the log's own words where they say more."""
    hint: str

    def __str__(self) -> str:
        return f"{self.reason}. {self.hint}".rstrip()


def plain(line: str) -> str:
    """A log line without colours, process, time and place; control characters become spaces."""
    text = _PREFIX.sub("", _COLOUR.sub("", line), count=1)
    return "".join(c if c.isprintable() else " " for c in text).strip()


def stage(line: str) -> str | None:
    """What a plain line says of loading, in a few words; None where it says nothing of it."""
    for sign, words in _STAGES:
        if match := sign.search(line):
            return words.format(next((group for group in match.groups() if group), ""))
    return None


def death(lines: Sequence[str], code: int | None) -> Death:
    """Why the server died whose life wrote these plain lines; `code` is its exit code, a signal's number negative."""
    errors = [line for line in lines if _EXCEPTION.match(line) or "error: " in line or line.startswith("cannot run ")]
    said = _cause(errors)
    for line in [said, *reversed(errors)]:
        for known in _KNOWN:
            if known.sign.search(line):
                return Death(f"{known.reason} ({_short(line)})", known.hint)
    if said:
        return Death(_short(said), "")
    if code == _KILLED:
        return Death("it was killed (SIGKILL)", _KILLED_HINT)
    last = next((line for line in reversed(lines) if line), "")
    if code is None:
        ended = "it no longer answered and was ended, or the process that keeps it was killed"
    else:
        ended = f"it ended with exit code {code}" if code >= 0 else f"it was ended by signal {-code}"
    return Death(ended + (f"; its last line: {_short(last)}" if last else ""), "")


def _cause(errors: Sequence[str]) -> str:
    """The last error before the first that only speaks of another's. What follows is what it tore down with it."""
    cause = ""
    for line in errors:
        if _OF_ANOTHER.search(line):
            if cause:
                break
            continue
        cause = line
    return cause


def _short(line: str) -> str:
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}..."


class Novelty:
    """Tells progress from waiting aloud: a line counts once, whatever numbers of seconds it counts up.

    Percentages stay in: a progress bar's line is new as long as it moves.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def is_new(self, line: str) -> bool:
        known = re.sub(r"\d+(?![\d%])", "#", line) if "%" not in line else line.partition("%")[0]
        if not known or known in self._seen:
            return False
        self._seen.add(known)
        return True
