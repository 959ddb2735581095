"""Where the tests find real data, and the project's own pieces that many of them start from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


def _folder(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, SHARED / name))
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set {variable} to run this test")
    return folder


@pytest.fixture
def data() -> Path:
    """The folder of real data."""
    return _folder("EXPANDER_DATA", "data")


@pytest.fixture
def papers() -> Path:
    """The folder of papers."""
    return _folder("EXPANDER_PAPERS", "papers")
