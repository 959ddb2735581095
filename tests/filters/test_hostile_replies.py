from __future__ import annotations

import gc
import time

import pytest

from filters.rules import Context, judge
from tests.filters.formats import SMILE

CONTEXT = Context(answer="好" * 100, template_text="Ensure that the length of each utterance is appropriate.\n")


def seconds(text: str) -> float:
    """CPU time, the best of three, without the collector: its passes grow with what other tests left behind."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(3):
            start = time.thread_time()
            judge(text, SMILE, context=CONTEXT)
            best = min(best, time.thread_time() - start)
    finally:
        gc.enable()
    return best


@pytest.mark.parametrize("before", ["", "求助者：你好\n支持者："], ids=["alone", "in-an-utterance"])
@pytest.mark.parametrize(
    "unit",
    [
        *(
            " ",
            "：",
            "求助者：",
            "求助者：\n",
            "*",
            "**求助者：",
            '"',
            "\\",
            "\\n",
            "\\n求助者：",
            "1.",
            "（",
            "\n",
            " \n",
            "\u200b",
        ),
        *(
            "a ",
            "a-",
            "作为一个",
            "小明：好\n",
            "比如：好\n",
            '求助者："',
            "[",
            "{",
            "<|",
            "</think>",
            "_",
            "求助者：。支持者：",
            "\r",
        ),
        *("第1轮", "http://", '求助者："\\"', "``` \n", "（好）\n", "**"),
    ],
    ids=repr,
)
def test_time_grows_with_length_not_faster(unit: str, before: str) -> None:
    small = seconds(before + unit * (20_000 // len(unit)))
    large = seconds(before + unit * (80_000 // len(unit)))
    # Four times the text: about four times as long; a square would be sixteen. Half a tenth of a second is noise.
    assert large < 9 * small + 0.05, f"{small:.4f} s, then {large:.4f} s"
