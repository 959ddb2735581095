"""A report as rich as they come, for the page: three arms, two human corpora, every group, hostile texts, missing values."""

from __future__ import annotations

import math
import random

from analysis.figures import Box, Comparison, Distribution, Figure, Group, Interval, Metric, Ranked, Ranking
from analysis.report.model import Answer, Corpus, Example, Report, Shown
from filters.dialogue import Role, Utterance
from tests.analysis.making import CLIENT_SAYS, COUNSELOR_SAYS

HOSTILE = (
    "<script>window.harmed = 1</script>",
    '"><img src=x onerror="window.harmed = 2">',
    "</script><script>window.harmed = 3</script>",
    "]]><svg onload='window.harmed = 4'>",
    "</title></style></textarea><iframe src='javascript:parent.harmed=5'>",
    "one\u2028two\u2029three",
    "\u202egnirob\u202c \u2066inner\u2069",
    "half a character: \ud800 and \udfff",
    "null \x00, escape \x1b[31m, bell \x07",
    "{{ 7 * 7 }} {% include 'x' %} ${7*7} $\\frac{1}{2}$",
    "' onfocus='window.harmed=6' autofocus='",
)
"""Texts that must stay texts. The scripts among them would set `window.harmed`."""

ARMS = ("smile", "plain <b>prompt</b>", "对照组（温度 1.0）")
HUMANS = ("Psy-Insight 中文", "Psy-Insight English")
_SIZES = {"smile": 55165, ARMS[1]: 500, ARMS[2]: 1998, HUMANS[0]: 431, HUMANS[1]: 520}


def metrics() -> tuple[Metric, ...]:
    """Metrics of every group."""
    size = [
        ("dialogues", "Dialogues", "dialogues"),
        ("sentences", "Sentences", "sentences"),
        ("characters_per_utterance", "Characters an utterance", "characters an utterance"),
        ("turns_per_dialogue", "Turns a dialogue", "turns a dialogue"),
    ]
    lexical = [
        ("unique_1_jieba", "Unique unigrams (jieba)", "n-grams"),
        ("distinct_1_jieba", "distinct-1 (jieba)", "unique / total"),
        ("distinct_2_jieba", "distinct-2 (jieba)", "unique / total"),
        ("distinct_2_jieba_matched", "distinct-2 (jieba, matched)", "unique / total"),
    ]
    human = [
        ("sentences_per_counselor_utterance", "Sentences a counselor utterance", "sentences"),
        ("characters_per_counselor_utterance", "Characters a counselor utterance", "characters"),
        ("asks", "Counselor utterances that ask", "share of counselor utterances"),
        ("advises", "Counselor utterances that advise", "share of counselor utterances"),
        ("reflects", "Counselor utterances that reflect", "share of counselor utterances"),
        ("stock_phrases", "Stock phrases a counselor utterance", "phrases"),
        ("opening_alike", "Two dialogues open alike", "probability"),
        ("closing_alike", "Two dialogues close alike", "probability"),
        ("thanks", "Last client utterances that thank", "share of dialogues"),
        ("client_length", "Characters a client utterance", "characters"),
        ("interruptions", "Utterances that cut in", "share of utterances"),
        ("a_metric_no_page_knows", "A metric that came later, with a name that is much too long for one line", "units"),
    ]
    rest = [
        ("pairwise_cosine_mean", "Mean pairwise cosine", Group.SEMANTIC, "cosine"),
        ("transformation", "Cosine of post and dialogue", Group.TRANSFORMATION, "cosine"),
        ("topic_entropy_limited", "Topic entropy (60 labels)", Group.TOPICS, "bits"),
    ]
    every = [
        (*each[:2], group, each[2]) for group, part in ((Group.SIZE, size), (Group.LEXICAL, lexical)) for each in part
    ]
    every += rest
    every += [(key, name, Group.HUMAN, unit) for key, name, unit in human]
    return tuple(
        Metric(
            key=key,
            name=name,
            group=group,
            unit=unit,
            definition=f"What {name.lower()} means, in a sentence or two that a reader opens when in need of it.",
            source="SMILE, section 4" if group is not Group.HUMAN else HOSTILE[0],
            caveat="Falls as a corpus grows: compare at the same number of tokens." if "distinct" in key else "",
        )
        for key, name, group, unit in every
    )


