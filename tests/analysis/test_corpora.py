from __future__ import annotations

import gzip
import json
import lzma
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from analysis.corpora import KINDS, BrokenEntry, CorpusError, byte_chunks, detect_kind, read_corpus
from analysis.corpora.byte_chunks import lines_of
from filters.dialogue import CorpusEntry, Dialogue, DialogueFormat, Role, Utterance
from filters.writer import write_dialogue
from tests.analysis.making import dialogue, sound

SMILE = {Role.CLIENT: "client", Role.COUNSELOR: "counselor"}
OPENAI = {Role.CLIENT: "user", Role.COUNSELOR: "assistant"}
SHAREGPT = {Role.CLIENT: "human", Role.COUNSELOR: "gpt"}
PSY = {Role.CLIENT: "Seeker", Role.COUNSELOR: "Supporter"}


def said(spoken: Dialogue, names: dict[Role, str], keys: tuple[str, str] = ("role", "content")) -> list[dict[str, Any]]:
    return [{keys[0]: names[role], keys[1]: text} for role, text in spoken.utterances]


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path, kind: str | None = None) -> list[CorpusEntry]:
    """The entries, none of them broken."""
    found = list(read_corpus(path, kind=kind))
    assert not [broken for broken in found if isinstance(broken, BrokenEntry)]
    return [entry for entry in found if isinstance(entry, CorpusEntry)]


def compressed(data: bytes, ending: str) -> bytes:
    if ending == ".gz":
        return gzip.compress(data)
    return lzma.compress(data) if ending == ".xz" else zstandard.ZstdCompressor().compress(data)


def smilechat(folder: Path) -> Path:
    return write_lines(folder / "corpus.jsonl", [{"id": str(n), "messages": said(sound(n), SMILE)} for n in (2, 3)])


def smilechat_folder(folder: Path) -> Path:
    for turns in (2, 3):
        (folder / f"{turns}.json").write_text(json.dumps(said(sound(turns), SMILE), ensure_ascii=False), "utf-8")
    return folder


def psy_insight(folder: Path) -> Path:
    rows = [
        {"dialog_id": str(n), "topic": "Sleep", "dialog": said(sound(n), PSY, ("speaker", "content"))} for n in (2, 3)
    ]
    path = folder / "sessions.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=2), "utf-8")
    return path


def openai(folder: Path) -> Path:
    return write_lines(folder / "train.jsonl", [{"id": n, "messages": said(sound(n), OPENAI)} for n in (2, 3)])


def sharegpt(folder: Path) -> Path:
    rows = [{"id": str(n), "conversations": said(sound(n), SHAREGPT, ("from", "value"))} for n in (2, 3)]
    path = folder / "sharegpt.json"
    path.write_text(json.dumps(rows), "utf-8")
    return path


def text_folder(folder: Path) -> Path:
    fmt = DialogueFormat(client_labels=("来访者",), counselor_labels=("咨询师",), min_turns=1)
    for turns in (2, 3):
        (folder / f"{turns}.txt").write_text(write_dialogue(sound(turns), fmt), "utf-8")
    return folder


def run_folder(folder: Path) -> Path:
    provenance = {"question_id": "q7", "model": "offline"}
    rows = [{"id": str(n), "messages": said(sound(n), OPENAI), "provenance": provenance} for n in (2, 3)]
    write_lines(folder / "dialogues.jsonl", rows)
    write_lines(folder / "rejected.jsonl", [{"id": "9", "outcome": "rejected"}])
    return folder


WRITERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "smilechat": ("smilechat", smilechat),
    "smilechat-folder": ("smilechat", smilechat_folder),
    "psy-insight": ("psy-insight", psy_insight),
    "messages": ("messages", openai),
    "sharegpt": ("sharegpt", sharegpt),
    "text": ("text", text_folder),
    "run": ("run", run_folder),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_kind_is_detected_and_read_back(name: str, tmp_path: Path) -> None:
    kind, write = WRITERS[name]
    path = write(tmp_path)
    assert detect_kind(path) == kind
    assert [(entry.id, entry.dialogue) for entry in read(path)] == [("2", sound(2)), ("3", sound(3))]
    assert read(path, kind) == read(path)


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
def test_a_compressed_file_reads_as_the_plain_one(ending: str, tmp_path: Path) -> None:
    plain = smilechat(tmp_path)
    packed = tmp_path / f"corpus.jsonl{ending}"
    packed.write_bytes(compressed(plain.read_bytes(), ending))
    assert [entry.dialogue for entry in read(packed)] == [entry.dialogue for entry in read(plain)]
    assert read(packed)[0].place == f"{packed}:1"


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
def test_a_compressed_file_cut_short_is_told(ending: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = [{"id": str(n), "messages": [{"role": "client", "content": str(rng.getrandbits(9999))}]} for n in range(300)]
    plain = write_lines(tmp_path / "corpus.jsonl", rows)
    packed = tmp_path / f"cut.jsonl{ending}"
    packed.write_bytes(compressed(plain.read_bytes(), ending)[:-40])
    with pytest.raises(CorpusError, match="cut short"):
        list(read_corpus(packed))


def test_a_compressed_file_without_its_ending_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(gzip.compress(b'{"id": "1"}\n'))
    with pytest.raises(CorpusError, match=r"gzip-compressed.*\.gz"):
        read_corpus(path)


def test_a_broken_line_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = json.dumps({"id": "a", "messages": said(sound(2), SMILE)}).encode()
    bad = (
        b'{"id": "b", "mess',
        b'{"id": "c\xff"}',
        b'{"id": "\\ud800", "messages": []}',
        b"[1, 2]",
        b'{"messages": 5}',
    )
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\n".join((*bad, b"", good)))
    *broken, entry = read_corpus(path)
    assert isinstance(entry, CorpusEntry)
    assert entry.place == f"{path}:7"
    assert [found.place for found in broken] == [f"{path}:{line}" for line in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "holds no utterance"),
        ([{"role": "system", "content": "only this"}], "holds no utterance"),
        ([{"role": "tool", "content": "x"}], "'tool'; known are user, assistant"),
        ([{"role": "user", "content": "x"}, {"role": "system", "content": "late"}], "message 2 has the role 'system'"),
        ([{"role": None, "content": "x"}], "role null"),
        ([{"role": ["user"], "content": "x"}], "role a list"),
        ([{"role": "user", "content": None}], "`content` of message 1 is null"),
        ([{"role": "user"}], "`content` of message 1 is null"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "not a text"),
        (["hello"], "message 1 is a text, not an object"),
        ({"role": "user"}, "`messages` is an object, not a list"),
    ],
)
def test_a_record_that_is_no_dialogue_says_why(messages: object, reason: str, tmp_path: Path) -> None:
    rows = [{"id": "bad", "messages": messages}, {"id": "good", "messages": said(sound(2), OPENAI)}]
    broken, good = read_corpus(write_lines(tmp_path / "train.jsonl", rows))
    assert isinstance(broken, BrokenEntry)
    assert reason in broken.reason
    assert isinstance(good, CorpusEntry)


def test_half_a_surrogate_pair_in_an_array_breaks_one_record_only(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    bad = b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}'
    path.write_bytes(b"[" + bad + b"," + json.dumps({"messages": said(sound(2), OPENAI)}).encode() + b"]")
    broken, good = read_corpus(path)
    assert isinstance(broken, BrokenEntry)
    assert "not UTF-8" in broken.reason
    assert isinstance(good, CorpusEntry)


def test_one_speaker_twice_and_empty_messages_stay_as_they_are(tmp_path: Path) -> None:
    messages = [("client", "在吗"), ("client", ""), ("counselor", "  在的。\n请说 "), ("counselor", "我在听")]
    rows = [{"id": "1", "messages": [{"role": role, "content": text} for role, text in messages]}]
    (entry,) = read(write_lines(tmp_path / "c.jsonl", rows))
    assert [(str(role), text) for role, text in entry.dialogue.utterances] == messages


def test_a_dialogue_of_one_speaker_is_read(tmp_path: Path) -> None:
    rows = [{"id": "1", "messages": [{"role": "client", "content": "在吗"}]}]
    (entry,) = read(write_lines(tmp_path / "c.jsonl", rows))
    assert entry.dialogue == dialogue("在吗")


def test_a_leading_system_message_is_kept_apart(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "You are kind."}, *said(sound(2), OPENAI)]
    (entry,) = read(write_lines(tmp_path / "c.jsonl", [{"messages": messages}]))
    assert entry.extra["system"] == "You are kind."
    assert entry.dialogue == sound(2)


