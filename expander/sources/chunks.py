"""Bytes of a file in chunks of bounded size, decompressed by suffix; damage is told, never passed over in silence."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from expander.sources.errors import SourceError
from filters.xz import XzMemoryError, xz_pieces

CHUNK_BYTES = 1 << 20
"""Large enough that a chunk's fixed costs vanish, small enough to be nothing beside the interpreter."""

ZSTD_FEED_BYTES = 64, 1 << 16
"""Least and most that is decompressed at once. A 4-byte block may stand for 128 KiB, so how much goes in follows how
much came out: a file of one repeated post must not fill memory either."""

COMPRESSIONS = (".gz", ".zst", ".xz")

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


def text_chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes without compression and without a UTF-8 byte order mark.

    Raises SourceError for a file that is empty, damaged, cut short, or UTF-16.
    """
    chunks = _bytes_of(path)
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_UTF8_MARK):
            break
    if not start:
        raise SourceError(f"{path} is empty. Give a file with posts in it.")
    # A damaged first row may start like UTF-16 by chance, but UTF-16 has a zero byte in every ASCII character.
    if start.startswith(_UTF16_MARKS) and b"\x00" in start:
        raise SourceError(f"{path} is UTF-16. Convert it first: iconv -f utf-16 -t utf-8 {path.name}")
    yield start.removeprefix(_UTF8_MARK)
    yield from chunks


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
        raise SourceError(
            f"{path} cannot be decompressed ({error}): it is damaged, cut short, or not {suffix} at all. "
            "Copy or compress it again."
        ) from error
    except XzMemoryError as error:
        raise SourceError(f"{path} cannot be decompressed: {error}.") from error
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}. Check the file and its rights."
        ) from error


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _pieces(file: _Readable) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


def _zstd(path: Path) -> Iterator[bytes]:
    """Frames one after another. zstandard's own stream reader ends quietly on a file cut short; this does not."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    least, most = ZSTD_FEED_BYTES
    feed = least
    held: list[bytes] = []
    held_bytes = 0
    begun = False
    try:
        with path.open("rb") as file:
            while piece := file.read(feed):
                begun = True
                got = 0
                while piece:
                    if frame.eof:
                        frame = decompressor.decompressobj()
                    text = frame.decompress(piece)
                    piece = frame.unused_data if frame.eof else b""
                    held.append(text)
                    got += len(text)
                feed = max(least, min(most, 2 * feed, feed * CHUNK_BYTES // max(got, 1)))
                held_bytes += got
                if held_bytes >= CHUNK_BYTES:
                    yield b"".join(held)
                    held.clear()
                    held_bytes = 0
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
    if held_bytes:
        yield b"".join(held)
    if begun and not frame.eof:
        raise EOFError("the last zstd frame is not complete")
