from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.corpora import BrokenEntry, read_corpus
from analysis.dedup import Deduplication, DedupSettings, deduplicate
from analysis.folding import folded_text
from analysis.minhash import Bands, bands_for, buckets_of, jaccard, shingles, signatures_of
from filters.dialogue import CorpusEntry, Dialogue
from tests.analysis.making import dialogue, entries, entry, sound

CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]


def words(rng: random.Random, length: int = 300) -> str:
    return "".join(rng.choices(CHARACTERS, k=length))


def spoken(text: str) -> Dialogue:
    half = len(text) // 2
    return dialogue(text[:half], text[half:])


def edited(rng: random.Random, text: str, changes: int) -> str:
    signs = list(text)
    for place in rng.sample(range(len(signs)), changes):
        signs[place] = rng.choice(CHARACTERS)
    return "".join(signs)


def kept_ids(found: Deduplication) -> list[str]:
    return [member.id for member in found.kept]


def one_corpus(dialogues: Sequence[Dialogue], settings: DedupSettings | None = None) -> Deduplication:
    return deduplicate({"c": entries(dialogues)}, settings=settings or DedupSettings())


def test_equal_words_are_found_whatever_their_width_case_space_and_punctuation() -> None:
    copies = [
        dialogue("你好，我叫Ａｎｎａ！", "嗯……请说。"),
        dialogue("你好我叫anna", "嗯请说"),
        dialogue(" 你好 我叫 ANNA 嗯\n请说\u200b"),
    ]
    found = one_corpus([*copies, dialogue("你好", "我叫小安")])
    assert len(found.kept) == 2
    assert {(dropped.how, dropped.similarity) for dropped in found.dropped} == {("exact", 1.0)}


def test_dialogues_of_nothing_but_signs_are_not_one() -> None:
    assert len(one_corpus([dialogue("……"), dialogue("？！"), dialogue("🙂"), dialogue("🙁")]).kept) == 4


def test_a_near_copy_is_dropped_with_its_exact_similarity() -> None:
    rng = random.Random(1)
    text = words(rng)
    found = one_corpus([spoken(text), spoken(edited(rng, text, 6)), spoken(words(rng))])
    assert len(found.kept) == 2
    (dropped,) = found.dropped
    assert dropped.how == "near"
    assert not dropped.in_reference
    assert {dropped.member.id, dropped.like.id} == {"0", "1"}
    assert 0.5 <= dropped.similarity < 1


