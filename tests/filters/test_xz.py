"""xz files read in bounded memory, and never as a shorter file than they are."""

from __future__ import annotations

import io
import lzma
import random

import pytest

from filters.xz import MEMORY_MIB, XzMemoryError, xz_pieces

TEXT = b"".join(b'{"question": "q%d"}\n' % number for number in range(20_000))
PACKED = lzma.compress(TEXT)
NOISE = random.Random(0).randbytes(300_000)


def read(packed: bytes, size: int = 1 << 16) -> bytes:
    return b"".join(xz_pieces(io.BytesIO(packed), size))


def with_dictionary(mebibytes: int) -> bytes:
    return lzma.compress(b"hello", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": mebibytes << 20}])


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        pytest.param(PACKED, TEXT, id="one-stream"),
        pytest.param(PACKED + PACKED, TEXT * 2, id="two-streams"),
        pytest.param(PACKED + bytes(8) + PACKED + bytes(4), TEXT * 2, id="zero-bytes-between-and-behind"),
        pytest.param(lzma.compress(NOISE) + PACKED, NOISE + TEXT, id="text-that-does-not-shrink"),
        pytest.param(lzma.compress(TEXT, format=lzma.FORMAT_ALONE), TEXT, id="lzma"),
        pytest.param(lzma.compress(TEXT, preset=9 | lzma.PRESET_EXTREME), TEXT, id="the-largest-preset"),
        pytest.param(with_dictionary(256), b"hello", id="a-dictionary-chosen-by-hand"),
        pytest.param(lzma.compress(b"") + PACKED, TEXT, id="an-empty-stream-before"),
        pytest.param(b"", b"", id="nothing"),
    ],
)
def test_a_stream_is_lost(packed: bytes, text: bytes) -> None:
    assert read(packed) == text


def test_a_piece_is_longer_than_asked_for() -> None:
    pieces = list(xz_pieces(io.BytesIO(lzma.compress(bytes(5 << 20))), 1 << 16))
    assert max(map(len, pieces)) <= 1 << 16
    assert sum(map(len, pieces)) == 5 << 20


@pytest.mark.parametrize("size", [MEMORY_MIB, 1024])
def test_a_file_gets_the_memory_it_asks_for(size: int) -> None:
    """A dictionary of the bound is beyond it, with what else there is to be held."""
    with pytest.raises(XzMemoryError, match="512 MiB"):
        read(with_dictionary(size))


@pytest.mark.parametrize(
    ("packed", "error"),
    [
        pytest.param(PACKED[:-5], EOFError, id="cut-short"),
        pytest.param(PACKED + PACKED[:40], EOFError, id="the-second-stream-cut-short"),
        pytest.param(PACKED + b"and more", lzma.LZMAError, id="other-bytes-behind"),
        pytest.param(PACKED[:200] + b"\xff" + PACKED[201:], lzma.LZMAError, id="a-flipped-byte"),
        pytest.param(b"hello", lzma.LZMAError, id="no-xz"),
    ],
)
def test_damage_is_passed_over(packed: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(packed)