def test_openai_content_parts_are_joined(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]
    (entry,) = read(write_lines(tmp_path / "c.jsonl", [{"messages": [{"role": "user", "content": parts}]}]))
    assert entry.dialogue == dialogue("你好")


def test_a_record_without_an_id_has_the_same_one_wherever_it_stands(tmp_path: Path) -> None:
    rows = [{"messages": said(sound(n), OPENAI)} for n in (2, 3)]
    forth = [entry.id for entry in read(write_lines(tmp_path / "a.jsonl", rows))]
    back = [entry.id for entry in read(write_lines(tmp_path / "b.jsonl", rows[::-1]))]
    assert forth == back[::-1]
    assert len(set(forth)) == 2


def test_labels_of_utterances_and_other_keys_are_kept(tmp_path: Path) -> None:
    messages = [
        {"speaker": "Supporter", "content": "最近怎么样？", "strategy": ["Question"]},
        {"speaker": "Seeker", "content": "不太好。", "emotional label": ["Sadness"]},
    ]
    row = {
        "dialog_id": "000007",
        "topic": "Sleep",
        "psychotherapy": "CBT",
        "stage": "Early Session",
        "dialog": messages,
    }
    (entry,) = read(write_lines(tmp_path / "p.jsonl", [row]))
    assert entry.id == "000007"
    assert entry.extra == {
        "topic": "Sleep",
        "psychotherapy": "CBT",
        "stage": "Early Session",
        "utterances": ({"strategy": ["Question"]}, {"emotional label": ["Sadness"]}),
    }


def test_a_run_keeps_its_provenance_and_the_question(tmp_path: Path) -> None:
    entry = read(run_folder(tmp_path))[0]
    assert entry.question_id == "q7"
    assert entry.extra["provenance"] == {"question_id": "q7", "model": "offline"}
    assert detect_kind(tmp_path / "dialogues.jsonl") == "run"


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1, 100):
        (tmp_path / f"{number}.json").write_text(json.dumps(said(sound(2), SMILE)), "utf-8")
    (tmp_path / ".hidden.json").write_text("nonsense")
    (tmp_path / "README.txt").write_text("nonsense")
    assert [entry.id for entry in read(tmp_path)] == ["1", "9", "10", "100"]


@pytest.mark.parametrize(
    "text",
    [
        "求助者：你好\n支持者：你好，请说",
        "用户: 你好\n心理咨询师: 你好，请说",
        "**来访者**：你好\n\n**咨询师**：你好，请说\n",
        "第一次谈话\n求助者：你好\n支持者：你好，请说",
    ],
    ids=["SMILE", "SoulChat", "Markdown", "title"],
)
def test_labels_of_any_known_spelling_are_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(text, "utf-8")
    (entry,) = read(path)
    assert entry.dialogue == dialogue("你好", "你好，请说")
    assert entry.id == "one"


