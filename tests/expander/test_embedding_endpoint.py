"""Embeddings from the offline endpoint, sound and faulty, and what a cache on disk saves."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web

from expander import retry
from expander.embedding_cache import EmbeddingCache, key_of, source_of
from expander.embedding_endpoint import EmbeddingError, EmbeddingSettings, EndpointEmbedder, Vectors
from expander.errors import StoreError, UsageError
from expander.offline.api import MODEL
from expander.offline.app import OfflineSettings, make_app
from expander.offline.embeddings import embed
from tests.conftest import REPOSITORY

KEY = "sk-Ab12Cd34Ef56Gh78"
TEXTS = [f"第{number}个晚上睡不着，心里很乱。" for number in range(150)]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Spoil = Callable[[list[str], dict[str, Any]], Any]
"""From the texts asked for and the sound reply, the reply to give."""


class Server:
    """The offline endpoint, with a look at what it is asked, and a spoiled reply where a test wants one."""

    def __init__(self, *, longest: int | None = None, spoil: Spoil | None = None, **settings: Any) -> None:
        self._settings = OfflineSettings(**{"dimensions": 16, **settings})
        self._longest = longest
        self._spoil = spoil
        self.asked: list[list[str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    @property
    def texts(self) -> list[str]:
        return [text for each in self.asked for text in each]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        @web.middleware
        async def looked_at(request: web.Request, handler: Handler) -> web.StreamResponse:
            body = orjson.loads(await request.read())
            self.bodies.append(body)
            self.asked.append(body["input"])
            self.keys.add(request.headers["Authorization"])
            if self._longest is not None and max(map(len, body["input"])) > self._longest:
                refusal = {"error": {"message": f"too long: {body['input']} {KEY}", "code": "context_length_exceeded"}}
                return web.json_response(refusal, status=400)
            answer = await handler(request)
            if self._spoil is not None and isinstance(answer, web.Response) and isinstance(answer.body, bytes):
                spoiled = self._spoil(body["input"], orjson.loads(answer.body))
                return web.Response(
                    body=spoiled if isinstance(spoiled, bytes) else orjson.dumps(spoiled),
                    content_type="application/json",
                )
            return answer

        app = make_app(self._settings)
        app.middlewares.append(looked_at)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr(retry, "_BACKOFF_FIRST", 0.01)


def embedded(server: Server, texts: list[str], **settings: Any) -> tuple[Vectors, EndpointEmbedder]:
    async def ask() -> tuple[Vectors, EndpointEmbedder]:
        async with server.serving() as url:
            named: dict[str, Any] = {"base_url": url, "model": MODEL, "api_key_env": "TEST_KEY", "attempt_timeout": 5.0}
            embedder = EndpointEmbedder(EmbeddingSettings(**(named | settings)))
            return await embedder.embed_all(texts), embedder

    return asyncio.run(asyncio.wait_for(ask(), 60))


def failure(server: Server, texts: list[str], **settings: Any) -> str:
    """Why none come; it must not tell what was sent."""
    with pytest.raises(EmbeddingError) as caught:
        embedded(server, texts, **settings)
    told = "".join(traceback.format_exception(caught.value))
    assert KEY not in told
    assert "睡不着" not in told
    return str(caught.value)


def expected(texts: list[str], dimensions: int = 16) -> Vectors:
    return np.stack([embed(text, dimensions) if text.strip() else np.zeros(dimensions) for text in texts])


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_vectors_come_in_another_order_or_form(encoding: str) -> None:
    server = Server()
    texts = [*TEXTS, "", " \n", TEXTS[3]]
    made, embedder = embedded(server, texts, encoding=encoding)
    assert made == pytest.approx(expected(texts), abs=1e-6)
    assert made.dtype == np.float32
    assert embedder.dimensions == 16
    assert sorted(map(len, server.asked)) == [22, 64, 64]
    assert sorted(server.texts) == sorted(TEXTS)  # each different one once
    assert server.keys == {f"Bearer {KEY}"}
    assert {body["encoding_format"] for body in server.bodies} == {encoding}
    assert [found.place for found in embedder.not_embedded] == [150, 151]


def test_the_number_of_dimensions_is_not_asked_for() -> None:
    made, embedder = embedded(Server(), TEXTS[:3], dimensions=5)
    assert made == pytest.approx(expected(TEXTS[:3], 5), abs=1e-6)
    assert "5 dimensions" in embedder.name


def test_no_text_makes_a_request_or_a_traceback() -> None:
    server = Server()
    assert embedded(server, [])[0].shape == (0, 1)
    assert embedded(server, ["", " "], dimensions=7)[0].tolist() == [[0.0] * 7] * 2
    assert server.asked == []


def test_half_a_surrogate_pair_costs_a_text_its_vector() -> None:
    made, embedder = embedded(Server(), ["\ud800睡不着", "好"])
    assert np.linalg.norm(made, axis=1) == pytest.approx(1.0)
    assert embedder.not_embedded == ()


@pytest.mark.parametrize("fault", ["429-ms=1x2", "500=1x2", "503=0.5x2", "truncated=1x1", "reset=1x1", "html=1x1"])
def test_a_passing_fault_costs_a_vector(fault: str) -> None:
    server = Server(faults=(fault,), seed=1)
    made, embedder = embedded(server, TEXTS, batch=50)
    assert made == pytest.approx(expected(TEXTS), abs=1e-6)
    assert embedder.not_embedded == ()
    assert len(server.asked) > 3


def spoiled_once(spoil: Spoil) -> Spoil:
    done: list[int] = []

    def once(texts: list[str], reply: dict[str, Any]) -> Any:
        if done:
            return reply
        done.append(1)
        return spoil(texts, reply)

    return once


def with_data(change: Callable[[list[dict[str, Any]]], Any]) -> Spoil:
    return lambda _, reply: {**reply, "data": change(reply["data"])}


BROKEN = [
    pytest.param(with_data(lambda data: data[:-1]), id="one too few"),
    pytest.param(with_data(lambda data: [*data, data[0]]), id="one too many"),
    pytest.param(with_data(lambda _: []), id="none"),
    pytest.param(with_data(lambda _: None), id="null"),
    pytest.param(with_data(lambda data: [{**each, "index": 0} for each in data]), id="all at one place"),
    pytest.param(with_data(lambda data: [{**each, "index": each["index"] + 1} for each in data]), id="from 1"),
    pytest.param(with_data(lambda data: [{**data[0], "embedding": [1.0]}, *data[1:]]), id="sizes"),
    pytest.param(with_data(lambda data: [{**data[0], "embedding": None}, *data[1:]]), id="null vector"),
    pytest.param(with_data(lambda data: [{**data[0], "embedding": [1e39] * 16}, *data[1:]]), id="infinite"),
    pytest.param(with_data(lambda data: [{**data[0], "embedding": ["a"] * 16}, *data[1:]]), id="letters"),
    pytest.param(with_data(lambda data: [{**data[0], "embedding": "AAA"}, *data[1:]]), id="no base64"),
    pytest.param(lambda *_: b"[1, 2]", id="list"),
    pytest.param(lambda *_: b"null", id="nothing"),
    pytest.param(lambda *_: b'{"data": [', id="cut off"),
]


@pytest.mark.parametrize("spoil", BROKEN)
@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_a_broken_reply_is_believed(spoil: Spoil, encoding: str) -> None:
    server = Server(spoil=spoiled_once(spoil))
    made, _ = embedded(server, TEXTS[:4], encoding=encoding)
    assert made == pytest.approx(expected(TEXTS[:4]), abs=1e-6)
    assert len(server.asked) == 2
    assert "HTTP 200" in failure(Server(spoil=spoil), TEXTS[:4], max_attempts=2, encoding=encoding)


def test_a_reply_in_another_order_mixes_up_texts() -> None:
    made, _ = embedded(Server(spoil=with_data(lambda data: data[::-1])), TEXTS[:9])
    assert made == pytest.approx(expected(TEXTS[:9]), abs=1e-6)


def test_a_vector_of_zeros_is_taken_for_an_embedding(tmp_path: Path) -> None:
    zeros = with_data(lambda data: [{**data[0], "embedding": [0.0] * 16}, *data[1:]])
    made, embedder = embedded(Server(spoil=zeros), TEXTS[:3], cache=tmp_path / "c", encoding="float")
    assert not made[0].any()
    assert made[1:] == pytest.approx(expected(TEXTS[1:3]), abs=1e-6)
    assert embedder.not_embedded == ((0, "the endpoint's vector is all zeros"),)


def test_a_text_that_is_too_long_costs_others_their_vectors() -> None:
    texts = [*TEXTS[:40], "睡不着" * 5000, *TEXTS[40:80], "睡不着" * 5001]
    server = Server(longest=1000)
    made, embedder = embedded(server, texts)
    short = [place for place in range(82) if place not in {40, 81}]
    assert made[short] == pytest.approx(expected([texts[place] for place in short]), abs=1e-6)
    assert not made[[40, 81]].any()
    assert [found.place for found in embedder.not_embedded] == [40, 81]
    for found in embedder.not_embedded:
        assert found.reason == "refused by the endpoint: HTTP 400 (context_length_exceeded)"


def test_a_request_that_is_wrong_as_such_is_sent_for_every_text() -> None:
    server = Server(longest=0)
    assert "every text so far: HTTP 400" in failure(server, TEXTS, concurrency=1, batch=64)
    assert len(server.asked) < 30


@pytest.mark.parametrize(
    ("fault", "words"),
    [("401=1xalways", "Check the key"), ("quota=1xalways", "quota is used up"), ("404=1xalways", "Check --model")],
)
def test_a_fatal_refusal_is_asked_again(fault: str, words: str) -> None:
    server = Server(faults=(fault,))
    assert words in failure(server, TEXTS[:5])
    assert len(server.asked) == 1


def test_an_endpoint_that_never_answers_holds_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    told = failure(Server(faults=("hang=1xalways",)), TEXTS[:5], attempt_timeout=0.2, max_attempts=2)
    assert "no whole answer within 0.2 s" in told
    assert time.monotonic() - started < 5


def test_more_requests_are_open_than_allowed() -> None:
    opened = most = 0

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal opened, most
        opened += 1
        most = max(most, opened)
        try:
            return await handler(request)
        finally:
            opened -= 1

    async def ask() -> None:
        app = make_app(OfflineSettings(dimensions=4, latency=0.02))
        app.middlewares.append(counted)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            settings = EmbeddingSettings(base_url=url, model=MODEL, batch=5, concurrency=3)
            await EndpointEmbedder(settings).embed_all(TEXTS)
        finally:
            await runner.cleanup()

    asyncio.run(ask())
    assert most == 3


# The cache


async def _cancelled_midway(url: str, cache: Path) -> None:
    settings = EmbeddingSettings(base_url=url, model=MODEL, batch=10, concurrency=1, cache=cache)
    seen = asyncio.Event()
    embedder = EndpointEmbedder(settings, progress=lambda done, _: seen.set() if done >= 50 else None)
    task = asyncio.create_task(embedder.embed_all(TEXTS))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancelled_run_asks_again_for_what_it_had(tmp_path: Path) -> None:
    cache = tmp_path / "new" / "embeddings.sqlite"
    server = Server(latency=0.01)

    async def both() -> Vectors:
        async with server.serving() as url:
            await _cancelled_midway(url, cache)
            with EmbeddingCache(cache) as kept:
                source = source_of(base_url=url, model=MODEL, dimensions=None)
                keys = {key_of(source, text): text for text in TEXTS}
                had = {keys[key] for key in kept.found(list(keys))}
            server.asked.clear()
            settings = EmbeddingSettings(base_url=url, model=MODEL, cache=cache)
            made = await EndpointEmbedder(settings).embed_all(TEXTS)
            assert 50 <= len(had) < 150
            assert set(server.texts) == set(TEXTS) - had
            server.asked.clear()
            again = await EndpointEmbedder(settings).embed_all(TEXTS[::-1])
            assert server.asked == []
            assert (again[::-1] == made).all()
            return made

    assert asyncio.run(both()) == pytest.approx(expected(TEXTS), abs=1e-6)


def test_a_killed_process_loses_what_it_kept(tmp_path: Path) -> None:
    script = (
        "import sys, time, numpy as np\n"
        "from pathlib import Path\n"
        "from expander.embedding_cache import EmbeddingCache\n"
        "with EmbeddingCache(Path(sys.argv[1])) as cache:\n"
        "    cache.keep({bytes([n]): np.full(4, n, np.float32) for n in range(1, 65)})\n"
        "    print('kept', flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "c.sqlite"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        process.send_signal(signal.SIGKILL)
    with EmbeddingCache(path) as cache:
        assert len(cache.found([bytes([n]) for n in range(70)])) == 64


def test_a_text_a_key_or_credentials_stand_in_the_cache(tmp_path: Path) -> None:
    embedded(Server(), TEXTS[:10], cache=tmp_path / "c.sqlite")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in ("睡不着", KEY, "127.0.0.1"):
        assert secret.encode() not in held


def test_vectors_of_another_model_size_or_place_are_taken() -> None:
    one: dict[str, Any] = {"base_url": "https://a.example/v1/", "model": "m", "dimensions": None}
    source = source_of(**one)
    assert source == source_of(**{**one, "base_url": "https://me:secret@A.example/v1?key=x"})
    assert "secret" not in source
    others: list[dict[str, Any]] = [
        {"model": "n"},
        {"dimensions": 5},
        {"base_url": "https://b.example/v1"},
        {"base_url": "https://a.example/v2"},
    ]
    sources = {source, *(source_of(**{**one, **other}) for other in others)}
    assert len(sources) == 5
    assert len({key_of(each, "text") for each in sources}) == 5


def test_a_damaged_vector_is_taken_or_never_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    vectors = {bytes([n]): np.ones(3, np.float32) for n in range(1, 6)}
    with EmbeddingCache(path) as cache:
        cache.keep(vectors)
    bad = [b"", b"abc", np.zeros(3, "<f4").tobytes(), np.full(3, np.nan, "<f4").tobytes()]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("UPDATE vector SET vector = ? WHERE key = ?", zip(bad, vectors, strict=False))
    with EmbeddingCache(path) as cache:
        assert list(cache.found(list(vectors))) == [bytes([5])]


def kept(path: Path, number: int) -> dict[bytes, Vectors]:
    """So many vectors, in the file and as they were."""
    vectors = {bytes([n]) * 32: np.full(64, n, np.float32) for n in range(1, number + 1)}
    with EmbeddingCache(path) as cache:
        cache.keep(vectors)
    return vectors


def test_a_flipped_byte_in_a_vector_changes_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    vectors = kept(path, 8)
    content = path.read_bytes()
    place = content.index(np.full(64, 5, "<f4").tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with EmbeddingCache(path) as cache:
        assert set(cache.found(list(vectors))) == vectors.keys() - {bytes([5]) * 32}
        cache.keep({bytes([5]) * 32: vectors[bytes([5]) * 32]})
        assert cache.found(list(vectors)).keys() == vectors.keys()


@pytest.mark.parametrize(
    "what", ["zeros", "leaf", "tail", "head"], ids=["a head of zeros", "a broken leaf", "a cut", "a flip in the head"]
)
def test_a_damaged_cache_ends_the_command(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sqlite"
    vectors = kept(path, 200)
    content = bytearray(path.read_bytes())
    if what == "zeros":
        content[:4096] = bytes(4096)
    elif what == "leaf":
        for page in range(4096, len(content), 4096):
            content[page] = 0xFF
    elif what == "tail":
        del content[4096 * 3 :]
    else:
        content[3] ^= 1
    path.write_bytes(content)
    server = Server()

    async def ask() -> None:
        async with server.serving() as url:
            settings = EmbeddingSettings(base_url=url, model=MODEL, cache=path)
            for _ in range(2):
                made = await EndpointEmbedder(settings).embed_all(TEXTS[:40])
                assert made == pytest.approx(expected(TEXTS[:40]), abs=1e-6)

    asyncio.run(ask())
    assert sorted(server.texts) == sorted(TEXTS[:40])
    assert (tmp_path / "c.sqlite.damaged").read_bytes() == bytes(content)
    said = capsys.readouterr().err
    assert f"{path}: is damaged (" in said
    assert said.count("It stays as c.sqlite.damaged") == 1
    with EmbeddingCache(path) as cache:
        assert cache.found(list(vectors)) == {}


@pytest.mark.parametrize("what", ["text", "store"])
def test_a_file_given_by_mistake_is_put_aside(what: str, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    if what == "text":
        path.write_text('{"question": "q"}\n' * 300)
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="Give another file"), EmbeddingCache(path):
        pass
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"posts.jsonl": before}


def test_vectors_kept_before_there_were_seals_are_paid_for_again(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    vectors = kept(path, 20)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("ALTER TABLE vector DROP COLUMN seal; PRAGMA user_version = 1;")
    with EmbeddingCache(path) as cache:
        assert cache.found(list(vectors)).keys() == vectors.keys()


def test_a_full_disk_loses_the_vectors_kept_before(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    script = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from expander.embedding_cache import EmbeddingCache\n"
        "from expander.errors import StoreError\n"
        "with EmbeddingCache(Path(sys.argv[1])) as cache:\n"
        "    cache.keep({bytes([n]): np.full(64, n, np.float32) for n in range(1, 11)})\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "    try:\n"
        "        for n in range(11, 250):\n"
        "            cache.keep({bytes([n]): np.full(64, n, np.float32)})\n"
        "    except StoreError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert f"{path}: the embeddings cannot be kept there" in done.stdout
    assert "Make room" in done.stdout
    assert not path.with_name("c.sqlite.damaged").exists()
    with EmbeddingCache(path) as cache:
        assert len(cache.found([bytes([n]) for n in range(1, 11)])) == 10


def test_a_model_that_changed_its_size_is_mixed_with_what_was_kept(tmp_path: Path) -> None:
    server = Server()

    async def ask() -> None:
        async with server.serving() as url:
            settings = EmbeddingSettings(base_url=url, model=MODEL, cache=tmp_path / "c")
            await EndpointEmbedder(settings).embed_all(TEXTS[:5])
            server._spoil = with_data(lambda data: [{**each, "embedding": [1.0] * 9} for each in data])
            with pytest.raises(EmbeddingError, match="9 and 16 dimensions"):
                await EndpointEmbedder(settings).embed_all(TEXTS[:7])

    asyncio.run(ask())


def test_a_file_that_is_no_cache_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("something else " * 100)
    with pytest.raises(StoreError, match="Give another file"):
        embedded(Server(), TEXTS[:2], cache=path)
    assert path.read_text().startswith("something else")
    later = tmp_path / "later.sqlite"
    with closing(sqlite3.connect(later)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="another version"):
        embedded(Server(), TEXTS[:2], cache=later)


@pytest.mark.parametrize("url", ["", "api.openai.com/v1", "ftp://a/v1", "http://[", "https://user:secret@a/v1"])
def test_a_url_that_is_none_or_holds_credentials_is_taken(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        EmbeddingSettings(base_url=url, model="m")
    assert "secret" not in str(caught.value)


def test_a_key_that_no_header_carries_makes_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-密钥")
    with pytest.raises(UsageError, match=r"\$TEST_KEY"):
        embedded(Server(), TEXTS[:2])
