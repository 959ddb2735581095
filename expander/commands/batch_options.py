"""Every option of `batch` that `expand` has not. The comment string below a field is its help text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from expander.bounds import MANY, POSITIVE, SECONDS


@Parameter(name="*", group=Group("Request files", sort_key=0))
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFileOptions:
    """Where requests are written, and how many go into one file."""

    requests: Annotated[Path | None, Parameter(name=["--requests", "-o"])] = None
    """The file of requests; a second and third one get -2 and -3 in their names [default: requests.jsonl in the run's
    folder]."""
    rows_per_file: Annotated[int, POSITIVE] = 50_000
    """Most requests in one file (50,000 in OpenAI's Batch API)."""
    megabytes_per_file: Annotated[float, POSITIVE] = 200.0
    """Most millions of bytes in one file (200 in OpenAI's Batch API)."""


@Parameter(name="*", group=Group("Service", sort_key=1))
@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Which Batch API, and how patiently it is asked."""

    base_url: str | None = None
    """An OpenAI-compatible Batch API, such as https://api.openai.com/v1; remembered from the run's first submit."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key. The key itself is never an option and never stored."""
    header: Annotated[tuple[str, ...], MANY] = ()
    """An extra request header, `Name=value`, or `Name=env:VARIABLE` for a secret one."""
    attempt_timeout: Annotated[float, SECONDS] = 600.0
    """Seconds one request may take; an upload or a download is one."""
    max_attempts: Annotated[int, POSITIVE] = 6
    """Most failed attempts for one request; being told to slow down does not count."""
    max_wait: Annotated[float, SECONDS] = 900.0
    """Most seconds for one request's attempts and the waits between them."""
