"""What counts as an embedding, and which text stands for a dialogue."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.semantic.embedder import embedded, scaled_to_length_1, text_of
from filters.dialogue import Dialogue
from tests.analysis.making import dialogue


def test_the_text_of_a_dialogue_holds_more_than_its_utterances() -> None:
    assert text_of(dialogue("睡不着", "", "多久了？\n", "\ud800")) == "睡不着多久了？\n\ud800"
    assert text_of(Dialogue(())) == ""


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_scaling_loses_small_or_large_values(scale: float) -> None:
    found = scaled_to_length_1(np.array([[3.0, 4.0], [0.0, 0.0], [-1.0, 0.0]]) * scale)
    assert found == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]]))
    assert embedded(found).tolist() == [True, False, True]


def test_no_row_or_no_column_makes_a_traceback() -> None:
    assert embedded(np.zeros((0, 5), dtype=np.float32)).tolist() == []
    assert embedded(np.zeros((2, 0), dtype=np.float32)).tolist() == [False, False]
    with pytest.raises(ValueError, match="one row a text"):
        embedded(np.zeros(3, dtype=np.float32))