def test_a_text_without_labels_among_others_is_broken(tmp_path: Path) -> None:
    text_folder(tmp_path)
    (tmp_path / "1.txt").write_text("没有标签的一段话。", "utf-8")
    (tmp_path / "4.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "5.txt").write_text("Client: Hello.\nMother: I am here too.\nCounselor: Hi.\n", "utf-8")
    found = list(read_corpus(tmp_path))
    assert [isinstance(entry, BrokenEntry) for entry in found] == [True, False, False, True, True]


def test_a_speaker_merged_in_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("求助者：在吗\n求助者：有人吗\n支持者：在的\n", "utf-8")
    (entry,) = read(path)
    assert entry.extra["repairs"] == {"speakers-merged": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.json", "  \n", "is empty"),
        ("a.json", "[]", "is empty"),
        ("a.txt", "", "no line starts with a speaker's label"),
        ("a.jsonl", '{"question": "?", "answers": []}', "an object with question, answers"),
        ("a.jsonl", '{"messages": [{"role": "doctor", "content": "x"}]}', "whose speakers are doctor"),
        ("a.jsonl", "no json at all", "not JSON"),
        ("a.json", '[{"messages": [{"role": "user", "content": "x"}]}', "damaged after record 1"),
        ("a.json", '[{"messages": [{"role": "user", "content": "x"}]} {}]', "a comma"),
        ("a.json", '[{"messages": [{"role": "user", "content": "x"}]}] x', "goes on after the end"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.csv", "question,answer\n1,2\n", "no dialogue"),
    ],
)
def test_a_file_that_is_no_corpus_says_what_it_found(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(CorpusError, match=message):
        list(read_corpus(path))


def test_the_wrong_kind_by_name_says_what_each_kind_looks_like(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"no dialogue of kind sharegpt: 2 rows .*it has no `conversations`.*Known are"
    ):
        list(read_corpus(smilechat(tmp_path), kind="sharegpt"))


def test_an_unknown_kind_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=f"no kind 'smile'.*{'.*'.join(KINDS)}"):
        read_corpus(smilechat(tmp_path), kind="smile")


@pytest.mark.parametrize("kind", [None, "text"])
def test_what_is_not_there_is_told_at_once(kind: str | None, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not exist"):
        read_corpus(tmp_path / "nowhere", kind=kind)
    with pytest.raises(CorpusError, match="folder without dialogues"):
        read_corpus(tmp_path, kind=kind)


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}', "utf-16")
    with pytest.raises(CorpusError, match="UTF-16"):
        read_corpus(path)


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = smilechat(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read(path)) == 2


def test_broken_rows_at_the_start_do_not_hide_the_kind(tmp_path: Path) -> None:
    path = smilechat(tmp_path)
    path.write_bytes(b"oops\n{}\n" + path.read_bytes())
    assert Counter(type(found).__name__ for found in read_corpus(path)) == {"BrokenEntry": 2, "CorpusEntry": 2}


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    row = {"messages": said(sound(), OPENAI), "note": "长" * 2000}
    lines = write_lines(tmp_path / "a.jsonl", [row] * 3000)
    array = tmp_path / "a.json"
    array.write_text(f"[{','.join([json.dumps(row, ensure_ascii=False)] * 3000)}]", "utf-8")
    for path in (lines, array):
        assert path.stat().st_size > 20 << 20
        tracemalloc.start()
        assert sum(1 for _ in read_corpus(path)) == 3000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20, path


@given(st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b" ")), max_size=8), st.data())
def test_lines_are_the_same_however_the_bytes_come(lines: list[bytes], draw: st.DataObject) -> None:
    whole = b"\n".join(lines)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert list(lines_of(chunks)) == [(n, line) for n, line in enumerate(whole.split(b"\n"), 1) if line.strip()]


def test_a_line_too_long_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_chunks, "LINE_LIMIT_BYTES", 10_000)
    path = smilechat(tmp_path)
    path.write_bytes(b'{"id": "' + b"x" * 20_000 + b'"}\n' + path.read_bytes())
    first, *others = read_corpus(path)
    assert isinstance(first, BrokenEntry)
    assert "longer than" in first.reason
    assert len(others) == 2


_UTTERANCES = st.lists(
    st.tuples(st.sampled_from(Role), st.text(st.characters(codec="utf-8"), max_size=20)).map(
        lambda pair: Utterance(*pair)
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(_UTTERANCES.map(lambda utterances: Dialogue(tuple(utterances))), min_size=1, max_size=4), st.booleans())
def test_whatever_was_written_as_messages_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    dialogues: list[Dialogue],
    as_array: bool,  # noqa: FBT001
) -> None:
    rows = [{"id": str(n), "messages": said(spoken, SMILE)} for n, spoken in enumerate(dialogues)]
    path = tmp_path_factory.mktemp("c") / ("a.json" if as_array else "a.jsonl")
    if as_array:
        path.write_text(json.dumps(rows, indent=1), "utf-8")
    else:
        write_lines(path, rows)
    assert [entry.dialogue for entry in read(path)] == dialogues


def test_psy_insight_as_published(data: Path) -> None:
    for name, sessions, spoken in (("psy_insight_cn", 431, (2865, 2911)), ("psy_insight_en", 520, (3111, 3097))):
        entries = read(data / f"{name}.json")
        roles = Counter(role for entry in entries for role, _ in entry.dialogue.utterances)
        assert len({entry.id for entry in entries}) == len({entry.place for entry in entries}) == sessions
        assert (roles[Role.CLIENT], roles[Role.COUNSELOR]) == spoken
        assert all({"topic", "psychotherapy", "stage", "utterances"} <= entry.extra.keys() for entry in entries)
