"""The short form of the disk campaign: every kind of damage, seeds fixed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
def test_a_damaged_store_loses_a_reply_without_a_word(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.disk", "--corruptions", "30", "--report", str(report)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(report.read_text("utf-8"))
    assert said["broken"] == []
    assert len(said["trials"]) == 30
    assert {"resumed", "refused and recovered"} <= {trial["end"] for trial in said["trials"]}
