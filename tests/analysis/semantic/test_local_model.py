"""What a person reads where a local model cannot be used, and a real one where the package and a model are at hand."""

from __future__ import annotations

import os
import shutil
import sys
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


def test_a_missing_package_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(LocalModelError, match="install the extra `sentence-transformers`"):
        LocalModel(tmp_path)


@pytest.fixture
def folder() -> Path:
    """A real model's."""
    named = os.environ.get("EXPANDER_EMBEDDING_MODEL")
    if not INSTALLED or named is None:
        pytest.skip("needs sentence-transformers, and EXPANDER_EMBEDDING_MODEL to name a model's folder")
    return Path(named)


@pytest.mark.parametrize("damage", ["a pointer for weights", "no vocabulary", "no pooling"])
def test_a_damaged_model_makes_a_traceback_or_vectors(folder: Path, tmp_path: Path, damage: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    if damage == "a pointer for weights":
        (copy / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    elif damage == "no vocabulary":
        for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
            (copy / name).unlink(missing_ok=True)
    else:
        shutil.rmtree(copy / "1_Pooling")
    with pytest.raises(LocalModelError, match=r"cannot be loaded|has no vocabulary"):
        LocalModel(copy)


def test_texts_that_are_cut_are_not_counted(folder: Path) -> None:
    model = LocalModel(folder)
    assert model.cut(["short", "", "word " * 10_000, "\ud800 " + "睡不着" * 5_000]) == 2


def test_a_local_model_gives_no_unit_vectors(folder: Path) -> None:
    model = LocalModel(folder)
    made = model.embed(["睡不着怎么办", "", "睡不着怎么办", "\ud800 tired"])
    assert made.shape == (4, model.dimensions)
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 0, 1, 1], abs=1e-4)
    assert made[0] == pytest.approx(made[2], abs=1e-4)
