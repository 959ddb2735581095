"""What an ablation adds to a report: the front, prompts beside each other, kept rates, and texts that stay texts."""

from __future__ import annotations

import pytest

from analysis.ablation.compose import with_ablation
from analysis.ablation.diffs import prompt_diff
from analysis.ablation.inputs import ArmInput, RowAccount, account_frame, paired_rows
from analysis.ablation.outcomes import refusals
from analysis.ablation.pareto import front_of
from analysis.figures import Comparison
from analysis.report.files import tables, to_json
from analysis.report.model import Report
from analysis.report.page import page
from analysis.report.parts.means import Resampling
from tests.analysis.report.making import ARMS, HOSTILE, rich


def row(
    post: int, *, kept: bool = True, replies: int = 1, refused: tuple[str, ...] = (), tokens: int | None = 100
) -> RowAccount:
    return RowAccount(
        post=f"post-{post}",
        sample=0,
        kept=kept,
        failed=not replies,
        replies=replies,
        prompt_tokens=tokens,
        completion_tokens=tokens,
        refused=refused,
    )


def arm(name: str, rows: list[RowAccount], prompt: str = "one\ntwo", **settings: str) -> ArmInput:
    return ArmInput(name=name, settings=settings, prompt=prompt, rows=rows, price_in=1.0, price_out=3.0)


def ablation() -> Report:
    arms = [
        arm(ARMS[0], [row(post, tokens=100 + post % 7) for post in range(40)], template="smile"),
        arm(
            ARMS[1],
            [row(post, kept=post % 4 > 0, refused=() if post % 4 else ("few-turns",)) for post in range(40)],
            prompt="\n".join(HOSTILE),
            template=HOSTILE[0],
        ),
        arm(ARMS[2], [row(post, replies=2, refused=("no-label",)) for post in range(40)], prompt="", template="x"),
    ]
    return with_ablation(rich(), arms, baseline=ARMS[0], currency="USD", seed=0)


@pytest.mark.parametrize(
    ("values", "front"),
    [
        ({"a": (1.0, 1.0), "b": (2.0, 2.0), "c": (3.0, 1.5)}, {"a", "b"}),
        ({"a": (1.0, 1.0), "b": (1.0, 1.0)}, {"a", "b"}),
        ({"a": (1.0, 1.0), "b": (1.0, 2.0)}, {"b"}),
        ({"a": (1.0, 5.0), "b": (2.0, 5.0)}, {"a"}),
        ({}, set()),
    ],
    ids=["beaten-in-both", "equal", "dearer-by-nothing", "no-better-for-more", "none"],
)
def test_a_beaten_arm_is_on_the_front(values: dict[str, tuple[float, float]], front: set[str]) -> None:
    assert front_of(values, more_is_better=True) == front
    turned = {name: (cost, -value) for name, (cost, value) in values.items()}
    assert front_of(turned, more_is_better=False) == front


def test_a_diff_loses_a_line() -> None:
    old = [f"line {number}" for number in range(30)]
    new = [*old[:10], "new", *old[11:20], *old[22:]]
    lines = prompt_diff("\n".join(old), "\n".join(new))
    assert [line.text for line in lines if line.change == "removed"] == ["line 10", "line 20", "line 21"]
    assert [line.text for line in lines if line.change == "added"] == ["new"]
    same = sum(line.change == "same" for line in lines)
    hidden = sum(int(line.text.split()[0]) for line in lines if line.change == "left out")
    assert same + hidden == 27
    assert prompt_diff("a\nb", "a\nb") == ()


def test_arms_are_paired_by_place_and_not_by_post() -> None:
    one = account_frame(arm("a", [row(3), row(1), row(2)]))
    other = account_frame(arm("b", [row(1), row(2), row(9)]))
    mine, theirs = paired_rows(one, other)
    assert [one.index[at] for at in mine] == [other.index[at] for at in theirs] == [("post-1", 0), ("post-2", 0)]


def test_money_counts_one_price_twice() -> None:
    frame = account_frame(arm("a", [row(1, tokens=1_000_000), row(2, tokens=None)]))
    assert frame["money"].iloc[0] == 4.0
    assert frame["money"].isna().iloc[1]


def test_refused_replies_are_counted_as_posts() -> None:
    rows = [row(1, replies=3, refused=("few-turns", "no-label")), row(2), row(3, kept=False, refused=("few-turns",))]
    found = {(each.arm, each.rule): each for each in refusals([arm("a", rows), arm("b", [row(1)])], Resampling(seed=0))}
    assert found["a", "few-turns"].replies == 2
    assert found["a", "few-turns"].share == pytest.approx(2 / 5)
    assert found["b", "few-turns"].share == 0
    assert found["a", "no-label"].replies == 1


def test_kept_rates_are_wrong_or_escape_the_correction() -> None:
    report = ablation()
    values = {(each.metric, each.corpus): each.value for each in report.figures}
    assert values["kept_posts", ARMS[1]] == pytest.approx(0.75)
    assert values["kept_replies", ARMS[2]] == pytest.approx(0.5)
    assert values["tokens_per_kept", ARMS[1]] == pytest.approx(200 / 0.75)
    assert values["money_per_1000_kept", ARMS[1]] == pytest.approx(400 / 0.75 / 1e3)
    held = {(each.metric, each.corpus): each for each in report.comparisons}
    fewer = held["kept_posts", ARMS[1]]
    assert fewer.difference == pytest.approx(-0.25)
    assert fewer.interval is not None
    assert fewer.interval.low < -0.25 < fewer.interval.high < 0
    tested: list[Comparison] = [each for each in report.comparisons if each.p is not None]
    assert all(each.p_corrected is not None for each in tested)
    smallest = min(tested, key=lambda each: each.p or 0.0)
    assert smallest.p_corrected == pytest.approx(min(1.0, (smallest.p or 0.0) * len(tested)))
    assert report.settings["correction"] == f"Holm over {len(tested)} comparisons"


def test_an_arm_that_kept_nothing_is_not_named_at_once() -> None:
    rows = [
        row(post, kept=False, replies=2, refused=("few-turns", "few-turns" if post else "no-label"))
        for post in range(9)
    ]
    arms = [arm(ARMS[0], [row(post) for post in range(9)]), arm(ARMS[1], [*rows, row(9, kept=False, replies=0)])]
    first = with_ablation(rich(), arms, baseline=ARMS[0], currency="USD", seed=0).answers[0]
    assert first.sentences == (
        f"Dialogues kept, of the rows that got a reply: {ARMS[0]} 9 of 9, {ARMS[1]} 0 of 9.",
        f"{ARMS[1]} kept nothing, so it has no figures of dialogues. The rule few-turns refused 17 of its 18 replies.",
    )


def test_a_prompt_is_obeyed_by_the_page() -> None:
    report = ablation()
    html = page(report)
    assert 'id="arms"' in html
    for text in HOSTILE[:5]:
        assert text not in html
    assert "&lt;script&gt;window.harmed = 1&lt;/script&gt;" in html
    html.encode("utf-8")
    assert page(report) == html
    assert len({*to_json(report)} - {*to_json(rich())}) == 0
    assert "kept_posts" in set(tables(report)["figures"]["metric"])


def test_a_report_of_no_ablation_speaks_of_arms() -> None:
    html = page(rich())
    assert 'id="arms"' not in html
    assert "#arms" not in html


def test_a_baseline_that_is_no_arm_is_taken() -> None:
    with pytest.raises(ValueError, match="is no arm"):
        with_ablation(rich(), [arm("a", [row(1)])], baseline="b", currency="USD", seed=0)