def _figure(metric: Metric, corpus: str, chance: random.Random) -> Figure:
    if metric.key == "topic_entropy_limited" and corpus in HUMANS:
        return Figure(corpus=corpus, metric=metric.key, value=None, n=0, remark=f"No labels {HOSTILE[1]}")
    if metric.key == "dialogues":
        return Figure(corpus=corpus, metric=metric.key, value=float(_SIZES[corpus]), n=_SIZES[corpus])
    value = {"share": 0.3, "cosine": 0.6, "senten": 2.5, "charac": 42.0, "n-gram": 31_223.0}.get(metric.unit[:6], 0.2)
    value = (
        value * chance.uniform(0.6, 1.4)
        if "n-gram" not in metric.unit
        else float(round(value * chance.uniform(0.5, 2)))
    )
    interval = None if "n-gram" in metric.unit else Interval(value * 0.97, value * 1.03, "bootstrap over dialogues")
    n = min(_SIZES[corpus], 400) if "alike" in metric.key else _SIZES[corpus]
    return Figure(corpus=corpus, metric=metric.key, value=value, n=n, interval=interval)


def _comparisons(metric: Metric, chance: random.Random) -> list[Comparison]:
    made = []
    for arm in ARMS:
        for reference in HUMANS:
            effect = chance.gauss(0, 0.9)
            p = math.exp(-abs(effect) * 6)
            made.append(
                Comparison(
                    metric=metric.key,
                    corpus=arm,
                    reference=reference,
                    difference=effect * 0.2,
                    interval=Interval(effect * 0.2 - 0.03, effect * 0.2 + 0.03, "bootstrap"),
                    effect=effect,
                    effect_name="standardised difference",
                    p=p,
                    p_corrected=min(1.0, p * 3),
                    test="permutation of dialogues",
                    n=_SIZES[arm],
                    n_reference=_SIZES[reference],
                )
            )
    missing = made[-1]
    made[-1] = Comparison(
        metric=metric.key,
        corpus=missing.corpus,
        reference=missing.reference,
        difference=None,
        interval=None,
        effect=None,
        effect_name="standardised difference",
        p=None,
        p_corrected=None,
        test="permutation of dialogues",
        n=missing.n,
        n_reference=missing.n_reference,
        remark="Different languages.",
    )
    return made


def spread(corpus: str, metric: str, *, centre: float, sd: float, n: int = 1000, bins: int = 50) -> Distribution:
    """A bell-shaped histogram over 0 to 1."""
    edges = tuple(step / bins for step in range(bins + 1))
    heights = [math.exp(-(((low + 0.5 / bins) - centre) ** 2) / (2 * sd**2)) for low in edges[:-1]]
    counts = tuple(round(n * height / sum(heights)) for height in heights)
    box = Box(*(min(max(centre + shift * sd, 0.0), 1.0) for shift in (-1.645, -0.6745, 0, 0.6745, 1.645)))
    return Distribution(
        corpus=corpus, metric=metric, unit="pairs of dialogues", n=sum(counts), mean=centre, sd=sd, box=box, edges=edges, counts=counts
    )  # fmt: skip


