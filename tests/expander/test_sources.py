"""Reading posts: every format gives the same posts, and what is broken stays small and is named by its place."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from expander.post import Post, Unreadable, content_id
from expander.sources import SourceError, read_posts
from expander.sources.lines import split_lines

ROOT = Path(__file__).resolve().parents[2]

PSYQA: list[dict[str, Any]] = [
    {
        "question": "总是失眠怎么办",
        "description": "半夜醒来，\n再也睡不着",
        "keywords": "睡眠,焦虑",
        "answers": [{"answer_text": f"第{number}个回答。", "has_label": False} for number in range(1, 4)],
        "questionID": 41,
    },
    {"question": "想换工作", "description": "", "answers": [{"answer_text": "先想一想，“为什么”"}], "questionID": 42},
    {"question": "和同学吵架", "answers": [{"answer_text": "谢谢你来{这里}[说]"}], "questionID": "43"},
]
FLAT = [
    {"question": q["question"], "description": q.get("description", ""), "answer": a["answer_text"]}
    for q in PSYQA
    for a in q["answers"]
]


def split(file: Path, **columns: str) -> tuple[list[Post], list[Unreadable]]:
    rows = list(read_posts(file, columns=columns))
    return [row for row in rows if isinstance(row, Post)], [row for row in rows if isinstance(row, Unreadable)]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def jsonl(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def delimited(file: Path, rows: list[dict[str, str]], delimiter: str) -> Path:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return file


def array(indent: int | None) -> bytes:
    return json.dumps(PSYQA, ensure_ascii=False, indent=indent).encode()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("indent", [None, 0, 1])
def test_json_array_loses_an_answer(tmp_path: Path, ending: str, indent: int | None) -> None:
    posts, bad = split(write(tmp_path, f"posts.json{ending}", COMPRESS[ending](array(indent))))
    assert not bad
    assert [post.answer for post in posts] == [row["answer"] for row in FLAT]
    assert [post.question_id for post in posts] == ["41", "41", "41", "42", "43"]
    assert posts[0].keywords == ("睡眠", "焦虑")
    assert posts[0].id == content_id("总是失眠怎么办", "半夜醒来，\n再也睡不着", "第1个回答。")


def every_format(folder: Path) -> dict[str, Path]:
    parquet.write_table(pa.Table.from_pylist(FLAT), folder / "flat.parquet")
    parquet.write_table(
        pa.Table.from_pylist([{**q, "questionID": str(q["questionID"])} for q in PSYQA]), folder / "nested.parquet"
    )
    return {
        "json": write(folder, "a.json", array(2)),
        "flat json": write(folder, "flat.json", json.dumps(FLAT)),
        "jsonl": write(folder, "a.jsonl", jsonl(PSYQA)),
        "flat ndjson": write(folder, "a.ndjson", jsonl(FLAT)),
        "csv": delimited(folder / "a.csv", FLAT, ","),
        "tsv": delimited(folder / "a.tsv", FLAT, "\t"),
        "csv.gz": write(folder, "b.csv.gz", gzip.compress((folder / "a.csv").read_bytes())),
        "parquet": folder / "flat.parquet",
        "nested parquet": folder / "nested.parquet",
    }


def test_the_same_posts_get_other_ids_in_another_format(tmp_path: Path) -> None:
    ids = {name: [post.id for post in split(file)[0]] for name, file in every_format(tmp_path).items()}
    assert len(ids["json"]) == 5
    assert all(found == ids["json"] for found in ids.values()), ids


def test_place_is_not_the_line_where_the_row_starts(tmp_path: Path) -> None:
    text = '[\n  {"question": "甲",\n   "answer": "一"},\n\n  {"question": "乙", "answer": "二"}, {"question": "丙", "answer": "三"}\n]'
    posts, _ = split(write(tmp_path, "a.json", text))
    assert [post.place.line for post in posts] == [2, 5, 5]
    assert posts[0].place.file == str(tmp_path / "a.json")
    posts, _ = split(write(tmp_path, "a.csv", '\ufeffquestion,answer\n"甲\n甲",一\n\n乙,二\n'))
    assert [post.place.line for post in posts] == [2, 5]
    assert posts[0].title == "甲\n甲"
    posts, _ = split(write(tmp_path, "a.jsonl", "\ufeff\n" + jsonl(FLAT)))
    assert [post.place.line for post in posts] == [2, 3, 4, 5, 6]
    posts, _ = split(every_format(tmp_path)["parquet"])
    assert [post.place.line for post in posts] == [1, 2, 3, 4, 5]


GOOD = '{"question": "甲", "answer": "一"}'
ROWS = {
    "no question": ('{"answer": "一"}', "question"),
    "null question": ('{"question": null, "answer": "一"}', "question is null"),
    "blank question": ('{"title": " \u3000\\n", "answer": "一"}', "title is empty"),
    "question a number": ('{"question": 7, "answer": "一"}', "question must be text; this is a number"),
    "no answer": ('{"question": "甲"}', "no answer"),
    "empty answer": ('{"question": "甲", "answer_text": ""}', "answer_text is empty"),
    "answer a list": ('{"question": "甲", "answer": ["一"]}', "answer must be text; this is a list"),
    "description a bool": ('{"question": "甲", "description": true, "answer": "一"}', "description must be text"),
    "lone surrogate": ('{"question": "甲", "answer": "一\\ud800"}', "answer holds half of a surrogate pair"),
    "nul": ('{"question": "甲\\u0000", "answer": "一"}', "question holds a NUL character at character 2"),
    "no answers": ('{"question": "甲", "answers": []}', "answers is empty"),
    "answers a text": ('{"question": "甲", "answers": "一"}', "answers must be a list"),
    "answers null": ('{"question": "甲", "answers": null}', "answers is null"),
    "not an object": ("[1]", "this is a list"),
    "not json": ('{"question": 甲}', "not JSON"),
    "deep": ('{"question": ' + "[" * 100_000 + "]" * 100_000 + "}", "deep"),
    "huge number": ('{"question": 1' + "0" * 5000 + "}", "number"),
    "inexact id": ('{"question": "甲", "answer": "一", "qid": 99999999999999999999}', "qid"),
    "keywords a number": ('{"question": "甲", "answer": "一", "keywords": 3}', "keywords must be text"),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_one_bad_row_is_unnamed_or_takes_its_neighbours(tmp_path: Path, row: str, ending: str) -> None:
    text, reason = ROWS[row]
    lines = f"{GOOD}\n{text}\n{GOOD}\n" if ending == "jsonl" else f"[{GOOD},\n{text},\n{GOOD}]"
    posts, bad = split(write(tmp_path, f"a.{ending}", lines))
    assert [post.place.line for post in posts] == [1, 3]
    assert [unreadable.place.line for unreadable in bad] == [2]
    assert reason in bad[0].reason
    assert "一" not in bad[0].reason


def test_a_bad_answer_takes_its_sisters(tmp_path: Path) -> None:
    answers: list[Any] = [
        {"answer_text": "好"},
        {"answer_text": " "},
        "文字",
        {"answer_text": "\ud800"},
        {"answer_text": "也好"},
    ]
    file = write(tmp_path, "a.json", json.dumps([{"question": "甲", "answers": answers}]))
    posts, bad = split(file)
    assert [post.answer for post in posts] == ["好", "也好"]
    assert [row.reason.split(":")[0] for row in bad] == ["answer 2", "answer 3", "answer 4"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_bytes_that_are_not_utf8_take_more_than_their_row(tmp_path: Path, name: str) -> None:
    good, broken = GOOD.encode(), GOOD.encode().replace("一".encode(), b"\xd2\xff")
    content = {
        "a.json": b"[" + b",\n".join([good, broken, good]) + b"]",
        "a.jsonl": b"\n".join([good, broken, good]),
        "a.csv": b"question,answer\n" + b"\n".join(["甲,一".encode(), b"\xbc\xd7,b", "甲,一".encode()]),
    }[name]
    posts, bad = split(write(tmp_path, name, content))
    assert len(posts) == 2
    assert len(bad) == 1
    assert bad[0].place.line == (3 if name == "a.csv" else 2)
    assert "UTF-8" in bad[0].reason


BROKEN = {
    "lost brace": lambda text: text.rstrip()[:-1],
    "extra brace": lambda text: text + "}",
    "extra square": lambda text: text + "]",
    "lost square": lambda text: text.replace("]", "", 1),
    "lost quote": lambda text: text.replace('"先', "先", 1),
    "extra quote": lambda text: text.replace("先", '先"', 1),
    "raw line feed": lambda text: text.replace("先", "先\n\n", 1),
    "bare word": lambda text: text.replace('"想换工作"', "想换工作", 1),
    "single quotes": lambda text: text.replace('"', "'"),
    "extra comma": lambda text: text.replace(",", ",,", 1),
    "brace for square": lambda text: text.replace("]", "}", 1),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_broken_element_takes_the_others(tmp_path: Path, fault: str, indent: int | None, at: int) -> None:
    elements = [json.dumps(PSYQA[1], ensure_ascii=False, indent=indent) for _ in range(3)]
    elements[at] = BROKEN[fault](elements[at])
    if indent is None:
        text = "[" + ", ".join(elements) + "]"
    else:
        text = "[\n" + ",\n".join(element.replace("\n", "\n" + " " * indent) for element in elements) + "\n]"
        text = text.replace("\n{", "\n" + " " * indent + "{")
    posts, bad = split(write(tmp_path, "a.json", text))
    if fault in {"extra brace", "extra square"}:  # the element itself was whole; what follows it is not
        assert len(posts) == 3
    else:
        assert len(posts) == 2
    assert len(bad) == 1


def test_a_file_cut_short_is_not_told(tmp_path: Path) -> None:
    whole = array(1)
    posts, bad = split(write(tmp_path, "a.json", whole[: whole.rindex("谢谢".encode())]))
    assert len(posts) == 4
    assert len(bad) == 1
    assert "cut short" in bad[0].reason


def test_an_endless_line_is_held_or_hides_the_next() -> None:
    lines = list(split_lines([b"a\nb", b"b" * 50, b"b" * 50 + b"\nc"], limit=60))
    assert [(line.number, line.data) for line in lines] == [(1, b"a"), (2, None), (3, b"c")]


CSV_FAULTS = {
    "too many fields": "甲,一,二",
    "too few fields": "甲",
    "nul": "甲\x00,一",
    "no answer": "甲,",
    "quote left open": '"甲,一',
    "quote in the middle": '"甲"甲,一',
    "bare carriage return": "甲\r乙,一",
}


@pytest.mark.parametrize("fault", CSV_FAULTS)
@pytest.mark.parametrize("quoted", [True, False], ids=["quoted neighbours", "bare neighbours"])
def test_one_bad_csv_row_takes_the_others(tmp_path: Path, fault: str, *, quoted: bool) -> None:
    good = '"甲","一"' if quoted else "甲,一"
    posts, bad = split(write(tmp_path, "a.csv", f"question,answer\n{good}\n{CSV_FAULTS[fault]}\n{good}\n{good}\n"))
    assert [post.place.line for post in posts] == [2, 4, 5]
    assert [row.place.line for row in bad] == [3]


def test_a_large_field_is_refused(tmp_path: Path) -> None:
    posts, _ = split(write(tmp_path, "a.csv", "question,answer\n甲," + "一" * 1_000_000))
    assert len(posts[0].answer) == 1_000_000


def test_a_bad_parquet_text_takes_its_batch(tmp_path: Path) -> None:
    broken = pa.array([b"\xe4\xb8\x80", b"\xff", b"\xe4\xba\x8c"], pa.binary()).view(pa.string())
    table = pa.table({"question": ["甲", "乙", "丙"], "answer": broken, "qid": [1.0, 2.0, 3.0]})
    parquet.write_table(table, tmp_path / "a.parquet")
    posts, bad = split(tmp_path / "a.parquet")
    assert [(post.place.line, post.question_id) for post in posts] == [(1, "1"), (3, "3")]
    assert [row.place.line for row in bad] == [2]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_columns_of_other_names_are_not_found(tmp_path: Path, name: str) -> None:
    row = {"head": "甲", "body": "说明", "reply": "一", "tags": "子， 丑", "no": "7"}
    file = tmp_path / name
    if name.endswith("csv"):
        delimited(file, [row], ",")
    elif name.endswith("jsonl"):
        file.write_text(jsonl([{**row, "answers": "not meant"}]), encoding="utf-8")
    else:
        parquet.write_table(pa.Table.from_pylist([row]), file)
    (post,), _ = split(file, question="head", description="body", answer="reply", keywords="tags", question_id="no")
    assert (post.title, post.description, post.answer) == ("甲", "说明", "一")
    assert (post.keywords, post.question_id) == (("子", "丑"), "7")


def test_a_question_without_an_id_gets_one_by_row(tmp_path: Path) -> None:
    rows = [{"title": " 甲", "content": "乙 ", "answer": answer} for answer in ("一", "二")]
    posts, _ = split(write(tmp_path, "a.jsonl", jsonl(rows)))
    assert {post.question_id for post in posts} == {content_id("甲", "乙")}
    assert len({post.id for post in posts}) == 2


WHOLE_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.json", b"", "is empty"),
    "empty parquet": ("a.parquet", b"", "is empty"),
    "empty array": ("a.json", b"[]", "holds no rows"),
    "header only": ("a.csv", b"question,answer\n", "holds no rows"),
    "blank lines": ("a.jsonl", b"\n\n", "holds no rows"),
    "one object": ("a.json", GOOD.encode(), "Put \\[ \\]"),
    "white space": ("a.json", b"  \n", "white space"),
    "words": ("a.json", b"hello", "something else"),
    "no post among rows": ("a.jsonl", b'{"a": 1}\n{"b": 2}\n', "2 rows could not be read"),
    "unknown ending": ("a.txt", b"x", "Known are .json"),
    "no ending": ("posts", b"x", "Known are .json"),
    "compressed unknown": ("a.gz", b"x", "Known are .json"),
    "compressed parquet": ("a.parquet.gz", b"x", "Known are .json"),
    "not gzip": ("a.jsonl.gz", b"hello", "cannot be decompressed"),
    "gzip cut short": ("a.jsonl.gz", gzip.compress(os.urandom(5000))[:-2000], "cannot be decompressed"),
    "not zstd": ("a.jsonl.zst", b"hello", "cannot be decompressed"),
    "zstd cut short": ("a.jsonl.zst", zstandard.compress(os.urandom(5000))[:-2000], "cannot be decompressed"),
    "xz cut short": ("a.jsonl.xz", lzma.compress(os.urandom(5000))[:-2000], "cannot be decompressed"),
    "not parquet": ("a.parquet", b"hello", "cannot be read as Parquet"),
    "utf-16": ("a.csv", "question,answer\n甲,一".encode("utf-16"), "iconv -f utf-16"),
    "gbk header": ("a.csv", "问题,回答\n甲,一\n".encode("gbk"), "iconv -f gb18030"),
    "no question column": ("a.csv", b"q,answer\na,b\n", "no question column"),
    "no answer column": ("a.tsv", b"question\tz\na\tb\n", "no answer column"),
    "column twice": ("a.csv", b"question,answer,answer\na,b,c\n", "more than one column answer"),
}


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_a_useless_file_passes_or_gives_no_advice(tmp_path: Path, case: str) -> None:
    name, content, message = WHOLE_FILES[case]
    with pytest.raises(SourceError, match=message) as caught:
        list(read_posts(write(tmp_path, name, content)))
    assert name in str(caught.value)


def test_a_missing_file_or_key_waits_for_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read_posts(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(SourceError, match="is a folder"):
        read_posts(tmp_path / "folder.json")
    with pytest.raises(SourceError, match="question, description, answer, keywords, question_id"):
        read_posts(write(tmp_path, "a.json", GOOD), columns={"reply": "x"})
    for file in (write(tmp_path, "a.csv", "question,answer\na,b\n"), every_format(tmp_path)["parquet"]):
        with pytest.raises(SourceError, match="has no column reply"):
            list(read_posts(file, columns={"answer": "reply"}))


def test_rows_before_the_damage_are_lost(tmp_path: Path) -> None:
    packed = gzip.compress(jsonl([{"question": os.urandom(500).hex(), "answer": "一"}] * 5000).encode())
    rows = read_posts(write(tmp_path, "a.jsonl.gz", packed[:-100]))
    assert sum(isinstance(next(rows), Post) for _ in range(1000)) == 1000
    with pytest.raises(SourceError, match="cut short"):
        list(rows)


def test_frames_after_the_first_are_lost(tmp_path: Path) -> None:
    halves = [zstandard.compress(jsonl(FLAT[:2]).encode()), zstandard.compress(jsonl(FLAT[2:]).encode())]
    posts, _ = split(write(tmp_path, "a.jsonl.zst", b"".join(halves)))
    assert len(posts) == 5


def test_the_published_sample_is_read_wrong() -> None:
    data = Path(os.environ.get("EXPANDER_DATA", ROOT.parent / "shared" / "data"))
    sample = data / "psyqa_sample.json"
    if not sample.exists():
        pytest.skip(f"the PsyQA sample is not at {sample}; set EXPANDER_DATA to the folder that holds it")
    posts, bad = split(sample)
    assert not bad
    assert len(posts) == 151
    assert len({post.question_id for post in posts}) == 60
    assert len({post.id for post in posts}) == 151


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 4), junk=st.binary(max_size=40).filter(lambda data: b"\n" not in data), where=st.integers(0, 60)
)
def test_one_corrupt_line_takes_the_others(tmp_path: Path, at: int, junk: bytes, where: int) -> None:
    lines = [line.encode() for line in jsonl(FLAT).splitlines()]
    lines[at] = lines[at][:where] + junk
    posts, _ = split(write(tmp_path, "a.jsonl", b"\n".join(lines)))
    expected = [row["answer"] for index, row in enumerate(FLAT) if index != at]
    assert [post.answer for post in posts if post.place.line != at + 1] == expected
