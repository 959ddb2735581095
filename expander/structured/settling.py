"""Before a run begins: how long a reply may be at this endpoint, the constraint that follows, and whether it is obeyed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from expander.cleaning import QA_LIMIT
from expander.errors import UsageError
from expander.openai_endpoint import Composed, compose
from expander.settings import EndpointSettings, SamplingSettings, StructuredSettings
from expander.structured.constraint import Constraint, constraint_of
from expander.structured.probe import Obedience, probe
from expander.tokens import estimate_tokens
from filters.dialogue import DialogueFormat
from filters.rules import RuleSet
from prompts import Template

_PATIENCE = 10.0  # seconds for the list of models: it is asked for once, and the run goes on without it
_CHAT_TEMPLATE = (
    64  # our margin, in tokens, for the role marks and the default system message that a chat template adds
)


def format_with(fmt: DialogueFormat, rules: RuleSet) -> DialogueFormat:
    """The format with the turns that the run's rules ask for, so that a constraint forces what will be judged."""
    return replace(
        fmt,
        min_turns=fmt.min_turns if rules.min_turns is None else rules.min_turns,
        max_turns=fmt.max_turns if rules.max_turns is None else rules.max_turns,
    )


async def settle(
    settings: StructuredSettings,
    *,
    template: Template,
    rules: RuleSet,
    urls: Sequence[str],
    model: str,
    endpoint: EndpointSettings,
    sampling: SamplingSettings,
    say: Callable[[str], None],
) -> Constraint | None:
    """The constraint that the run decodes under; None for none. `say` gets one line on what the endpoint does with it.

    Without --max-tokens, bounds are fitted to what the context leaves beside the longest prompt, where the endpoint says
    how long that is (vLLM does). Of several endpoints, the one with least room decides, and each has to obey. Raises
    UsageError where the constraint is refused or ignored, unless a fallback is allowed.
    """
    if settings.structured == "off":
        return None
    contexts = [
        await context_tokens(
            compose(base_url=url, model=model, endpoint=endpoint, sampling=sampling, system=template.system), model
        )
        for url in urls
    ]
    context = min((each for each in contexts if each is not None), default=None)
    constraint = offered(settings, template, rules, sampling, endpoint, context)
    assert constraint is not None
    for url in urls:
        found = await probe(
            constraint, base_url=url, model=model, endpoint=endpoint, sampling=sampling, system=template.system
        )
        text = found.text if len(urls) == 1 else f"{url}: {found.text}"
        if found.obedience in {Obedience.OBEYS, Obedience.UNCLEAR}:
            say(text)
            continue
        if not settings.structured_fallback:
            other = "regex" if settings.structured == "json" else "json"
            raise UsageError(
                f"{text} Try --structured {other}, go on without a constraint (--structured-fallback), "
                "or leave --structured out."
            )
        say(f"{text} Going on without a constraint (--structured-fallback).")
        return None
    return constraint


def offered(
    settings: StructuredSettings,
    template: Template,
    rules: RuleSet,
    sampling: SamplingSettings,
    endpoint: EndpointSettings,
    context: int | None = None,
) -> Constraint | None:
    """The constraint that these settings make, without asking anybody; None for none.

    `context`: most tokens of prompt and reply together. Raises UsageError as `constraint_of` does.
    """
    return constraint_of(
        settings,
        format_with(template.format, rules),
        tokens=room(template, sampling, context),
        extra_body=endpoint.body(),
    )


def room(template: Template, sampling: SamplingSettings, context: int | None) -> int | None:
    """Tokens that a reply may have: --max-tokens, or what the context leaves beside the longest prompt. None: unknown."""
    left = None
    if context is not None:
        prompt = estimate_tokens(template.prompt) + estimate_tokens(template.system or "") + _CHAT_TEMPLATE
        left = max(1, context - prompt - (QA_LIMIT if template.needs == "qa" else 0))
    limits = [limit for limit in (sampling.max_tokens, left) if limit is not None]
    return min(limits, default=None)


async def context_tokens(composed: Composed, model: str) -> int | None:
    """Most tokens of prompt and reply together, as the endpoint's list of models says (`max_model_len`); None if it does
    not. Never raises: an endpoint without such a list is as good as any."""
    parts = urlsplit(composed.url)
    url = urlunsplit(parts._replace(path=parts.path.removesuffix("/chat/completions") + "/models"))
    headers = {name: value for name, value in composed.headers.items() if name.lower() != "content-type"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE), trust_env=True) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != HTTPStatus.OK:
                return None
            listed = orjson.loads(await response.read())
        lengths = {entry.get("id"): entry.get("max_model_len") for entry in listed["data"]}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
        return None
    length = lengths.get(model)
    return length if isinstance(length, int) and not isinstance(length, bool) and length > 0 else None
