"""`ablate`: several templates or models on the same posts. A signature and one call."""

from __future__ import annotations

from pathlib import Path

from expander.commands.ablation_options import AblationOptions, AblationPage, ArmEndpoints
from expander.consoles import console
from expander.settings import (
    InputSettings,
    OfflineKnobs,
    RuleSettings,
    SamplingSettings,
    StructuredSettings,
    VllmSettings,
    WorkSettings,
)


def ablate(
    posts: Path | None = None,
    /,
    *,
    options: AblationOptions = AblationOptions(),  # noqa: B008 - frozen
    inputs: InputSettings = InputSettings(),  # noqa: B008
    endpoint: ArmEndpoints = ArmEndpoints(),  # noqa: B008
    sampling: SamplingSettings = SamplingSettings(),  # noqa: B008
    work: WorkSettings = WorkSettings(),  # noqa: B008
    rules: RuleSettings = RuleSettings(),  # noqa: B008
    offline: OfflineKnobs = OfflineKnobs(),  # noqa: B008
    vllm: VllmSettings = VllmSettings(),  # noqa: B008
    structured: StructuredSettings = StructuredSettings(),  # noqa: B008
    page: AblationPage = AblationPage(),  # noqa: B008
) -> int:
    """Hold templates and models against each other: all on the same posts at once, then one page that says what differs.

    The same command again goes on where the last one stopped. Each arm is a run of its own under arms/, for `show`,
    `filter`, `export` and `report`. Concurrency and quotas are divided among the arms; budgets bound all together.

    Example: `run.py ablate posts.json --arm smile --arm mine.yaml -n 500 --human psy_insight_cn.json --plan`

    Exit codes as of `expand`; the page is written where every arm came to its end (0 and 3).

    Parameters
    ----------
    posts: Path
        PsyQA JSON, JSON Lines, CSV, TSV (these also .gz, .zst, .xz) or Parquet.
    """
    from expander.commands.ablating import Ablating, ablate_posts

    ablating = Ablating(
        posts=posts,
        options=options,
        inputs=inputs,
        endpoint=endpoint,
        sampling=sampling,
        work=work,
        rules=rules,
        offline=offline,
        vllm=vllm,
        structured=structured,
        page=page,
    )
    return ablate_posts(ablating, console(), console(stderr=True))
