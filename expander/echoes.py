"""Secrets that an endpoint sends back: taken out of a body before anything reads or stores it.

A gateway that echoes its request, or an error page with the key in it, must not bring the key into a run's store. Found are
the secret as it stands and as JSON may escape it; a secret that is encoded in any other way is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

REMOVED = b"[secret removed]"
_LEAST = 8  # characters; what is shorter may be a word of the reply ("EMPTY" stands for no key), and no key is as short
_CARRIES_A_SECRET = re.compile(r"auth|key|token|secret|cookie|credential|password", re.IGNORECASE)


class Echoes:
    """Takes known secrets out of bodies."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets` are keys and header values; of a value such as `Bearer KEY` the last word is one too."""
        whole = {secret.strip() for secret in secrets}
        words = whole | {secret.split()[-1] for secret in whole if secret}
        found = sorted((word for word in words if len(word) >= _LEAST), key=len, reverse=True)
        self._plain = tuple(word.encode() for word in found)
        quoted = any(json.dumps(word)[1:-1] != word for word in found)
        self._hints = (b"\\u00", b"\\/", *((b'\\"', b"\\\\") if quoted else ()))
        self._escaped = re.compile(b"|".join(map(_as_json_may_write, found)) or rb"(?!)")

    def removed(self, body: bytes) -> bytes:
        """The body with `REMOVED` for each secret; the body itself where it holds none, which costs a few searches: about 10 us for 6 kB."""
        if self._plain and any(sign in body for sign in (*self._plain, *self._hints)):
            return self._escaped.sub(REMOVED, body)
        return body


def of_headers(headers: Mapping[str, str], secret_ones: Iterable[str] = ()) -> Echoes:
    """The secrets in a request's headers: those whose name says so, and those that came out of a variable."""
    named = {name.casefold() for name in secret_ones}
    return Echoes(
        value for name, value in headers.items() if name.casefold() in named or _CARRIES_A_SECRET.search(name)
    )


def _as_json_may_write(secret: str) -> bytes:
    return b"".join(map(_character, secret))


def _character(character: str) -> bytes:
    """One character of a header as itself, behind a backslash, or as \\u and four digits."""
    forms = {character, json.dumps(character)[1:-1], f"\\{character}" if character in '"\\/' else character}
    code = rf"\\u(?i:{ord(character):04x})".encode()
    return b"(?:" + b"|".join([*(re.escape(form.encode()) for form in sorted(forms)), code]) + b")"
