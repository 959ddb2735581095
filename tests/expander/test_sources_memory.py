"""Streaming: a file of any length is read in the memory of a small one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

ROOT = Path(__file__).resolve().parents[2]

PEAK = """
import sys
from pathlib import Path
from expander.sources import read_posts
rows = sum(1 for _ in read_posts(Path(sys.argv[1])))
status = Path("/proc/self/status").read_text()
print(rows, status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc (Linux)")
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.jsonl.zst"])
def test_memory_grows_with_the_file(tmp_path: Path, name: str) -> None:
    row = {"question": "问" * 50, "description": "说明" * 100, "answer": "回答。" * 300}
    text = json.dumps(row, ensure_ascii=False)
    units = {
        "a.json": (b"[", f"{text},\n".encode(), text.encode() + b"]"),
        "a.jsonl": (b"", f"{text}\n".encode(), b""),
        "a.jsonl.zst": (b"", f"{text}\n".encode(), b""),
        "a.csv": (b"question,description,answer\n", (",".join(row.values()) + "\n").encode(), b""),
    }
    head, unit, tail = units[name]
    peaks = []
    for size in (1_000_000, 60_000_000):
        count = size // len(unit)
        content = head + unit * count + tail
        file = tmp_path / name
        file.write_bytes(zstandard.compress(content) if name.endswith("zst") else content)
        del content
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(file)], cwd=ROOT, capture_output=True, check=True, text=True
        )
        rows, kibibytes = map(int, done.stdout.split())
        assert rows == count + (name == "a.json")
        peaks.append(kibibytes / 1024)
    assert peaks[1] - peaks[0] < 16, peaks
