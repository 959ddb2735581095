"""Secrets that were put into a command: kept out of what the program prints of it, and of what libraries log.

A key belongs into an environment variable. Whoever puts one into an option all the same has it in the shell's history and
in the list of processes, which no program can undo; this keeps it out of everything else.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What an environment variable is called; no key is."""
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, 5.6.2."""
_SECRET_WORDS = frozenset({"key", "apikey", "token", "secret", "password", "authorization", "bearer"})
_FREE_TEXT = frozenset({"--vllm-arg", "--extra-body"})
"""Options whose values may name secrets of their own."""
_LEAST = 8  # characters; replacing a shorter one in a message would garble it, and no key is as short
_TALKATIVE = ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp")
_HIDDEN = "..."


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """The arguments with `...` for what may be a secret: a literal header, a key where the name of a variable belongs or under
    an option that there is not, and a URL's user part, query and fragment."""
    shown = list(arguments)
    for place, start, end in _places(arguments):
        shown[place] = shown[place][:start] + _HIDDEN + shown[place][end:]
    return shown


def secrets_in(arguments: Sequence[str]) -> list[str]:
    """What `without_secrets` hides and its parts, longest first, also as they read without URL escapes."""
    found = {arguments[place][start:end] for place, start, end in _places(arguments)}
    found |= {unquote(secret) for secret in found}
    found |= {part for secret in found for part in re.split(r"[\s:@=&?#]", secret)}
    return sorted((secret for secret in found if len(secret) >= _LEAST), key=len, reverse=True)


def silence_libraries() -> None:
    """Keep libraries' own logs, which quote headers, bodies and texts, to themselves, whatever the environment says."""
    os.environ.pop("OPENAI_LOG", None)  # read when the package is imported
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _places(arguments: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Argument, start and end of each secret; of one argument the last first."""
    for place, argument in enumerate(arguments):
        option, equals, _ = argument.partition("=")
        if argument.startswith("--") and equals:
            yield from ((place, *span) for span in _spans(option, argument, len(option) + 1))
        elif place and arguments[place - 1].startswith("--") and "=" not in arguments[place - 1]:
            yield from ((place, *span) for span in _spans(arguments[place - 1], argument, 0))
        elif "://" in argument:
            yield from ((place, *span) for span in _of_url(argument, 0))


def _spans(option: str, argument: str, start: int) -> Iterator[tuple[int, int]]:
    value = argument[start:]
    if option == "--header":
        name, equals, secret = value.partition("=")
        if not HEADER_NAME.fullmatch(name):
            yield start, len(argument)  # `Name: value` with an = in the value, or a key alone
        elif not (secret.startswith("env:") and VARIABLE.fullmatch(secret.removeprefix("env:"))):
            yield (start + len(name) + len(equals) if equals else start), len(argument)
    elif option == "--extra-body" and not value.lstrip().startswith("{"):
        yield start, len(argument)
    elif option.endswith("-env"):
        if not VARIABLE.fullmatch(value):
            yield start, len(argument)
    elif _speaks_of_secrets(option) or (option in _FREE_TEXT and _speaks_of_secrets(value)):
        yield start, len(argument)
    elif "://" in value:
        yield from _of_url(argument, start)


def _speaks_of_secrets(text: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(re.split(r"[^a-z]+", text.lower()))


def _of_url(argument: str, start: int) -> Iterator[tuple[int, int]]:
    """A URL's query and fragment, then its user part."""
    url = argument[start:]
    after = min((place for sign in "?#" if (place := url.find(sign)) >= 0), default=len(url))
    if after + 1 < len(url):
        yield start + after + 1, len(argument)
    # Up to the last @: a key with a slash in it ends what a parser takes for the user part.
    user = url[:after].partition("://")[2].rpartition("@")[0]
    if user:
        begin = start + url.index("://") + len("://")
        yield begin, begin + len(user)
