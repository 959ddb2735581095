"""The figures of a corpus's topics, each with its definition."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.figures import Figure, Group, Metric, Ranked, Ranking
from analysis.topics.entropy import Estimate, Reading, TopicSpread, label_shares
from analysis.topics.labels import Labels

SMILE = "SMILE (Qiu et al. 2024), section 5.3, Table 2 and equation 4"
_OWN = "this project's own"
_WHICH = {
    Reading.LIMITED: "only topics of the codebook count",
    Reading.UNLIMITED: "every label counts, whatever it is",
}
_GROWS = "Without a codebook the number of labels, and with it this value, grows with the corpus."
_NO_ENTROPY = (
    "No entropy of one distribution: the shares add up to the labels a dialogue, so the value grows with how many an annotator "
    "hands out. Compare only corpora that one annotator labelled in one way."
)


def labelled_metric() -> Metric:
    """The share of dialogues that all other figures of topics rest on."""
    return Metric(
        key="topics_labelled",
        name="Labelled dialogues",
        group=Group.TOPICS,
        unit="share of dialogues",
        definition="Dialogues that have any topic label, of all; the limited reading rests on those with one of the codebook.",
        source=_OWN,
    )


def topic_metrics(reading: Reading) -> tuple[Metric, ...]:
    """The metrics of one reading; `topic_figures` gives a figure for each, in this order."""
    which, grows = _WHICH[reading], _GROWS if reading is Reading.UNLIMITED else ""
    suffix = f", {reading}"
    off_list = Metric(
        key="topics_off_list",
        name="Labels outside the codebook",
        group=Group.TOPICS,
        unit="share of labels",
        definition="Labels that are not a name in the codebook, of all labels.",
        source=_OWN,
    )
    return (
        Metric(
            key=f"topics_distinct_{reading}",
            name="Topics that occur" + suffix,
            group=Group.TOPICS,
            unit="topics",
            definition=f"Different labels of the corpus; {which}.",
            source=_OWN,
            caveat="Grows with the corpus.",
        ),
        Metric(
            key=f"topic_labels_{reading}",
            name="Labels a dialogue" + suffix,
            group=Group.TOPICS,
            unit="labels a labelled dialogue",
            definition=f"Different labels of a dialogue, mean over dialogues with any label; {which}.",
            source=_OWN,
        ),
        Metric(
            key=f"topic_entropy_{reading}",
            name="Topic entropy" + suffix,
            group=Group.TOPICS,
            unit="bits",
            definition=f"-sum of q log2 q, q = a topic's share of all labels; {which}. At most log2 of the number of topics.",
            source=f"{SMILE}, with shares that add up to 1",
            caveat=f"Too low in a small corpus: see the corrected value. {grows}".strip(),
        ),
        Metric(
            key=f"topic_entropy_corrected_{reading}",
            name="Topic entropy corrected for bias" + suffix,
            group=Group.TOPICS,
            unit="bits",
            definition="The topic entropy with the bias of a finite corpus taken off by the jackknife over dialogues.",
            source="Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11",
            caveat=grows,
        ),
        Metric(
            key=f"topic_entropy_normalised_{reading}",
            name="Topic entropy of its maximum" + suffix,
            group=Group.TOPICS,
            unit="share of the maximum",
            definition="Topic entropy / log2 of the number of topics "
            + ("in the codebook." if reading is Reading.LIMITED else "that occur."),
            source=_OWN,
            caveat="" if reading is Reading.LIMITED else "The maximum itself grows with the corpus.",
        ),
        Metric(
            key=f"topic_scale_{reading}",
            name="Published topic scale" + suffix,
            group=Group.TOPICS,
            unit="sum over topics",
            definition=f"-sum of p log2 p, p = the share of labelled dialogues that carry a topic; {which}. "
            "A topic adds 0.53 at most, at p = 1/e.",
            source=f"{SMILE}; this project's reading of values that exceed log2 60",
            caveat=_NO_ENTROPY,
        ),
        Metric(
            key=f"topic_scale_corrected_{reading}",
            name="Published topic scale corrected for bias" + suffix,
            group=Group.TOPICS,
            unit="sum over topics",
            definition="The published topic scale with the bias of a finite corpus taken off by the jackknife over dialogues.",
            source="Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11",
            caveat=_NO_ENTROPY,
        ),
        *([off_list] if reading is Reading.LIMITED else []),
    )


def labelled_figure(spread: TopicSpread, *, corpus: str) -> Figure:
    """The figure of `labelled_metric`."""
    return Figure(
        corpus=corpus,
        metric=labelled_metric().key,
        value=spread.labelled / spread.dialogues if spread.dialogues else None,
        n=spread.dialogues,
        remark="" if spread.dialogues else "The corpus has no dialogue.",
    )


def topic_figures(spread: TopicSpread, *, corpus: str, remark: str = "") -> tuple[Figure, ...]:
    """A figure for each metric of the spread's reading. `remark` says of all of them what kind of labels these are."""
    reading = spread.reading
    values = {
        f"topics_distinct_{reading}": _plain(spread.distinct if spread.labelled else None),
        f"topic_labels_{reading}": _corrected(spread.per_dialogue),
        f"topic_entropy_{reading}": _plain(
            spread.entropy.plug_in if spread.entropy else None, _at_most(spread.bound, "bits")
        ),
        f"topic_entropy_corrected_{reading}": _corrected(spread.entropy),
        f"topic_entropy_normalised_{reading}": _plain(spread.normalised),
        f"topic_scale_{reading}": _plain(
            spread.published.plug_in if spread.published else None, _at_most(spread.published_bound, "")
        ),
        f"topic_scale_corrected_{reading}": _corrected(spread.published),
        "topics_off_list": _plain(spread.off_list),
    }
    figures = []
    for metric in topic_metrics(reading):
        value, estimate, of_value = values[metric.key]
        interval = estimate.interval if estimate else None
        why = spread.remark if value is None or (estimate and not interval) else ""
        figures.append(
            Figure(
                corpus=corpus,
                metric=metric.key,
                value=value,
                n=spread.labelled,
                interval=interval,
                remark=" ".join(filter(None, (why, of_value, remark))),
            )
        )
    return tuple(figures)


def topic_ranking(labels: Labels, *, corpus: str, top: int | None = None) -> Ranking:
    """The topics by the share of labelled dialogues that carry them."""
    labelled = sum(map(bool, labels.dialogues))
    shares = label_shares(labels.dialogues)[:top]
    several = (
        "A dialogue may carry several topics, so shares may add up to more than 1."
        if _several(labels.dialogues)
        else ""
    )
    return Ranking(
        corpus=corpus,
        name="topics",
        title="Topics",
        unit="labelled dialogues",
        n=labelled,
        entries=tuple(Ranked(label, count, count / labelled) for label, count in shares),
        remark=" ".join(filter(None, (several, labels.remark))),
    )


_Value = tuple[float | None, Estimate | None, str]


def _plain(value: float | None, remark: str = "") -> _Value:
    return value, None, remark


def _corrected(estimate: Estimate | None) -> _Value:
    return (estimate.corrected if estimate else None), estimate, ""


def _at_most(bound: float | None, unit: str) -> str:
    return "" if bound is None else f"At most {bound:.2f} {unit}".strip() + "."


def _several(dialogues: Sequence[Sequence[str]]) -> bool:
    return any(len(set(labels)) > 1 for labels in dialogues)