def test_without_near_only_equal_words_count() -> None:
    rng = random.Random(1)
    text = words(rng)
    found = one_corpus([spoken(text), spoken(edited(rng, text, 1)), spoken(text)], DedupSettings(near=False))
    assert [dropped.how for dropped in found.dropped] == ["exact"]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_near_copies_above_the_threshold_are_found_and_those_below_are_not(threshold: float) -> None:
    rng = random.Random(7)
    pairs = []
    for _ in range(400):
        text = words(rng)
        pairs.append((text, edited(rng, text, rng.randint(1, 25))))
    settings = DedupSettings(threshold=threshold)
    found = one_corpus([spoken(text) for pair in pairs for text in pair], settings)
    similar = {number for number, (one, other) in enumerate(pairs) if jaccard(one, other, 5) >= threshold}
    dropped = {int(drop.member.id) // 2 for drop in found.dropped}
    assert 20 < len(similar) < 400
    assert dropped <= similar, "a pair below the threshold was dropped"
    assert len(dropped) >= 0.99 * len(similar)
    assert all(int(drop.like.id) // 2 == int(drop.member.id) // 2 for drop in found.dropped)


def test_recall_holds_right_at_the_threshold() -> None:
    for threshold in (0.3, 0.5, 0.7, 0.8, 0.95, 1.0):
        bands = bands_for(threshold, 128)
        assert bands.recall(threshold) >= 0.99
        assert bands.bands * bands.rows <= 128
    assert bands_for(0.8, 128) == Bands(21, 6)
    with pytest.raises(ValueError, match="take more permutations"):
        DedupSettings(threshold=0.1, permutations=16)


def test_signatures_estimate_similarity() -> None:
    rng = random.Random(3)
    texts = []
    for _ in range(60):
        text = words(rng)
        texts += [text, edited(rng, text, 10)]
    found = signatures_of(texts, count=len(texts), size=5, permutations=256, seed=4)
    errors = [
        float((found[row] == found[row + 1]).mean()) - jaccard(texts[row], texts[row + 1], 5)
        for row in range(0, len(texts), 2)
    ]
    assert abs(sum(errors) / len(errors)) < 0.02, "the estimate is biased"
    assert max(map(abs, errors)) < 0.16


def test_equal_texts_share_every_bucket() -> None:
    found = signatures_of(["同样的话", "同样的话", "别的"], count=3, size=5, permutations=32, seed=0)
    buckets = buckets_of(found, Bands(8, 4))
    assert (buckets[0] == buckets[1]).all()
    assert (buckets[0] >= 0).all()
    assert (buckets[2] == -1).all()


def test_texts_shorter_than_a_shingle_are_compared_whole() -> None:
    assert shingles("你好", 5) == {"你好"}
    assert jaccard("你好", "你好吗", 5) == 0
    assert len(one_corpus([dialogue("你好"), dialogue("你好吗"), dialogue("你好。")]).kept) == 2


def test_what_stays_does_not_depend_on_the_order_of_reading() -> None:
    rng = random.Random(5)
    text = words(rng)
    members = entries([spoken(edited(rng, text, changes)) for changes in (0, 0, 0, 3, 3, 20, 25, 90)])
    settings = DedupSettings(seed=3)
    forth = deduplicate({"a": members[:4], "b": members[4:]}, settings=settings)
    for _ in range(5):
        rng.shuffle(members)
        assert set(kept_ids(deduplicate({"c": members}, settings=settings))) == set(kept_ids(forth))


def test_another_seed_may_choose_another_copy() -> None:
    copies = entries([sound()] * 8)
    stays = {kept_ids(deduplicate({"c": copies}, settings=DedupSettings(seed=seed)))[0] for seed in range(20)}
    assert len(stays) > 3


def test_the_same_settings_give_the_same_answer() -> None:
    rng = random.Random(2)
    members = entries([spoken(edited(rng, words(random.Random(1)), 4)) for _ in range(20)])
    assert deduplicate({"c": members}) == deduplicate({"c": members})


def test_no_kept_dialogue_resembles_another_and_every_dropped_one_resembles_a_kept_one() -> None:
    """A chain whose ends differ: what is dropped resembles what stays, not just a neighbour that went too."""
    rng = random.Random(11)
    chain = [words(rng)]
    for _ in range(30):
        chain.append(edited(rng, chain[-1], 9))
    found = one_corpus([spoken(text) for text in chain])
    kept = [int(name) for name in kept_ids(found)]
    assert 1 < len(kept) < 31
    assert all(jaccard(chain[a], chain[b], 5) < 0.5 for a in kept for b in kept if a < b)
    for dropped in found.dropped:
        assert int(dropped.like.id) in kept
        assert dropped.similarity == jaccard(chain[int(dropped.member.id)], chain[int(dropped.like.id)], 5) >= 0.5


def test_copies_across_corpora_are_found_and_told_apart_by_corpus() -> None:
    found = deduplicate({"one": entries([sound(2), sound(6)]), "two": entries([sound(6)])})
    assert len(found.kept) == 2
    (dropped,) = found.dropped
    assert {dropped.member.corpus, dropped.like.corpus} == {"one", "two"}
    assert {*found.kept_places("one"), *found.kept_places("two")} <= {"memory:0", "memory:1"}
    assert len(found.kept_places("one")) + len(found.kept_places("two")) == 2


def test_what_resembles_the_reference_goes_and_the_reference_is_in_no_result() -> None:
    rng = random.Random(4)
    text = words(rng)
    new = entries([spoken(text), spoken(edited(rng, text, 3)), spoken(words(rng))])
    found = deduplicate({"new": new}, reference={"held-out": [entry("ref", spoken(text)), entry("twin", spoken(text))]})
    assert kept_ids(found) == ["2"]
    assert [(drop.member.id, drop.like.id, drop.how, drop.in_reference) for drop in found.dropped] == [
        ("0", "ref", "exact", True),
        ("1", "ref", "near", True),
    ]
    assert {member.corpus for member in found.kept} == {"new"}


def test_copies_inside_the_reference_drop_nothing() -> None:
    found = deduplicate({"new": entries([sound(2)])}, reference={"r": entries([spoken(words(random.Random(1)))] * 3)})
    assert len(found.kept) == 1


def test_exact_copies_share_the_fate_of_their_words() -> None:
    rng = random.Random(6)
    text = words(rng)
    near = spoken(edited(rng, text, 2))
    found = deduplicate({"new": entries([near, near, near])}, reference={"r": [entry("ref", spoken(text))]})
    assert not found.kept
    assert {(drop.how, drop.like.id) for drop in found.dropped} == {("near", "ref")}


def test_clusters_gather_what_was_dropped_for_one() -> None:
    found = one_corpus([sound(2), sound(6), sound(6), sound(6), sound(2)])
    sizes = [(len(cluster.dropped), cluster.in_reference) for cluster in found.clusters()]
    assert sizes == [(2, False), (1, False)]
    assert all(cluster.stays in found.kept for cluster in found.clusters())


def test_broken_rows_are_counted_and_passed_over() -> None:
    found = deduplicate({"c": [BrokenEntry("x:1", "not JSON"), entry("a", sound())]})
    assert (kept_ids(found), found.broken) == (["a"], 1)


def test_two_dialogues_in_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="memory:a comes twice in c"):
        deduplicate({"c": [entry("a", sound()), entry("a", sound(2))]})


def test_ids_may_come_twice() -> None:
    same_id = [CorpusEntry(id="x", dialogue=sound(turns), place=str(turns)) for turns in (1, 6)]
    assert len(deduplicate({"c": same_id}).kept) == 2


def test_nothing_in_nothing_out() -> None:
    found = deduplicate({"c": []})
    assert (found.kept, found.dropped, found.clusters()) == ((), (), ())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0}, "above 0"),
        ({"threshold": 1.1}, "at most 1"),
        ({"shingle": 0}, "at least one character"),
        ({"permutations": 8}, "at least 16"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DedupSettings(**settings)  # type: ignore[arg-type]


def test_the_file_says_its_schema_and_every_reason() -> None:
    found = one_corpus([sound(), sound(), sound(2)])
    written = json.loads(json.dumps(found.to_json()))
    assert (written["schema"], written["kept"], len(written["dropped"])) == (1, 2, 1)
    assert written["settings"]["recall_at_threshold"] >= 0.99
    assert set(written["dropped"][0]) == {"corpus", "id", "place", "like", "similarity", "how", "in_reference"}


def test_a_template_of_which_thousands_are_near_copies_takes_no_quadratic_time() -> None:
    rng = random.Random(8)
    text = words(rng, 200)
    copies = [spoken(edited(rng, text, 2)) for _ in range(4000)]
    start = time.monotonic()
    found = one_corpus(copies)
    assert len(found.kept) == 1
    assert time.monotonic() - start < 15


@given(st.lists(st.text(st.sampled_from("你我他好不，。 "), max_size=12), max_size=12), st.integers(0, 5))
def test_every_dialogue_is_either_kept_or_dropped_once(texts: list[str], seed: int) -> None:
    members = entries([dialogue(text) for text in texts])
    found = deduplicate({"c": members}, settings=DedupSettings(seed=seed, permutations=16))
    assert sorted([*kept_ids(found), *(drop.member.id for drop in found.dropped)]) == sorted(m.id for m in members)
    assert {drop.like for drop in found.dropped} <= set(found.kept)
    folded = [folded_text(members[int(name)].dialogue) for name in kept_ids(found)]
    assert len(set(folded)) == len(folded)


@given(
    st.text("你好ABCéß１🙂7", min_size=1, max_size=20),
    st.text("，。 \n\t…～\u200b\u3000「」\"'-—", max_size=20),
    st.randoms(),
)
def test_signs_and_space_anywhere_change_no_words(text: str, signs: str, rng: random.Random) -> None:
    mixed = list(text)
    for sign in signs:
        mixed.insert(rng.randint(0, len(mixed)), sign)
    assert folded_text(dialogue("".join(mixed))) == folded_text(dialogue(text))


@pytest.mark.slow
def test_smilechat_in_three_minutes_and_three_gigabytes(data: Path) -> None:
    start = time.monotonic()
    found = deduplicate({"smilechat": read_corpus(data / "smilechat.jsonl.xz")})
    assert time.monotonic() - start < 180
    per_kib = 1 if sys.platform == "linux" else 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_kib < 3 << 20
    assert len(found.kept) + len(found.dropped) == 55_165
    assert sum(dropped.how == "exact" for dropped in found.dropped) == 2
    assert 3 <= len(found.dropped) <= 8


def test_overlapping_sessions_of_psy_insight_are_found(data: Path) -> None:
    found = deduplicate({"psy": read_corpus(data / "psy_insight_en.json")})
    alike = {frozenset((drop.member.id, drop.like.id)) for drop in found.dropped}
    assert frozenset(("000618", "000619")) in alike
    assert not deduplicate({"psy": read_corpus(data / "psy_insight_cn.json")}).dropped
