"""What an ablation is: its arms, its posts, its protocol, in ablation.json; another one is refused in the same folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from expander.ablation.arms import Arm
from expander.errors import StoreError, UsageError
from expander.post import Post
from expander.whole_file import whole_file

FILE = "ablation.json"
SCHEMA = 1
_SHOWN = 80  # characters of a value that differs


def identity(arms: Sequence[Arm]) -> dict[str, object]:
    """Plain values. Order of the arms counts: the first is the baseline, and request seeds go by it.

    Raises UsageError for posts that cannot be selected, and where none can be read.
    """
    job = arms[0].job
    found, posts = hashlib.sha256(), 0
    for post in job.selected():
        if isinstance(post, Post):
            found.update(post.id.encode())
            posts += 1
    if not posts:
        raise UsageError("No post to expand: every row of the input was unreadable.")
    return {
        "schema": SCHEMA,
        "order": [arm.name for arm in arms],
        "arms": {arm.name: {**arm.job.settings(), **_structured(arm), "folder": arm.job.folder.name} for arm in arms},
        "posts": {"fingerprint": found.hexdigest(), "count": posts},
        "protocol": {
            "samples": job.sampling.samples,
            "max_regenerations": job.work.max_regenerations,
            "limit": job.inputs.limit,
            "cleaned": not job.inputs.no_clean,
        },
    }


def settle(folder: Path, now: Mapping[str, object]) -> None:
    """Write the identity, or hold it against the one this folder began with.

    Raises UsageError naming every key that differs, StoreError where the folder cannot be written.
    """
    path = folder / FILE
    now = orjson.loads(orjson.dumps(now))
    if path.is_file():
        try:
            before = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise UsageError(f"{path}: cannot be read. Put it right, or give another folder with --out.") from error
        one, other = dict(_flat(before)), dict(_flat(now))
        if differing := sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key)):
            lines = "\n".join(
                f"  {key}: {_short(one.get(key))} then, {_short(other.get(key))} now" for key in differing
            )
            raise UsageError(
                f"{folder}: this ablation began otherwise, and mixing them would spoil it:\n{lines}\n"
                "Give the settings it began with, or another folder with --out."
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(orjson.dumps(now, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error.strerror}. Give another folder with --out.") from error


def settings_of(arm: Arm) -> dict[str, object]:
    """What tells an arm from the others, for a reader; without keys, headers and addresses."""
    sampling = asdict(arm.job.settled_sampling())
    return {
        "template": arm.job.loaded_template().name,
        "model": arm.job.model,
        **{name: value for name, value in sampling.items() if name != "samples" and value not in (None, ())},
        **({"extra_body": arm.job.endpoint.extra_body} if arm.job.endpoint.extra_body else {}),
        **_structured(arm),
    }


def _structured(arm: Arm) -> dict[str, object]:
    """What was asked for in decoding; what came of it at the endpoint stands in the arm's own run."""
    settings = arm.job.structured
    if settings.structured == "off":
        return {}
    return {name: value for name, value in asdict(settings).items() if value not in (None, False)}


def _flat(value: object, key: str = "") -> list[tuple[str, object]]:
    if not isinstance(value, dict):
        return [(key, value)]
    return [pair for name, part in value.items() for pair in _flat(part, f"{key}.{name}" if key else str(name))]


def _short(value: object) -> str:
    text = "nothing" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
