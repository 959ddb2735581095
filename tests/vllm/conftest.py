"""Where the real vLLM and a small model are found."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, SHARED

# For a machine without a GPU that others work on as well, and without a network.
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "OMP_NUM_THREADS": "1",
}
ARGUMENTS = ["--dtype float32 --max-model-len 4096 --max-num-seqs 16 --enforce-eager --block-size 32"]


@pytest.fixture(scope="session")
def vllm() -> str:
    """The executable of a vLLM for CPUs, which `python -m tests.vllm.install FOLDER` installs."""
    named = os.environ.get("EXPANDER_VLLM_EXECUTABLE")
    if not named or not Path(named).exists():
        pytest.skip("no real vLLM: python -m tests.vllm.install FOLDER, then EXPANDER_VLLM_EXECUTABLE=FOLDER/bin/vllm")
    return named


@pytest.fixture(scope="session")
def model(vllm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that writes labelled dialogues, or one of random weights."""
    found = Path(os.environ.get("EXPANDER_VLLM_MODEL", SHARED / "models" / "tiny-smile"))
    if found.is_dir():
        return found
    folder = tmp_path_factory.mktemp("models") / "random"
    script = Path(__file__).with_name("random_model.py")
    posts = REPOSITORY / "expander" / "examples" / "posts.json"
    python = str(Path(vllm).parent / "python")
    subprocess.run([python, str(script), str(posts), str(folder)], check=True, capture_output=True)
    return folder
