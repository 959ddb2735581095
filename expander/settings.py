"""Every option of a run, declared once: the command line, the environment (EXPANDER_...) and the YAML file read these.

The comment string below a field is its help text. Where a number came from somewhere, the text says where.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from cyclopts import Group, Parameter

from expander.bounds import (
    A_MINUTE,
    COUNT,
    FLAG,
    IN_FLIGHT,
    MANY,
    POSITIVE,
    SAMPLES,
    SECONDS,
    SEED,
    SHARE,
    TEMPERATURE,
    TOKENS,
)
from expander.command_secrets import HEADER_NAME, VARIABLE
from expander.errors import UsageError

if TYPE_CHECKING:
    from filters.rules import RuleSet

_SECRETS = frozenset({"api_key", "apikey", "key", "token", "access_token", "authorization", "password", "secret"})
_CONCURRENCY = 32  # requests: below the limits of small hosted plans, and enough to hide one reply's latency


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True, slots=True, kw_only=True)
class InputSettings:
    """Which posts are read, and which of them become rows."""

    column: Annotated[tuple[str, ...], MANY] = ()
    """Where a field stands under another name: `--column question=title --column answer=reply`."""
    limit: Annotated[int | None, POSITIVE] = None
    """Take only the first so many posts."""
    sample: Annotated[int | None, POSITIVE] = None
    """Draw so many distinct questions, one random answer each (SMILE 4.1 draws 500)."""
    sample_first: Annotated[int, POSITIVE] = 5000
    """Draw the sample from the first so many posts (5000 in SMILE 4.1)."""
    count: Annotated[int | None, POSITIVE] = None
    """Instead of posts: so many rows for a template that needs none."""
    shard: str | None = None
    """Take the i-th of N equal parts of the posts, by content: `--shard 1/4`."""
    seed: Annotated[int, SEED] = 0
    """Decides the sample and the topics. It is not sent to the endpoint."""
    no_clean: Annotated[bool, FLAG] = False
    """Leave the posts' wording and length as they are (SMILE's Appendix A cleaning is the default)."""

    no_redact: Annotated[bool, FLAG] = False
    """Send phone numbers, ids, accounts, e-mail addresses and links as they stand in the posts (they are taken out by
    default)."""

    def columns(self) -> dict[str, str]:
        return dict(_pair(entry, "=", "--column", "question=title") for entry in self.column)

    def shard_of(self) -> tuple[int, int] | None:
        if self.shard is None:
            return None
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", self.shard)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {self.shard!r}: give it as i/N with 1 <= i <= N, such as 1/4.")
        return int(match[1]), int(match[2])


@Parameter(name="*", group=Group("Endpoint", sort_key=2))
@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """Where requests go. Without a base URL, the embedded offline endpoint answers."""

    base_url: Annotated[tuple[str, ...], MANY] = ()
    """Any OpenAI-compatible endpoint, such as https://api.openai.com/v1 or http://127.0.0.1:8000/v1. Given several times, the
    endpoints share the load; one that does not answer is left out for a while."""
    model: str | None = None
    """The model's name at that endpoint."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key. The key itself is never an option and never stored."""
    header: Annotated[tuple[str, ...], MANY] = ()
    """An extra request header, `Name=value`, or `Name=env:VARIABLE` for a secret one."""
    extra_body: str | None = None
    """A JSON object merged into every request's body, for parameters of one provider."""
    attempt_timeout: Annotated[float, SECONDS] = 180.0
    """Seconds one request may take from sending to the last byte."""

    def __post_init__(self) -> None:
        if self.api_key_env and not VARIABLE.fullmatch(self.api_key_env):
            raise UsageError("--api-key-env: give the name of an environment variable, never the key itself.")
        for url in self.base_url:
            self._check(url)
        if len(set(self.base_url)) < len(self.base_url):
            raise UsageError("--base-url: the same URL twice. It would get twice its share.")
        if self.base_url and self.model is None:
            raise UsageError("--base-url needs --model: the name of the model at that endpoint.")

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:  # brackets or a port that make no sense
            whole = None
        if not whole:
            raise UsageError("--base-url: give a whole URL, such as https://api.openai.com/v1.")
        if parts.username or parts.password or "@" in url:  # a key may hold a slash, and then ends the host's part
            raise UsageError(
                "--base-url holds credentials. URLs end up in logs and process lists: "
                f"put the key into ${self.api_key_env}, or a header into --header Name=env:VARIABLE."
            )
        if parts.query or parts.fragment:
            raise UsageError(
                "--base-url: give it without a query (from ? on). A key belongs into "
                f"${self.api_key_env}, any other parameter into --extra-body or --header."
            )

    def hosts(self) -> str:
        """The endpoints' host names, for a reader; empty where no URL is given."""
        return ", ".join(dict.fromkeys(urlsplit(url).hostname or "" for url in self.base_url))

    def headers(self) -> dict[str, str]:
        """Extra headers with their secrets looked up. Never store or print what this returns."""
        return {name: _secret(name, value) for name, value in self._headers()}

    def secret_headers(self) -> tuple[str, ...]:
        """Names of the headers whose values come out of a variable."""
        return tuple(name for name, value in self._headers() if value.startswith("env:"))

    def _headers(self) -> Iterator[tuple[str, str]]:
        for entry in self.header:
            name, value = _pair(entry, "=", "--header", "X-Team=research")
            if not HEADER_NAME.fullmatch(name):  # `Name: value`, say, with an = in the value
                raise UsageError("--header: cannot read this entry; give it as --header X-Team=research.")
            yield name, value

    def body(self) -> dict[str, Any]:
        if self.extra_body is None:
            return {}
        try:
            body = orjson.loads(self.extra_body)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"--extra-body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise UsageError("--extra-body: give a JSON object, such as '{\"top_k\": 20}'.")
        if clash := body.keys() & {"model", "messages", "stream", "n", "seed"}:
            raise UsageError(f"--extra-body may not set {', '.join(sorted(clash))}: the job sets that itself.")
        if secret := {name for name in body if name.lower().replace("-", "_") in _SECRETS}:
            raise UsageError(
                f"--extra-body may not set {', '.join(sorted(secret))}: a run keeps its settings, and never a key. "
                "Put it into a variable and name that: --header Name=env:VARIABLE."
            )
        return body


