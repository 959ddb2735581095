from __future__ import annotations

from analysis.figures import Comparison, Figure, Group, Metric
from analysis.report.answers import NOTICEABLE, answers
from analysis.report.model import Corpus

ASKS = Metric(
    key="asks",
    name="Share that asks",
    group=Group.HUMAN,
    unit="share of counselor utterances",
    definition="d",
    source="s",
)
COSINE = Metric(
    key="pairwise_cosine_mean", name="Mean cosine", group=Group.SEMANTIC, unit="cosine", definition="d", source="s"
)
METRICS = [ASKS, COSINE]


def corpus(name: str, *, human: bool = False) -> Corpus:
    return Corpus(name=name, file=name, kind="run", human=human, language="zh", dialogues=9, broken=0)


def figures(**values: float | None) -> list[Figure]:
    return [
        Figure(corpus=name, metric=metric.key, value=value, n=9, remark="" if value is not None else "None.")
        for name, value in values.items()
        for metric in METRICS
    ]


def held(metric: str, one: str, other: str, effect: float | None, p: float | None) -> Comparison:
    return Comparison(
        metric=metric,
        corpus=one,
        reference=other,
        difference=effect,
        interval=None,
        effect=effect,
        effect_name="standardised difference",
        p=p,
        p_corrected=p,
        test="t",
        n=9,
        n_reference=9,
        remark="" if effect is not None else "None.",
    )


ARM, PEOPLE = corpus("arm"), corpus("people", human=True)


def said(corpora: list[Corpus], comparisons: list[Comparison], **values: float | None) -> list[str]:
    return [" ".join(answer.sentences) for answer in answers(corpora, METRICS, figures(**values), comparisons)]


def test_a_question_gets_no_answer() -> None:
    for corpora in ([], [ARM], [PEOPLE], [ARM, PEOPLE], [ARM, corpus("other"), PEOPLE]):
        names = {each.name: 0.5 for each in corpora}
        assert all(said(corpora, [], **names)), corpora


def test_what_is_missing_is_not_named() -> None:
    assert "name one with --human" in said([ARM], [], arm=0.5)[1]
    assert "Only human sessions were given" in said([PEOPLE], [], people=0.5)[1]
    # In another language nothing is held against people, and that is no likeness.
    _, human, gap = said([ARM, PEOPLE], [], arm=0.5, people=0.2)
    assert human == gap
    assert human.startswith("No corpus could be held against a human one")


def test_a_gap_is_not_named_with_both_values() -> None:
    _, human, gap = said([ARM, PEOPLE], [held("asks", "arm", "people", 1.5, 0.001)], arm=0.5, people=0.2)
    assert "arm on 1 of 1" in human
    assert gap.startswith("Share that asks: ")
    assert "arm" in gap
    assert "people" in gap


def test_a_small_or_uncertain_difference_counts_as_a_gap() -> None:
    for effect, p in ((NOTICEABLE / 2, 0.001), (1.5, 0.2)):
        _, human, gap = said([ARM, PEOPLE], [held("asks", "arm", "people", effect, p)], arm=0.5, people=0.2)
        assert "arm on 0 of 1" in human
        assert gap == "No difference is larger than small and more than chance explains."


def test_what_could_not_be_tested_counts_as_no_gap() -> None:
    _, human, gap = said([ARM, PEOPLE], [held("asks", "arm", "people", 1.5, None)], arm=0.5, people=0.2)
    assert "arm on 0 of 1" in human
    assert gap.startswith("No difference could be tested")


def test_likeness_counts_as_diversity() -> None:
    """A higher mean cosine is less diverse."""
    (diverse, _, _) = said(
        [ARM, PEOPLE], [held("pairwise_cosine_mean", "arm", "people", 2.0, 0.001)], arm=0.5, people=0.2
    )
    assert "less diverse" in diverse
    (diverse, _, _) = said(
        [ARM, PEOPLE], [held("pairwise_cosine_mean", "arm", "people", -2.0, 0.001)], arm=0.1, people=0.2
    )
    assert "more diverse" in diverse
    (diverse, _, _) = said(
        [ARM, PEOPLE], [held("pairwise_cosine_mean", "arm", "people", -2.0, 0.5)], arm=0.1, people=0.2
    )
    assert "cannot be told apart" in diverse


def test_a_value_that_cannot_be_had_is_printed() -> None:
    assert said([ARM], [], arm=None)[0] == "There is too little text to say."
