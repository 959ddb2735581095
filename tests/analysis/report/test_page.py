"""The page as HTML: what stands in it, in which order, and that texts from data stay texts."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from analysis.figures import Distribution, Figure, Group, Metric, Ranked, Ranking
from analysis.report.model import Answer, Corpus, Example, Report, Shown
from analysis.report.page import page
from filters.dialogue import Role, Utterance
from tests.analysis.report.making import ARMS, HOSTILE, HUMANS, rich, spread

_VOID = {"meta", "link", "br", "img", "input"}
_MOST_BYTES = 5_000_000


class Seen(HTMLParser):
    """Elements, attributes and text of a page, and whether its tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.comments: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def attributes(self) -> Iterator[tuple[str, str, str]]:
        for tag, attributes in self.tags:
            for key, value in attributes.items():
                yield tag, key, value or ""


@pytest.fixture(scope="module")
def html() -> str:
    return page(rich())


@pytest.fixture(scope="module")
def seen(html: str) -> Seen:
    return Seen(html)


def bare(**changed: object) -> Report:
    """A report of nothing, with what is given."""
    nothing = Report(
        title="Nothing", answers=(), corpora=(), metrics=(), figures=(), comparisons=(), distributions=(), rankings=(),
        examples=(), remarks=(), settings={}, versions={},
    )  # fmt: skip
    return replace(nothing, **changed)  # type: ignore[arg-type]  # fields of Report


def corpus(name: str, *, human: bool = False) -> Corpus:
    return Corpus(name=name, file=name, kind="run", human=human, language="zh", dialogues=3, broken=0)


def metric(key: str, group: Group, unit: str = "units") -> Metric:
    return Metric(
        key=key,
        name=key.replace("_", " "),
        group=group,
        unit=unit,
        definition="Defined.",
        source="Own.",
        caveat="Beware.",
    )


def test_hostile_text_opens_no_element(seen: Seen) -> None:
    assert not {tag for tag, _ in seen.tags} & {"img", "iframe", "b><", "object", "embed", "base", "form"}
    assert seen.count("script") == 1
    assert not [key for _, key, _ in seen.attributes() if key.startswith("on") or key == "autofocus"]
    assert not seen.comments
    assert not seen.open
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3], HOSTILE[9], HOSTILE[10]):
        assert text in seen.text
    for link in (value for _, key, value in seen.attributes() if key in {"href", "src"}):
        assert link.startswith("#") or link == "data:,"


