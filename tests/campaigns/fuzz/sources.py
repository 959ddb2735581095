"""Targets: whatever turns a file into posts, and what cleaning makes of a post."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import zstandard

from expander.cleaning import QA_LIMIT, chinese_characters, clean
from expander.post import Post, Unreadable, content_id
from expander.sources import SourceError, read_posts
from tests.campaigns.fuzz import scratch
from tests.campaigns.fuzz.contract import Target, chosen, held
from tests.campaigns.fuzz.nasties import BYTES, LABELS, POST, PSYQA, line

_ROW_PROMISE = "SourceError or posts: valid text, ids of their content, the same when read again; a bad row is named and stays one row."
_GOOD = {**POST, "question": "前后的行都在吗？", "answer": "在的，别担心。"}
_KEYS = tuple(
    f'"{key}"'.encode()
    for key in ("question", "title", "description", "answer", "answers", "answer_text", "keywords", "questionID")
)


def _read(path: Path) -> list[Post | Unreadable]:
    """The rows, or none where the whole file is refused."""
    try:
        return list(read_posts(path))
    except SourceError as error:
        held(bool(str(error)), "an error says what is wrong")
        return []


def _checked(path: Path) -> list[Post]:
    """The posts of a file whose every row keeps its promises."""
    rows = _read(path)
    posts = [row for row in rows if isinstance(row, Post)]
    for row in rows:
        held(row.place.line >= 1, "a row's place counts from 1")
        if isinstance(row, Unreadable):
            held(bool(row.reason), "an unreadable row says why")
            orjson.dumps(row.reason)
    for post in posts:
        texts = (post.title, post.description, post.answer)
        held(bool(post.title and post.answer), "a post has a question and an answer")
        held(
            all(text == text.strip() and "\0" not in text for text in texts), "a post's texts are stripped, without NUL"
        )
        held(post.id == content_id(*texts), "a post's id is the hash of its texts")
        orjson.dumps([*texts, post.question_id, post.keywords])
    again = [_line(post) for post in posts]
    if again and chosen(again[0]):
        held(
            [_same(row) for row in _read(scratch.file("again.jsonl", b"\n".join(again)))]
            == [_same(post) for post in posts],
            "posts written as JSON Lines are read as they were",
        )
    return posts


def _line(post: Post) -> bytes:
    return orjson.dumps(
        {
            "question": post.title,
            "description": post.description,
            "answer": post.answer,
            "keywords": list(post.keywords),
            "questionID": post.question_id,
        }
    )


def _same(post: object) -> object:
    if isinstance(post, Post):
        return post.id, post.title, post.description, post.answer, post.keywords, post.question_id
    return post


def json_array(data: bytes) -> None:
    """An array as it comes, and as an element between two good ones where it is JSON by itself."""
    _checked(scratch.file("posts.json", data))
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return
    good = line(_GOOD)
    posts = _checked(scratch.file("posts.json", b"[" + good + b",\n" + data + b",\n" + good + b"]"))
    held(
        len(posts) >= 2 and posts[0].title == posts[-1].title == _GOOD["question"],
        "a whole element leaves others whole",
    )


def jsonl(data: bytes) -> None:
    """Lines as they come, and between two good ones."""
    _checked(scratch.file("posts.jsonl", data))
    good = line(_GOOD)
    posts = _checked(scratch.file("posts.jsonl", good + b"\n" + data + b"\n" + good))
    held(len(posts) >= 2 and posts[0].title == posts[-1].title == _GOOD["question"], "a bad line leaves others whole")


def _delimited(name: str, sign: str) -> Callable[[bytes], None]:
    head = sign.join(("question", "description", "answer")).encode() + b"\n"
    good = sign.join(("前后的行都在吗？", "说明", "在的。")).encode() + b"\n"

    def run(data: bytes) -> None:
        _checked(scratch.file(name, data))
        posts = _checked(scratch.file(name, head + good + data + b"\n" + good))
        held(bool(posts) and posts[0].title == "前后的行都在吗？", "a bad row leaves the one before it whole")

    return run


_PACK: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    (".gz", lambda data: gzip.compress(data, 1, mtime=0)),
    (".zst", lambda data: zstandard.ZstdCompressor(level=1).compress(data)),
    (".xz", lambda data: lzma.compress(data, preset=0)),
)


def compressed(data: bytes) -> None:
    """The first byte chooses how: packed and whole, packed and then damaged where the second byte says, or as it is."""
    how, where, text = (*data[:2], *bytes(2 - len(data[:2])), data[2:])
    ending, pack = _PACK[how % 3]
    packed = pack(text)
    damage = how // 3 % 4
    if damage == 0:
        _checked(scratch.file(f"posts.jsonl{ending}", packed))
        plain = _read(scratch.file("posts.jsonl", text))
        there = _read(scratch.file(f"posts.jsonl{ending}", packed))
        held(
            [_same(row) for row in there if isinstance(row, Post)]
            == [_same(row) for row in plain if isinstance(row, Post)],
            "a packed file holds the posts of the plain one",
        )
        return
    at = where * len(packed) // 256
    damaged = {1: packed[:at], 2: packed[:at] + bytes([packed[at] ^ (where | 1)]) + packed[at + 1 :], 3: text}[damage]
    _checked(scratch.file(f"posts.jsonl{ending}", damaged))


def _parquet(rows: Iterable[object]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows)), file)
    return file.getvalue()


def parquet(data: bytes) -> None:
    """Columns and values from JSON Lines as a table; bytes that start like a Parquet file as they are."""
    if data.startswith(b"PAR1"):
        _checked(scratch.file("posts.parquet", data))
        return
    import pyarrow as pa

    rows = []
    for row in data.split(b"\n"):
        try:
            found = orjson.loads(row)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict) and found:
            rows.append(found)
    try:
        table = _parquet(rows) if rows else b""
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return  # a table that pyarrow itself would not write
    _checked(scratch.file("posts.parquet", table))


def cleaning(data: bytes) -> None:
    """Cleaning never raises, keeps to its limit, and gives the same again."""
    title, description, answer = ([*data.decode("utf-8", "replace").split("\x1f"), "", ""])[:3]
    post = next(
        (
            row
            for row in _read(
                scratch.file(
                    "one.jsonl", orjson.dumps({"question": title, "description": description, "answer": answer})
                )
            )
            if isinstance(row, Post)
        ),
        None,
    )
    if post is None:
        return
    cleaned = clean(post)
    held(cleaned == clean(post), "cleaning is a function of the post")
    size = sum(map(chinese_characters, (cleaned.title, cleaned.description, cleaned.answer)))
    held(size <= QA_LIMIT, "a cleaned post keeps to the limit")
    held(all(count > 0 for _, count in cleaned.changes), "a change is counted where there is one")


def _csv(rows: Iterable[dict[str, str]], sign: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["question", "description", "answer"], delimiter=sign, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


_TEXT_ROWS = [
    {key: str(value) for key, value in POST.items()},
    {"question": 'a "b"\nc', "description": ",", "answer": "\t"},
]
_ARRAY = json.dumps([POST, PSYQA], ensure_ascii=False, indent=1).encode()
_LINES = line(POST) + b"\n" + line(PSYQA) + b"\n"

TARGETS = (
    Target(
        name="json-array",
        promise=_ROW_PROMISE,
        run=json_array,
        seeds=(_ARRAY, b"[" + line(PSYQA) + b"]", line(POST), b"[]", b'[[],1,"a",null]'),
        words=BYTES + _KEYS,
    ),
    Target(
        name="jsonl",
        promise=_ROW_PROMISE,
        run=jsonl,
        seeds=(_LINES, line(PSYQA), b'{"question":1}\n[]\n""'),
        words=BYTES + _KEYS,
    ),
    Target(
        name="csv",
        promise=_ROW_PROMISE,
        run=_delimited("posts.csv", ","),
        seeds=(_csv(_TEXT_ROWS, ","), b"a,b\n1,2\n"),
        words=BYTES + LABELS[:20],
    ),
    Target(
        name="tsv",
        promise=_ROW_PROMISE,
        run=_delimited("posts.tsv", "\t"),
        seeds=(_csv(_TEXT_ROWS, "\t"), b"a\tb\n1\t2\n"),
        words=BYTES + LABELS[:20],
    ),
    Target(
        name="compressed",
        promise="SourceError, or the posts that the plain file has.",
        run=compressed,
        seeds=tuple(bytes([how, 130]) + _LINES for how in range(9))
        + tuple(bytes([9 + kind, 0]) + pack(_LINES) for kind, (_, pack) in enumerate(_PACK)),
        words=BYTES,
    ),
    Target(
        name="parquet",
        promise="SourceError or posts, whatever the columns' types.",
        run=parquet,
        seeds=(_LINES, line(PSYQA), _parquet([POST])),
        words=BYTES[:60] + _KEYS,
    ),
    Target(
        name="cleaning",
        promise="Pure; never raises; at most 1,800 Chinese characters are left.",
        run=cleaning,
        seeds=(
            "\x1f".join((str(POST["question"]), str(POST["description"]), str(POST["answer"]))).encode(),
            "题主你好，抱抱你\x1f\x1f楼主（抱抱）。".encode(),
            ("睡" * 1500 + "\x1f" + "不" * 900 + "\x1f" + "着。" * 500).encode(),
        ),
        words=LABELS,
    ),
)
