"""The job through its own vLLM server, beside vLLM's offline run on the same prompts, model and lengths.

    python benchmarks/vllm_throughput.py --vllm-executable ENV/bin/vllm [--model FOLDER] [--rows 2000] [--tokens 600]

On a machine with a GPU. Both sides get the same prompts (what `batch export` writes for SMILE's template), and every reply has
exactly `--tokens` tokens, so that neither has less to do. Times run from the first request to the last reply; loading is in neither.
The goal is a ratio of 0.95: what HTTP, storing and judging may cost.

Without `--model`, a model of random weights is made in the shape of Qwen2-7B (`--shape 7b`), with a tokenizer trained on the
project's examples: speed does not depend on what the weights are. vLLM fills it itself (`--load-format dummy`), so nothing is
fetched and only its configuration is on disk. `--shape tiny` is for a trial without a GPU: its figures say that the command
works, and nothing of a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.client_cost import EXAMPLES, HERE, write_posts

SHAPES: dict[str, dict[str, object]] = {
    # Qwen2-7B's config.json as published by its authors, without the names of its tokens.
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
    },
    "tiny": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 2048,
        "max_position_embeddings": 8192,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
    },
}
COMMON = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "torch_dtype": "bfloat16",
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "use_cache": True,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


class Side(NamedTuple):
    """What one side did."""

    requests: int
    prompt_tokens: int
    generated_tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Generated tokens a second."""
        return self.generated_tokens / self.seconds


def make_model(folder: Path, shape: str, executable: str) -> Path:
    """A configuration and a tokenizer; the weights are vLLM's to make up."""
    script = HERE.parent / "tests" / "vllm" / "random_model.py"
    subprocess.run([str(Path(executable).parent / "python"), str(script), str(EXAMPLES), str(folder)], check=True)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    (folder / "config.json").write_text(json.dumps(COMMON | SHAPES[shape]))
    return folder


def offline(executable: str, requests: Path, tokens: int, model: Path, arguments: list[str]) -> Side:
    python = str(Path(executable).parent / "python")
    command = [python, str(HERE / "vllm_offline.py"), str(requests), str(tokens), "--model", str(model), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"vLLM's offline run ended with {done.returncode}")
    found = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))  # vLLM logs there too
    return Side(**json.loads(found))


class CpuWatch(threading.Thread):
    """CPU seconds of one process, its children left out, as the kernel last told them."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._stat = Path(f"/proc/{pid}/stat")
        self.seconds = 0.0

    def run(self) -> None:
        with suppress(OSError):
            while True:
                fields = self._stat.read_text().rpartition(")")[2].split()
                self.seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                time.sleep(0.2)


def through_the_job(command: list[str], folder: Path) -> tuple[Side, float, str]:
    """The job's side, its CPU seconds, and what it said of its server."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        watch = CpuWatch(process.pid)
        watch.start()
        said = process.stderr.read()
    if process.returncode:
        sys.exit(f"the job ended with {process.returncode}:\n{said}")
    with closing(sqlite3.connect(folder / "store.sqlite")) as store:
        row = store.execute(
            "SELECT count(*), sum(prompt_tokens), sum(completion_tokens), max(received) - min(received - seconds) FROM reply"
        ).fetchone()
    lines = [line for line in said.splitlines() if line.startswith("vLLM:") and "prefix cache" in line]
    return Side(*row), watch.seconds, lines[-1] if lines else "(the job said nothing of its server)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vllm-executable", required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--shape", choices=list(SHAPES), default="7b")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=600)
    parser.add_argument("--concurrency", type=int, help="fixed instead of found")
    parser.add_argument(
        "--vllm-arg", action="append", default=[], help="for both sides, such as --vllm-arg=--dtype=half"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(options, Path(name))


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Run both and print what they did."""
    arguments = [part for entry in options.vllm_arg for part in shlex.split(entry)]
    model = options.model
    if model is None:
        model = make_model(folder / "model", options.shape, options.vllm_executable)
        arguments += ["--load-format", "dummy"]
    posts, requests, run = folder / "posts.jsonl", folder / "requests.jsonl", folder / "run"
    write_posts(posts, options.rows)
    exact = json.dumps({"ignore_eos": True, "min_tokens": options.tokens})
    request = ["--max-tokens", str(options.tokens), "--extra-body", exact]
    program = [sys.executable, str(HERE.parent / "run.py")]
    export = ["batch", "export", str(posts), "--model", "m", "--out", str(folder / "export"), "-o", str(requests)]
    subprocess.run([*program, *export, *request], check=True, stdout=subprocess.DEVNULL)
    theirs = offline(options.vllm_executable, requests, options.tokens, model, arguments)
    own = [f"--vllm-arg={shlex.quote(argument)}" for argument in arguments]
    fixed = ["--concurrency", str(options.concurrency)] if options.concurrency else []
    expand = ["expand", str(posts), "--vllm", str(model), "--vllm-executable", options.vllm_executable]
    ours, cpu, said = through_the_job([*program, *expand, *own, *request, *fixed, "--out", str(run)], run)
    if ours[:3:2] != theirs[:3:2]:
        print(f"NOT THE SAME WORK: offline {theirs}, job {ours}")
    in_flight = re.search(r"(\d+) requests in flight", said)
    print(f"offline: {theirs.requests:,} requests, {theirs.generated_tokens:,} tokens in {theirs.seconds:.1f} s")
    print(f"job:     {ours.requests:,} requests, {ours.generated_tokens:,} tokens in {ours.seconds:.1f} s")
    print(f"tokens/s: offline {theirs.rate:,.0f}, job {ours.rate:,.0f}; ratio {ours.rate / theirs.rate:.3f}")
    print(f"concurrency {'given' if options.concurrency else 'found'}: {in_flight[1] if in_flight else 'unknown'}")
    print(f"client CPU: {cpu:.1f} s, {cpu / ours.requests * 1000:.1f} ms a request, start and results included")
    print(said)


if __name__ == "__main__":
    main()
