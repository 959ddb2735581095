"""Replies that go wrong on the wire: cut, stalled, dripping, reset, or dressed as something else."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web

if TYPE_CHECKING:
    from zlib import _Compress

DRIP_SECONDS = 0.2
OVERSIZED = 80 * 2**20
"""Bytes of white space after the body of an `oversized` reply: beyond what a client should take."""
BOMB = 256 * 2**20
"""Bytes of white space before the body of a `gzip-bomb`, which makes a thousandth of that of them."""
BLANKS = b" " * 2**20
GZIP = 31  # zlib's window bits for a gzip header and trailer
HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>\n"
JSON = "application/json"


async def hang() -> None:
    """Never returns; ends by cancellation, when the client goes away or the server closes."""
    await asyncio.Event().wait()


async def delivered(request: web.Request, body: bytes, content_type: str, kind: str) -> web.StreamResponse:
    """The reply as that kind of `faults.WIRE` has it, `hang` excepted; any other kind delivers it whole."""
    match kind:
        case "truncated":
            return web.Response(body=body[: len(body) * 3 // 5], content_type=content_type)
        case "bad-utf8":
            # Inside the content, so that the JSON around it is sound.
            place = body.find(b'"content":"') + len(b'"content":"')
            return web.Response(body=body[:place] + b"\xff\xfe\xe6\xb1" + body[place:], content_type=content_type)
        case "html":
            return web.Response(body=HTML, content_type="text/html", charset="utf-8")
        case "content-type":
            return web.Response(body=body, content_type="text/plain", charset="utf-8")
        case "reset":
            return await _reset(request, body, content_type)
        case "drop":
            _cut_off(request)
            return web.Response()
        case "oversized":
            return await _oversized(request, body, content_type)
        case "gzip-bomb":
            bomb = await asyncio.to_thread(_bomb, body)
            return web.Response(body=bomb, content_type=content_type, headers={"Content-Encoding": "gzip"})
        case "hang-body":
            response = await _begun(request, len(body), content_type)
            await hang()
            return response
        case "trickle":
            return await _trickle(request, body, content_type)
        case _:
            return web.Response(body=body, content_type=content_type)


async def _begun(request: web.Request, length: int, content_type: str) -> web.StreamResponse:
    """Headers that promise so many bytes; they leave at once, before any byte of the body."""
    response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Length": str(length)})
    await response.prepare(request)
    return response


def _cut_off(request: web.Request) -> None:
    """RST instead of an end in good order: that is what the kernel does with a linger of 0 seconds."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


async def _oversized(request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    """The body, sound as JSON, with white space behind it that nobody should read to its end; no length is named."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    await response.write(body)
    for _ in range(OVERSIZED // len(BLANKS)):
        await response.write(BLANKS)
    await response.write_eof()
    return response


@cache
def _packed_blanks() -> tuple[_Compress, bytes]:
    """Half a second of work, done once: a compressor that has taken the white space, and what it gave."""
    packer = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    return packer, b"".join(packer.compress(BLANKS) for _ in range(BOMB // len(BLANKS)))


def _bomb(body: bytes) -> bytes:
    """One valid gzip member: white space, then the body."""
    packer, packed = _packed_blanks()
    tail = packer.copy()
    return packed + tail.compress(body) + tail.flush()


async def _reset(request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    """Half of the body, then RST."""
    response = await _begun(request, len(body), content_type)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0.01)
    _cut_off(request)
    return response


async def _trickle(request: web.Request, body: bytes, content_type: str) -> NoReturn:
    """The body byte by byte, then spaces, without end."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    for place in range(len(body)):
        await response.write(body[place : place + 1])
        await asyncio.sleep(DRIP_SECONDS)
    while True:
        await response.write(b" ")
        await asyncio.sleep(DRIP_SECONDS)
