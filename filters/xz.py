"""What an xz file holds, in pieces of bounded size and in bounded memory.

The standard library's reader takes whatever memory a file asks for, up to 4 GiB, and passes over bytes behind the last stream
that are none of it. This one does neither.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from typing import Protocol

MEMORY_MIB = 512
"""The most that decompressing may take. `xz -9`, the largest preset, needs 65 MiB, and a dictionary of 256 MiB chosen by hand 257;
the format allows 4 GiB, asked for by one byte and filled by a small file."""

_FEED_BYTES = 1 << 16
_REFUSED = "Memory usage limit exceeded"
"""All that tells liblzma's LZMA_MEMLIMIT_ERROR from its other errors once Python has made an exception of it."""


class XzMemoryError(Exception):
    """A file that asks for more than MEMORY_MIB. Says so, and what to do."""

    def __init__(self) -> None:
        super().__init__(
            f"it takes more than {MEMORY_MIB} MiB of memory. Compress its text again with a smaller dictionary, such as that of xz -9"
        )


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def xz_pieces(file: _Readable, size: int) -> Iterator[bytes]:
    """What the file's streams hold, one after another, at most `size` bytes at a time. Also reads the older `.lzma`.

    Raises XzMemoryError, EOFError for a file that is cut short, and lzma.LZMAError for one that is damaged.
    """
    stream, ended = None, False
    while data := file.read(_FEED_BYTES):
        while data or (stream is not None and not stream.needs_input):
            if stream is None:
                data = data.lstrip(b"\0") if ended else data  # zero bytes may fill the space between two streams
                if not data:
                    break
                stream = lzma.LZMADecompressor(memlimit=MEMORY_MIB << 20)
            piece = _decompressed(stream, data, size)
            data = b""
            if piece:
                yield piece
            if stream.eof:
                data, ended, stream = stream.unused_data, True, None
    if stream is not None:
        raise EOFError("the last xz stream is not complete")


def _decompressed(stream: lzma.LZMADecompressor, data: bytes, size: int) -> bytes:
    try:
        return stream.decompress(data, size)
    except lzma.LZMAError as error:
        if str(error) == _REFUSED:
            raise XzMemoryError from error
        raise