def test_hidden_characters_reach_no_reader(html: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert "[U+202E]gnirob" in html


def test_the_policy_allows_the_one_script(html: str, seen: Seen) -> None:
    policy = next(
        attributes["content"] for tag, attributes in seen.tags if tag == "meta" and "http-equiv" in attributes
    )
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_nothing_is_fetched(html: str) -> None:
    assert not re.search(r"https?://|@import|url\((?!#)", html.replace("http://www.w3.org/", ""))


def test_every_id_is_one_and_every_link_leads_somewhere(seen: Seen) -> None:
    ids = [value for _, key, value in seen.attributes() if key == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for tag, key, value in seen.attributes() if key == "href" and tag == "a"}
    assert links <= set(ids)
    assert {value for _, key, value in seen.attributes() if key == "aria-labelledby"} <= set(ids)


def test_sections_stand_in_order(html: str) -> None:
    names = [
        "corpora",
        "size",
        "lexical",
        "semantic",
        "transformation",
        "topics",
        "human",
        "words",
        "examples",
        "reading",
        "made",
    ]
    places = [html.index(f'<section id="{name}"') for name in names]
    assert places == sorted(places)
    assert (
        html.index("Is it diverse?")
        < html.index('<svg class="chart"' if '<svg class="chart"' in html else "<svg")
        < html.index("<nav")
    )


def test_a_reader_of_the_papers_finds_their_tables(seen: Seen) -> None:
    for place in ("Table 1", "Table 2", "Tables 3 and 6", "Figure 4", "Figure 5"):
        assert f"SMILE, {place}" in seen.text
    assert "SoulChat, Figure 4" in seen.text


def test_every_metric_says_what_it_is(seen: Seen) -> None:
    report = rich()
    for each in report.metrics:
        for text in (each.name, each.definition, each.source, each.caveat, each.key):
            assert text in seen.text
    assert seen.text.count("Falls as a corpus grows") == sum(bool(each.caveat) for each in report.metrics)


def test_every_picture_says_what_it_shows(seen: Seen) -> None:
    pictures = [attributes for tag, attributes in seen.tags if tag == "svg" and attributes.get("class") == "chart"]
    assert len(pictures) == 4
    assert all(attributes["role"] == "img" for attributes in pictures)
    assert "Box plots of Mean pairwise cosine. Means: smile 0.450" in seen.text


def test_tables_name_their_rows_and_columns(seen: Seen) -> None:
    assert seen.count("caption") == seen.count("table") > 10
    assert all(attributes.get("scope") in {"row", "col"} for tag, attributes in seen.tags if tag == "th")


def test_a_report_has_the_same_bytes_each_time(html: str) -> None:
    assert page(rich()) == html


def test_forty_examples_stay_under_five_megabytes() -> None:
    assert len(page(rich(examples=40)).encode()) < _MOST_BYTES


@pytest.mark.parametrize(
    "text",
    ["长" * 100_000, "<" * 100_000, "\u202e" * 100_000, "'" * 100_000, "\ud800" * 100_000],
    ids=["long", "angle", "bidi", "quote", "half"],
)
def test_long_utterances_are_cut_and_say_so(text: str) -> None:
    said = tuple(Utterance(Role.CLIENT, text) for _ in range(3))
    examples = tuple(
        Example(post=text, dialogues=tuple(Shown(corpus=name, id="1", utterances=said) for name in "abcde"))
        for _ in range(40)
    )
    html = page(bare(examples=examples))
    assert len(html.encode()) < _MOST_BYTES
    assert "Left out for length: 2 utterances, " in html


def test_countless_empty_utterances_are_cut() -> None:
    said = tuple(Utterance(Role.COUNSELOR, "") for _ in range(100_000))
    examples = (Example(post="", dialogues=(Shown(corpus="a", id="1", utterances=said),)),) * 30
    assert len(page(bare(examples=examples)).encode()) < _MOST_BYTES


def test_a_short_dialogue_is_whole() -> None:
    said = (Utterance(Role.CLIENT, "我睡不着。"), Utterance(Role.COUNSELOR, "多久了？"))
    html = page(bare(examples=(Example(post=None, dialogues=(Shown(corpus="a", id="1", utterances=said),)),)))
    assert "Left out" not in html
    assert html.index("我睡不着。") < html.index("多久了？")


def test_a_report_of_nothing_is_a_page() -> None:
    seen = Seen(page(bare()))
    assert "This report has no figure of this kind." in seen.text
    assert "This report has no examples." in seen.text
    assert not seen.open


def test_a_missing_value_is_a_dash_with_its_reason() -> None:
    report = bare(
        corpora=(corpus("a"),),
        metrics=(metric("entropy", Group.TOPICS),),
        figures=(Figure(corpus="a", metric="entropy", value=None, n=0, remark="Nobody labelled it."),),
    )
    html = page(report)
    assert re.search(r"<td>\s*<bdi>—</bdi>\s*<sup>1</sup>", html)
    assert "<li><bdi>Nobody labelled it.</bdi></li>" in html


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_that_is_none_is_shown(value: float) -> None:
    odd = Distribution(
        corpus="a", metric="m", unit="dialogues", n=0, mean=value, sd=value, box=spread("a", "m", centre=0.5, sd=0.1).box,
        edges=(0.0, 1.0), counts=(0,),
    )  # fmt: skip
    report = bare(
        corpora=(corpus("a"),),
        metrics=(metric("m", Group.SEMANTIC),),
        figures=(Figure(corpus="a", metric="m", value=value, n=0),),
        distributions=(odd,),
        rankings=(
            Ranking(
                corpus="a", name="openings", title="Openings", unit="dialogues", n=0, entries=(Ranked("x", 0, value),)
            ),
        ),
        comparisons=tuple(
            replace(each, effect=value, difference=value, p=value, p_corrected=value) for each in rich().comparisons
        ),
    )
    assert not re.search(r"\b(nan|inf|none)\b", Seen(page(report)).text, re.IGNORECASE)


def test_figures_of_an_undescribed_metric_are_shown() -> None:
    html = page(bare(figures=(Figure(corpus="never listed", metric="later_metric", value=0.125, n=7),)))
    assert 'id="other"' in html
    assert "later_metric" in html
    assert "0.125" in html
    assert "never listed" in html


def test_without_human_sessions_diversity_comes_first() -> None:
    report = rich()
    alone = replace(report, corpora=tuple(replace(each, human=False) for each in report.corpora))
    first = page(alone).split("<nav")[0]
    assert first.count('class="chart"') == 2
    assert "distinct-2 (jieba, matched): smile 0.196" in first
    assert "Mean pairwise cosine" in first


def test_the_gap_holds_each_arm_against_its_own_language() -> None:
    first = page(rich()).split("<nav")[0]
    assert f"How far each corpus is from {HUMANS[0]}: the 10 largest differences" in first
    rows = first.count('<th scope="row">')
    assert rows == 10
    largest = max(
        (each for each in rich().comparisons if each.reference == HUMANS[0] and each.effect is not None),
        key=lambda each: abs(each.effect or 0),
    )
    name = next(each.name for each in rich().metrics if each.key == largest.metric)
    assert f"The largest: {name}, {largest.corpus} " in Seen(first).text


def test_the_gap_draws_one_scale() -> None:
    report = rich()
    other = next(each for each in report.comparisons if each.metric == "asks" and each.corpus == ARMS[0])
    distance = replace(other, metric="thanks", effect_name="Jensen-Shannon distance", effect=99.0)
    pooled = replace(other, metric="reflects", effect_name="difference over the pooled sd", effect=-7.0)
    first = page(replace(report, comparisons=(distance, pooled, other))).split("<nav")[0]
    assert "standard deviations" in first
    assert "Last client utterances that thank" not in first
    assert first.index("Counselor utterances that reflect") < first.index("Counselor utterances that ask")


def test_a_gap_of_unknown_effects_is_drawn_under_their_name() -> None:
    report = rich()
    renamed = tuple(replace(each, effect_name="probability of superiority") for each in report.comparisons)
    first = page(replace(report, comparisons=renamed)).split("<nav")[0]
    assert "probability of superiority" in first
    assert "Lines: 95 % intervals." not in first


def test_what_was_not_tested_is_said_to_hold_or_not() -> None:
    report = rich()
    untested = tuple(replace(each, p=None, p_corrected=None) for each in report.comparisons)
    assert "of them hold" in page(report)
    assert "of them hold" not in page(replace(report, comparisons=untested))


def test_what_holds_after_correction_is_marked(html: str) -> None:
    holding = sum(each.p_corrected is not None and each.p_corrected < 0.05 for each in rich().comparisons)
    assert html.count('<tr class="marked">') == html.count("✓ holds") == holding > 3


def test_filters_offer_what_the_examples_hold(html: str) -> None:
    options = dict(re.findall(r'<select data-filter="(\w+)">(.*?)</select>', html, re.DOTALL))
    assert set(options) == {"corpora", "flags", "rules"}
    assert options["corpora"].count("<option") == 1 + len(ARMS) + len(HUMANS)
    assert "suicide" in options["flags"]
    assert "too_few_turns" in options["rules"]


def test_words_grow_with_their_count() -> None:
    entries = (Ranked("最多", 100, 0.5), Ranked("一半", 25, 0.1), Ranked("很少", 1, 0.01))
    ranking = Ranking(corpus="a", name="client_words", title="Words", unit="tokens", n=3, entries=entries)
    html = page(bare(corpora=(corpus("a"),), rankings=(ranking, replace(ranking, corpus="b", entries=()))))
    assert re.findall(r'class="(w\d)"><bdi>(.*?)</bdi>', html) == [("w7", "最多"), ("w4", "一半"), ("w2", "很少")]


def test_identical_names_make_a_page() -> None:
    twice = (corpus("a"), corpus("a", human=True))
    assert page(bare(corpora=twice, answers=(Answer(question="?", sentences=()),)))


def test_texts_carry_their_language(html: str) -> None:
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert re.search(r'<p dir="auto" lang="zh">[^<]*[\u4e00-\u9fff]', html)
    assert re.search(r'<p dir="auto" lang="en">I have not been sleeping', html)
