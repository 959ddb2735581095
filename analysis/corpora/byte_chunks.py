"""A file's bytes in chunks of bounded size, decompressed by the name's ending; lines of them, each of bounded length.

Damage is told: a file cut short never looks like a shorter file.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from analysis.corpora.ahead import ahead
from analysis.corpora.entries import CorpusError
from filters.xz import XzMemoryError, xz_pieces

if TYPE_CHECKING:
    import zstandard

COMPRESSIONS = (".gz", ".zst", ".xz")
CHUNK_BYTES = 1 << 20
LINE_LIMIT_BYTES = 16 << 20
"""The longest line that is read. A dialogue is a few KiB; past this a quote or a bracket was left open."""

# Least and most that is decompressed at once. A 4-byte zstd block may stand for 128 KiB, so how much goes in follows how much
# came out: at most some MiB come out of one step, whatever the file holds.
_ZSTD_FEED_BYTES = 64, 1 << 16
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "gzip", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
_UTF8_MARK = b"\xef\xbb\xbf"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes without compression and without a UTF-8 byte order mark; nothing for an empty file.

    Raises CorpusError for a file that cannot be read, is damaged or cut short, or is no UTF-8 text by its first bytes.
    """
    start = b""
    chunks = ahead(_bytes_of(path)) if path.suffix.lower() in COMPRESSIONS else _bytes_of(path)
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_UTF8_MARK):
            break
    what = _MARKS.get(start[:2])
    # A damaged first row may start like UTF-16 by chance, but UTF-16 has a zero byte in every ASCII character.
    if what == "UTF-16" and b"\x00" in start:
        raise CorpusError(f"{path} is UTF-16. Convert it first: iconv -f utf-16 -t utf-8 {path.name}")
    if what and what != "UTF-16":
        ending = {"gzip": ".gz", "xz": ".xz", "zstd": ".zst"}[what]
        raise CorpusError(f"{path} is {what}-compressed. Give its name the ending {ending}.")
    if start:
        yield start.removeprefix(_UTF8_MARK)
    yield from chunks


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not blank with its number, from 1; None for one over the limit, which is not held in memory."""
    number, held, too_long = 1, b"", False
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        held, too_long = _longer(held, first, too_long=too_long)
        for following in others:
            if too_long or held.strip():
                yield number, None if too_long else held
            number += 1
            held, too_long = _longer(b"", following, too_long=False)
    if too_long or held.strip():
        yield number, None if too_long else held


def _longer(held: bytes, more: bytes, *, too_long: bool) -> tuple[bytes, bool]:
    if too_long or len(held) + len(more) > LINE_LIMIT_BYTES:
        return b"", True
    return held + more, False


def _bytes_of(path: Path) -> Iterator[bytes]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".zst":
            yield from _zstd(path)
        elif suffix == ".gz":
            with gzip.open(path) as file:
                yield from _pieces(file)
        elif suffix == ".xz":
            with path.open("rb") as packed:
                yield from xz_pieces(packed, CHUNK_BYTES)
        else:
            with path.open("rb") as file:
                yield from _pieces(file)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise CorpusError(
            f"{path} cannot be decompressed ({error}): it is damaged, cut short, or not {suffix} at all. "
            "Copy or compress it again."
        ) from error
    except XzMemoryError as error:
        raise CorpusError(f"{path} cannot be decompressed: {error}.") from error
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror or error}. Check the file and its rights."
        ) from error


def _pieces(file: _Readable) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


def _zstd(path: Path) -> Iterator[bytes]:
    """Frames one after another; EOFError where the last is not whole, which the library's stream reader passes over."""
    import zstandard

    try:
        with path.open("rb") as file:
            yield from _frames(file, zstandard.ZstdDecompressor())
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error


def _frames(file: BinaryIO, decompressor: zstandard.ZstdDecompressor) -> Iterator[bytes]:
    frame = decompressor.decompressobj()
    begun = False
    least, most = _ZSTD_FEED_BYTES
    feed = least
    while piece := file.read(feed):
        begun = True
        got = 0
        while piece:
            if frame.eof:
                frame = decompressor.decompressobj()
            text = frame.decompress(piece)
            piece = frame.unused_data if frame.eof else b""
            got += len(text)
            if text:
                yield text
        feed = max(least, min(most, 2 * feed, feed * CHUNK_BYTES // max(got, 1)))
    if begun and not frame.eof:
        raise EOFError("the last zstd frame is not complete")
