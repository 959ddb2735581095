"""Misbehaviour on request: which prompts are hit, by what, how often.

A prompt's fate is drawn from a hash of seed and prompt, so a share of the rows is hit and it is the same rows each time.
A prompt that does not vary (the `standard` template's) is hit as one, always or never.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

BROKEN_CONNECTION = frozenset({"drop", "reset", "hang", "hang-body", "trickle"})
"""No whole response comes."""
TOO_LARGE = frozenset({"oversized", "gzip-bomb"})
"""A sound body of 80 MiB, or of 256 MiB that travels as 256 kB."""
WIRE = BROKEN_CONNECTION | TOO_LARGE | {"truncated", "bad-utf8", "html", "content-type"}
"""What goes wrong with the bytes."""
WAITS = frozenset(
    {"429-seconds", "429-date", "429-ms", "429-none", "429-past", "429-negative", "429-garbage", "429-far"}
)
"""Status 429 with one form of Retry-After, the last five of no use: absent, gone by, below 0, words, 32 years."""
LIMITS = WAITS | {"quota"}
"""Variants of status 429: how it says when to come back, and no money left."""
CONTENT = frozenset({"empty", "null", "no-choices", "length", "content_filter", "huge"})
"""A sound reply with unusable content."""
RULES = frozenset(
    {
        "rule-no-label",
        "rule-one-line",
        "rule-english",
        "rule-few-turns",
        "rule-markdown",
        "rule-third-speaker",
        "rule-same-speaker",
        "rule-empty-utterance",
        "rule-ai-voice",
        "rule-copied",
        "rule-preamble",
        "rule-leak",
        "rule-literal-newline",
    }
)
"""A reply whose dialogue breaks one rule of the filters."""
KINDS = WIRE | LIMITS | CONTENT | RULES

STATUS = re.compile(r"[45]\d\d")
SPEC = re.compile(r"([a-z0-9_-]+)=(\d++(?:\.\d++)?|\.\d++)(?:x(always|\d+))?")
EXAMPLE = "Write KIND=SHARE or KIND=SHARExTIMES, such as 429=0.2x2, 500=0.04xalways or rule-no-label=0.1."


class Fault(NamedTuple):
    """A kind, the share of prompts it hits, and how often it hits one of them; None is every time."""

    kind: str
    share: float
    times: int | None

    @property
    def status(self) -> int | None:
        """The HTTP status of a fault that is an error response."""
        if self.kind in LIMITS:
            return 429
        return int(self.kind) if STATUS.fullmatch(self.kind) else None


def parse_fault(spec: str) -> Fault:
    """A fault from `KIND=SHARE[xTIMES]`. Without TIMES a rule is broken always, anything else happens once a prompt.

    Raises ValueError, with what to write instead.
    """
    found = SPEC.fullmatch(spec.strip())
    if found is None:
        raise ValueError(f"Fault {spec!r} cannot be read. {EXAMPLE}")
    kind, share, times = found.group(1), float(found.group(2)), found.group(3)
    if kind not in KINDS and not STATUS.fullmatch(kind):
        raise ValueError(
            f"Fault {spec!r}: there is no kind {kind!r}. Use a status from 400 to 599, or one of {', '.join(sorted(KINDS))}."
        )
    if not 0 < share <= 1:
        raise ValueError(f"Fault {spec!r}: the share must be above 0 and at most 1. {EXAMPLE}")
    if times == "always" or (times is None and kind in RULES):
        return Fault(kind, share, None)
    if times is not None and int(times) < 1:
        raise ValueError(f"Fault {spec!r}: the number of times must be at least 1, or `always`. {EXAMPLE}")
    return Fault(kind, share, int(times or 1))


def parse_faults(specs: Iterable[str]) -> tuple[Fault, ...]:
    """Faults from their specs, in order. Raises ValueError for a bad spec, or shares that add up to more than 1."""
    faults = tuple(parse_fault(spec) for spec in specs)
    total = math.fsum(fault.share for fault in faults)
    if total > 1 + 1e-9:
        raise ValueError(
            f"The shares of the faults add up to {total:g}; a prompt meets one fault at most, so lower them to 1 or less."
        )
    return faults


def prompt_key(prompt: str) -> bytes:
    """16 bytes that stand for a prompt wherever its words must not."""
    return hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def uniform(seed: int, purpose: str, text: str) -> float:
    """A number in [0, 1) that depends on all three and on nothing else."""
    key = f"{purpose}:{seed}".encode()[:64]
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big") / 2**64


def assigned(faults: Sequence[Fault], seed: int, prompt: str) -> Fault | None:
    """The fault that this prompt is to meet, if any: its uniform number against the shares laid end to end."""
    if not faults:
        return None
    place = uniform(seed, "fault", prompt)
    end = 0.0
    for fault in faults:
        end += fault.share
        if place < end:
            return fault
    return None


@dataclass(slots=True)
class FaultPlan:
    """`assigned`, with a memory of how often each prompt was hit. The memory grows with prompts hit, 16 bytes of key each."""

    faults: tuple[Fault, ...]
    seed: int
    _hits: dict[bytes, int]

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        self.faults = faults
        self.seed = seed
        self._hits = {}

    def meet(self, prompt: str) -> Fault | None:
        """The fault this request meets, counted as met; None once a prompt has had its share."""
        fault = assigned(self.faults, self.seed, prompt)
        if fault is None or fault.times is None:
            return fault
        key = prompt_key(prompt)
        hits = self._hits.get(key, 0)
        if hits >= fault.times:
            return None
        self._hits[key] = hits + 1
        return fault
