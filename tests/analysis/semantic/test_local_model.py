"""What a person reads where a local model cannot be used, and a real one where the package and a model are at hand."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from analysis.semantic.local_model import LocalModel, LocalModelError

INSTALLED = find_spec("sentence_transformers") is not None


@pytest.mark.parametrize("name", ["absent", "empty", "file"])
def test_a_folder_without_a_model_is_taken_or_looked_up_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(LocalModelError, match="give a local folder"):
        LocalModel(tmp_path / name)


@pytest.mark.skipif(INSTALLED, reason="the package is installed")
def test_a_missing_package_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(LocalModelError, match="install the extra `sentence-transformers`"):
        LocalModel(tmp_path)


@pytest.mark.skipif(not INSTALLED, reason="the package sentence-transformers is not installed")
def test_a_local_model_gives_no_unit_vectors() -> None:
    folder = os.environ.get("EXPANDER_EMBEDDING_MODEL")
    if folder is None:
        pytest.skip("set EXPANDER_EMBEDDING_MODEL to a model's folder to run this test")
    model = LocalModel(Path(folder))
    made = model.embed(["睡不着怎么办", "", "睡不着怎么办", "\ud800 tired"])
    assert made.shape == (4, model.dimensions)
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 0, 1, 1], abs=1e-4)
    assert made[0] == pytest.approx(made[2], abs=1e-4)
