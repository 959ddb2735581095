"""An endpoint that writes no labels to every other prompt, and obeys a constraint: `python -m tests.expander.obedient_server`.

With a regular expression it answers with a dialogue that matches the whole of it, with a JSON Schema with an object of that
shape; what matches no rule of the request is an error 500. Prints its port.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
from typing import Any

from aiohttp import web

CLIENT = "我最近总是睡不好，心里很烦，不知道该怎么办才好"
COUNSELOR = "听起来你这段时间真的很辛苦，愿意多说一点当时的情形吗"
DIALOGUE = "\n".join(f"求助者：{CLIENT}{number}\n支持者：{COUNSELOR}{number}" for number in "一二三四五六")
CONTEXT = 8192


def answer_to(body: dict[str, Any]) -> str:
    rules = body.get("structured_outputs", {})
    if "regex" in rules:
        return matching(rules["regex"])
    if "response_format" in body:
        return json.dumps(shaped(body["response_format"]["json_schema"]["schema"]), ensure_ascii=False)
    prompt = body["messages"][-1]["content"]
    return DIALOGUE if hashlib.sha256(prompt.encode()).digest()[0] % 2 else "I would rather talk about the weather."


def matching(pattern: str) -> str:
    if pattern.isdigit():
        return pattern
    for candidate in (DIALOGUE, f"{DIALOGUE}\n"):
        if re.fullmatch(pattern, candidate):
            return candidate
    raise web.HTTPInternalServerError(text="no dialogue of mine matches")


def shaped(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: shaped(value) for name, value in schema["properties"].items() if name in schema["required"]}
    if schema["type"] == "array":
        return [numbered(shaped(schema["items"]), number) for number in "一二三四五六"]
    return CLIENT


def numbered(value: Any, number: str) -> Any:
    """No utterance three times in a dialogue: that is another rule's business."""
    if isinstance(value, dict):
        return {name: f"{text}，这是第{number}{place}件事" for place, (name, text) in enumerate(value.items())}
    return value


async def chat(request: web.Request) -> web.Response:
    body = await request.json()
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer_to(body)}}
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    return web.json_response(
        {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
    )


async def models(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "m", "max_model_len": CONTEXT}]})


def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)  # noqa: T201
    web.run_app(app, sock=listening, print=None)


if __name__ == "__main__":
    main()