@Parameter(name="*", group=Group("Local vLLM", sort_key=2))
@dataclass(frozen=True, slots=True, kw_only=True)
class VllmSettings:
    """A server that the job starts itself, instead of an endpoint that is there already."""

    vllm: str | None = None
    """A model for vLLM to serve: a folder, or a name on the Hugging Face hub. The job starts the server, feeds and stops it."""
    vllm_arg: Annotated[tuple[str, ...], MANY, Parameter(allow_leading_hyphen=True)] = ()
    """Arguments for `vllm serve`, split as a shell would: `--vllm-arg="--max-model-len 8192"`; may be given several times."""
    vllm_executable: str | None = None
    """The vllm executable, of another environment for instance [default: this environment's, or the PATH's]."""

    def __post_init__(self) -> None:
        if self.vllm is None and self.vllm_arg:
            raise UsageError("--vllm-arg needs --vllm: the model to serve.")
        if self.vllm_arg:
            from expander.vllm_server.command import split_arguments

            split_arguments(self.vllm_arg)


@Parameter(name="*", group=Group("Sampling", sort_key=3))
@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """What the endpoint is asked for."""

    temperature: Annotated[float, TEMPERATURE] = 1.0
    """1.0 in SMILE 4.1."""
    top_p: Annotated[float, SHARE] = 1.0
    """1.0 in SMILE 4.1."""
    max_tokens: Annotated[int | None, TOKENS] = None
    """Most tokens a reply may have; the endpoint's own limit when unset."""
    stop: Annotated[tuple[str, ...], MANY] = ()
    """A string at which the reply ends; may be given several times."""
    request_seed: Annotated[int | None, SEED] = None
    """Sent to the endpoint, mixed with the row's identity so that equal prompts still differ."""
    samples: Annotated[int, SAMPLES] = 1
    """Dialogues to make from each post."""


@Parameter(name="*", group=Group("Work", sort_key=4))
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """How hard the endpoint is worked, and when to stop."""

    concurrency: Annotated[int | None, IN_FLIGHT] = None
    """Most requests in flight; also the most that a crash can make the next run send again [default: 32; with --vllm found
    from what the server says, 1024 at most]."""
    rpm: Annotated[float | None, A_MINUTE] = None
    """The endpoint's quota of requests a minute; 95 % of it is used."""
    tpm: Annotated[float | None, A_MINUTE] = None
    """The endpoint's quota of tokens a minute; 95 % of it is used."""
    max_attempts: Annotated[int, POSITIVE] = 6
    """Most failed attempts for one reply; being told to slow down does not count."""
    max_wait: Annotated[float, SECONDS] = 900.0
    """Most seconds one row may spend on attempts and the waits between them."""
    max_regenerations: Annotated[int, COUNT] = 0
    """How often a reply that fails the rules is asked for anew (SMILE 4.1: until it passes; SMILECHAT: never)."""
    max_total_tokens: Annotated[int | None, POSITIVE] = None
    """Stop once the run has used so many tokens."""
    price_in: Annotated[float | None, COUNT] = None
    """Price of a million prompt tokens."""
    price_out: Annotated[float | None, COUNT] = None
    """Price of a million completion tokens."""
    currency: str = "USD"
    """What prices are in."""
    max_cost: Annotated[float | None, POSITIVE] = None
    """Stop once the run has cost so much; needs both prices."""

    def __post_init__(self) -> None:
        if (self.price_in is None) != (self.price_out is None):
            raise UsageError("Give both --price-in and --price-out, or neither.")
        if self.max_cost is not None and self.price_in is None:
            raise UsageError("--max-cost needs --price-in and --price-out: without prices the cost is unknown.")

    @property
    def in_flight(self) -> int:
        """Requests in flight to begin with, and throughout where nothing else finds a number."""
        return self.concurrency or _CONCURRENCY

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """In `currency`; None when no price is configured."""
        if self.price_in is None or self.price_out is None:
            return None
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1_000_000


