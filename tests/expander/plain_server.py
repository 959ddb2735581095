"""An endpoint whose answers a test writes byte by byte."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answers = Callable[[int], list[bytes | float]]
"""By the request's number from 0: what is written, and seconds to wait in between."""


def completion(text: str, **more: object) -> bytes:
    """A whole HTTP response with a chat completion in it."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return response(json.dumps({"model": "m", "choices": [choice], **more}).encode())


def response(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def dialogue_of(number: int) -> str:
    """A reply that the rules keep, and that says which one it is."""
    turns = [
        (f"我是第{number}个来的人，最近总是睡不好。", "听起来这段时间您很辛苦，可以多说一点吗？"),
        ("白天也没有精神，工作总是出错。", "这样的状态持续多久了呢？"),
        ("大概有一个月了，越想越睡不着。", "睡前的时候，您一般会想些什么？"),
        ("想工作上的事情，怕做不好。", "这些担心是可以理解的，我们一起看看能做点什么。"),
        ("好的，我愿意试一试。", "那我们先从固定的作息开始，每天记录一下感受。"),
        ("谢谢您，我今晚就开始。", "不客气，祝您今晚睡个好觉。"),
    ]
    return "\n".join(f"求助者：{client}\n支持者：{counselor}" for client, counselor in turns)


@contextmanager
def answering(answers: Answers) -> Iterator[tuple[str, list[int]]]:
    """Its base URL, and a number for each request it has met."""
    met: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, answers, met), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", met
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, answers: Answers, met: list[int]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_serve, args=(connection, answers, met), daemon=True).start()


def _serve(connection: socket.socket, answers: Answers, met: list[int]) -> None:
    with connection, suppress(OSError, ValueError), connection.makefile("rb") as lines:
        while lines.readline():
            length = 0
            while (header := lines.readline().strip().lower()) != b"":
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            lines.read(length)
            met.append(len(met))
            for part in answers(met[-1]):
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    connection.sendall(part)
