"""vLLM's /metrics (Prometheus text) as one value."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

# name{labels} value [timestamp]
_SAMPLE = re.compile(
    r"^(vllm:\w++)(?:\{[^}\n]*+\})?[ \t]++([0-9]++(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]{1,3}+)?)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetrics:
    """One reading, over all engines of a server. Counters begin at 0 with each life of the server."""

    running: int
    """Requests that decode."""
    waiting: int
    """Requests the server has taken and not yet begun."""
    cache_use: float
    """Share of the KV cache in use, 0 to 1: the fullest engine's, since that one preempts first."""
    preemptions: int
    """Requests that lost their place in the cache and were computed again."""
    prefix_queries: int
    """Tokens looked up in the prefix cache."""
    prefix_hits: int
    """Tokens found there."""
    prompt_tokens: int
    generation_tokens: int


class Served(NamedTuple):
    """What a server did in a stretch of time, its deaths left out."""

    preemptions: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0

    @property
    def hit_rate(self) -> float | None:
        """Share of prompt tokens that the prefix cache had; None before the first prompt."""
        return self.prefix_hits / self.prefix_queries if self.prefix_queries else None

    def and_then(self, before: ServerMetrics | None, now: ServerMetrics) -> Served:
        """With what happened between two readings. A counter that fell began anew: the server was started again."""
        anew = before is None or any(getattr(now, name) < getattr(before, name) for name in self._fields)
        return Served(
            *(
                total + getattr(now, name) - (0 if anew else getattr(before, name))
                for name, total in zip(self._fields, self, strict=True)
            )
        )


def read_metrics(text: str) -> ServerMetrics | None:
    """A reading from the text of /metrics; None where it is no vLLM's (no running requests in it)."""
    sums: dict[str, float] = {}
    fullest = 0.0
    for name, value in _SAMPLE.findall(text):
        number = float(value)
        if not math.isfinite(number):
            continue
        sums[name] = sums.get(name, 0.0) + number
        if name == "vllm:kv_cache_usage_perc":
            fullest = max(fullest, number)
    if "vllm:num_requests_running" not in sums:
        return None

    def total(name: str) -> int:
        found = sums.get(f"vllm:{name}", 0.0)
        return int(found) if math.isfinite(found) else 0

    return ServerMetrics(
        running=total("num_requests_running"),
        waiting=total("num_requests_waiting"),
        cache_use=fullest,
        preemptions=total("num_preemptions_total"),
        prefix_queries=total("prefix_cache_queries_total"),
        prefix_hits=total("prefix_cache_hits_total"),
        prompt_tokens=total("prompt_tokens_total"),
        generation_tokens=total("generation_tokens_total"),
    )
