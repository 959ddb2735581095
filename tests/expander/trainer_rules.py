"""What trainers do with a row, written anew from their sources, so that exports are held against rules that are not our own.

LLaMA-Factory: src/llamafactory/data/converter.py and data/processor/supervised.py (read in 2026), data/README.md.
TRL: trl/data_utils.py and its page on data set formats; the chat template is the strict kind (Llama 2, Mistral, Gemma).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def llama_factory_skips(row: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether LLaMA-Factory trains on nothing of a row, read as dataset_info's `entry` says."""
    tags, columns = entry["tags"], entry["columns"]
    said = row[columns["messages"]]
    if said and said[0][tags["role_tag"]] == tags["system_tag"]:
        said = said[1:]
    odd = {tags["user_tag"], tags["observation_tag"]}
    even = {tags["assistant_tag"], tags["function_tag"]}
    for place, message in enumerate(said):
        if message[tags["role_tag"]] not in (even if place % 2 else odd):
            return True
        assert isinstance(message[tags["content_tag"]], str)
    return not said or len(said) % 2 == 1


OPENAI_TAGS: Mapping[str, Any] = {
    "columns": {"messages": "messages"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "observation_tag": "tool",
        "function_tag": "function",
        "system_tag": "system",
    },
}


def trl_refuses(row: Mapping[str, Any]) -> bool:
    """Whether TRL's SFTTrainer takes the row for no conversation, or a strict chat template raises on it."""
    supported = {"prompt", "chosen", "rejected", "completion", "messages"} & row.keys()
    messages = row.get("messages")
    if supported != {"messages"} or not isinstance(messages, list) or not messages:
        return True
    if not all(isinstance(message, dict) and {"role", "content"} <= message.keys() for message in messages):
        return True
    roles = [message["role"] for message in messages]
    roles = roles[1:] if roles[0] == "system" else roles
    alternate = all(role == ("assistant" if place % 2 else "user") for place, role in enumerate(roles))
    silent = any(not message["content"].strip() for message in messages)
    return not roles or not alternate or roles[-1] != "assistant" or silent
