"""Replies that go wrong on the wire: cut, stalled, dripping, reset, or dressed as something else."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NoReturn

from aiohttp import web

DRIP_SECONDS = 0.2
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


async def _reset(request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    """Half of the body, then RST: with a linger of 0 seconds the kernel resets instead of closing in good order."""
    response = await _begun(request, len(body), content_type)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0.01)
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
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