@Parameter(name="*", group=Group("Rules", sort_key=5))
@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """What a reply must be to be kept. Rules read stored replies, so changing them costs no request."""

    strict: Annotated[bool, FLAG] = False
    """Accept only replies that need no repair."""
    without_rule: Annotated[tuple[str, ...], MANY] = ()
    """A rule to leave out, by the name that rejected.jsonl has; may be given several times."""
    min_turns: Annotated[int | None, COUNT] = None
    """Fewest turns of a kept dialogue; the template's own bound when unset."""
    max_turns: Annotated[int | None, POSITIVE] = None
    """Most turns of a kept dialogue; the template's own bound when unset."""
    risk: Literal["flag", "quarantine", "drop"] = "flag"
    """What becomes of a dialogue that speaks of self-harm, suicide or harm to others: it is kept with a flag, set apart in
    quarantine.jsonl, or rejected. The word lists are recall-oriented and not clinical."""
    policy: Annotated[tuple[Literal["soulchat"], ...], MANY] = ()
    """A published filter to apply as well: `soulchat` rejects what holds 我是, 自杀 or 跳楼 (its Ethics Statement)."""

    def __post_init__(self) -> None:
        if self.min_turns is not None and self.max_turns is not None and self.min_turns > self.max_turns:
            raise UsageError(f"--min-turns {self.min_turns} --max-turns {self.max_turns}: no dialogue can have both.")
        if self.without_rule:
            self.rule_set()

    def rule_set(self) -> RuleSet:
        """Raises UsageError with all rules for a name that is none, or that must stay on."""
        from filters.rules import RuleSet

        try:
            return RuleSet(
                off=frozenset(self.without_rule),
                on=frozenset(
                    ([] if self.risk == "flag" else [f"risk-{self.risk}"]) + [f"{name}-strings" for name in self.policy]
                ),
                strict=self.strict,
                min_turns=self.min_turns,
                max_turns=self.max_turns,
            )
        except ValueError as error:
            raise UsageError(f"--without-rule: {error}.") from error


@Parameter(name="*", group=Group("Offline endpoint", sort_key=6))
@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineKnobs:
    """How the embedded endpoint behaves, for tests and load; without effect on any other endpoint."""

    offline_latency: Annotated[float, COUNT] = 0.0
    """Seconds before it answers."""
    offline_rate_limit: Annotated[float | None, POSITIVE] = None
    """Requests a second before it answers 429."""
    offline_fault: Annotated[tuple[str, ...], MANY] = ()
    """A fault by share of the rows, such as `500=0.05`, `truncated=0.1`, `429=0.2x2`, `hang=0.01xalways`."""


@Parameter(name="*", group=Group("Format by construction", sort_key=7))
@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredSettings:
    """Whether the endpoint decodes under a constraint made from the template's labels and turns."""

    structured: Literal["off", "regex", "grammar", "json"] = "off"
    """Force every reply into the template's form: by a regular expression or a grammar (vLLM's structured_outputs), or by a
    JSON Schema (response_format) where an endpoint has only that."""
    structured_fallback: Annotated[bool, FLAG] = False
    """Go on without a constraint where the endpoint refuses or ignores it; otherwise the run does not start."""
    structured_shortest: Annotated[int | None, POSITIVE] = None
    """Fewest characters of an utterance [default: 6, in English 24]."""
    structured_longest: Annotated[int | None, COUNT] = None
    """Most characters of an utterance; 0 for no bound [default: no bound where the endpoint has room for any dialogue, else
    100, in English 400, or what fits]. A bound is dear: a server takes far longer for each token."""
    structured_most_turns: Annotated[int | None, POSITIVE] = None
    """Most turns [default: the template's own, or 12; fewer where a reply could not be whole otherwise]."""
    structured_analysis: Annotated[int | None, COUNT] = None
    """Most characters before the dialogue, where the template allows text there; 0 forbids it [default: no bound, or 400,
    in English 1600, where utterances have one]."""


def _pair(entry: str, separator: str, option: str, example: str) -> tuple[str, str]:
    name, found, value = entry.partition(separator)
    if not found or not name.strip() or not value.strip():
        raise UsageError(f"{option}: cannot read this entry; give it as {option} {example}.")
    return name.strip(), value.strip()


def _secret(name: str, value: str) -> str:
    if not value.startswith("env:"):
        return value
    variable = value.removeprefix("env:")
    if variable not in os.environ:
        named = f"variable {variable}" if VARIABLE.fullmatch(variable) else "variable that env: names"
        raise UsageError(f"--header {name}: the environment {named} is not set. A key itself has no place there.")
    return os.environ[variable].strip()


def run_folder(out: Path | None, posts: Path | None, template: str, model: str) -> Path:
    """The run's folder: as asked, or one that the same command finds again."""
    if out is not None:
        return out
    stem = posts.name.split(".")[0] if posts is not None else "generated"
    parts = (stem, Path(template).stem, model.rsplit("/", 1)[-1])
    return Path("outputs") / "-".join(re.sub(r"[^\w.-]+", "_", part) for part in parts)