def _rankings(corpus: str, chance: random.Random) -> list[Ranking]:
    english = corpus == HUMANS[1]
    words = (
        ["feel", "work", "sleep", "mother", "afraid", "time"]
        if english
        else ["感觉", "工作", "睡觉", "妈妈", "害怕", "时间", "朋友"]
    )
    entries = [Ranked(chance.choice(words) + str(place), 4000 // place, 0.2 / place) for place in range(1, 40)]
    hostile = [Ranked(text, 5, 0.01) for text in HOSTILE]
    kinds = {
        "client_words": ("Words of clients", "tokens"),
        "counselor_words": ("Words of counselors", "tokens"),
        "openings": ("How counselors open", "dialogues"),
        "four_grams": ("Most frequent four words", "dialogues"),
        "topics": ("Topics", "dialogues"),
    }
    return [
        Ranking(corpus=corpus, name=name, title=title, unit=unit, n=_SIZES[corpus], entries=(*entries[:30], *hostile))
        for name, (title, unit) in kinds.items()
    ]


def _said(chance: random.Random, *, english: bool, turns: int = 6) -> tuple[Utterance, ...]:
    said = []
    for place in range(turns):
        client = "I have not been sleeping since I moved to the new team." if english else CLIENT_SAYS[place % 6]
        counselor = "That sounds exhausting. What keeps you awake?" if english else COUNSELOR_SAYS[place % 6]
        if chance.random() < 0.25:
            client += chance.choice(HOSTILE)
        said += [Utterance(Role.CLIENT, client), Utterance(Role.COUNSELOR, counselor * chance.choice((1, 1, 2)))]
    return tuple(said)


def _examples(count: int, chance: random.Random) -> tuple[Example, ...]:
    made = []
    for number in range(count):
        shown = [
            Shown(
                corpus=corpus,
                id=f"{number}-{HOSTILE[number % len(HOSTILE)]}" if number % 3 == 0 else f"post-{number}",
                utterances=_said(chance, english=corpus == HUMANS[1], turns=8 + number % 6),
                flags=("suicide",) if number % 5 == 0 and corpus == "smile" else (),
                rules=("too_few_turns", HOSTILE[1]) if number % 4 == 0 and corpus == ARMS[1] else (),
                similarity=chance.random() if corpus in HUMANS else None,
            )
            for corpus in (*ARMS, *HUMANS)
            if chance.random() < 0.9
        ]
        post = (
            None
            if number == 1
            else "换了部门以后总是睡不着，白天也提不起精神，不知道该怎么办。" + HOSTILE[number % len(HOSTILE)]
        )
        made.append(Example(post=post, dialogues=tuple(shown)))
    return tuple(made)


def rich(*, examples: int = 20) -> Report:
    """The report, the same each time."""
    chance = random.Random(4)
    measured = metrics()
    corpora = (*ARMS, *HUMANS)
    return Report(
        title="How diverse, how human: three ways to make dialogues",
        answers=(
            Answer(
                question="Is it diverse?",
                sentences=(
                    "At the same number of tokens, smile has a distinct-2 of 0.44 and the human sessions 0.41: about as varied.",
                    "Two of its dialogues are less alike (mean cosine 0.61) than two human sessions (0.68).",
                ),
            ),
            Answer(
                question="Is it human?",
                sentences=(
                    "Counselors in smile say 3.1 sentences at a time, people 1.6; the difference is large and holds.",
                    HOSTILE[1],
                ),
            ),
            Answer(
                question="Where is the gap?", sentences=("Openings, advice, and the length of what counselors say.",)
            ),
        ),
        corpora=tuple(
            Corpus(
                name=name,
                file=f"{place}{HOSTILE[place]}.jsonl",
                kind="run",
                human=name in HUMANS,
                language="en" if name == HUMANS[1] else "zh",
                dialogues=_SIZES[name],
                broken=place,
                remarks=("75 cases stand behind its sessions, so its intervals are too narrow.",)
                if name == HUMANS[0]
                else (),
            )
            for place, name in enumerate(corpora)
        ),
        metrics=measured,
        figures=tuple(_figure(metric, corpus, chance) for metric in measured for corpus in corpora),
        comparisons=tuple(
            each
            for metric in measured
            if metric.group in {Group.HUMAN, Group.SEMANTIC}
            for each in _comparisons(metric, chance)
        ),
        distributions=tuple(
            spread(corpus, key, centre=centre + 0.05 * place, sd=0.04 + 0.015 * place)
            for key, centre in (("pairwise_cosine_mean", 0.45), ("transformation", 0.65))
            for place, corpus in enumerate(corpora)
        ),
        rankings=tuple(each for corpus in corpora for each in _rankings(corpus, chance)),
        examples=_examples(examples, chance),
        remarks=("Cosines of the embedded default compare corpora within this report only.", HOSTILE[3]),
        settings={"seed": 7, "tokenizer": "jieba", "endpoint": None, HOSTILE[0]: HOSTILE[1], "sample": 0.5},
        versions={"python": "3.11.7", "numpy": "2.4.0"},
    )
