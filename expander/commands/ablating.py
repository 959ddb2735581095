"""`ablate`: the arms' runs, then their page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from expander.ablation.arms import Arm, arms_of, shared_work, smile_protocol
from expander.ablation.identity import identity, settle
from expander.ablation.running import run
from expander.commands.ablation_options import AblationOptions, AblationPage, ArmEndpoints
from expander.errors import UsageError
from expander.exits import Exit
from expander.job import Job
from expander.sampling import FIRST_QAS
from expander.settings import (
    InputSettings,
    OfflineKnobs,
    RuleSettings,
    SamplingSettings,
    StructuredSettings,
    VllmSettings,
    WorkSettings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablating:
    """One `ablate` command."""

    posts: Path | None
    options: AblationOptions
    inputs: InputSettings
    endpoint: ArmEndpoints
    sampling: SamplingSettings
    work: WorkSettings
    rules: RuleSettings
    offline: OfflineKnobs
    page: AblationPage
    vllm: VllmSettings
    structured: StructuredSettings

    @property
    def folder(self) -> Path:
        if self.options.out is not None:
            return self.options.out
        stem = self.posts.name.split(".")[0] if self.posts is not None else "generated"
        return Path("outputs") / f"{stem}-ablation"

    def arms(self) -> list[Arm]:
        """Raises UsageError for settings that contradict each other."""
        options, inputs, sampling, work = self.options, self.inputs, self.sampling, self.work
        if options.posts_drawn is not None and inputs.sample is not None:
            raise UsageError("-n and --sample are the same: give one of them.")
        sample = options.posts_drawn or inputs.sample
        if options.protocol == "smile":
            if inputs.sample_first != FIRST_QAS:
                raise UsageError(f"--protocol smile draws from the first {FIRST_QAS}: leave --sample-first out.")
            sampling, work, sample = smile_protocol(sampling, work, sample)
        common = Job(
            posts=self.posts,
            template="",
            out=None,
            inputs=replace(inputs, sample=sample) if self.posts is not None else inputs,
            endpoint=self.endpoint.first(),
            sampling=sampling,
            work=work,
            rules=self.rules,
            offline=self.offline,
            vllm=self.vllm,
            structured=self.structured,
        )
        return arms_of(common, options.arm, self.endpoint.model, options.arm_config, folder=self.folder)


def ablate_posts(ablating: Ablating, console: Console, status: Console) -> int:
    """Run or resume every arm and write the page; or print the plan."""
    arms, page = ablating.arms(), ablating.page
    baseline = page.baseline or arms[0].name
    if baseline not in {arm.name for arm in arms}:
        raise UsageError(f"--baseline {baseline}: is no arm. There are {', '.join(arm.name for arm in arms)}.")
    shared_work(ablating.work, len(arms))
    for arm in arms:
        arm.job.check()
    if ablating.options.plan:
        from expander.commands.ablation_plan import print_plan

        return print_plan(arms, baseline, ablating.folder, page, console)
    now = identity(arms)
    # The analysis takes seconds to import: what is wrong with the options is said before.
    from expander.commands.ablation_page import check_page, write_page

    check_page(ablating.folder, page)
    settle(ablating.folder, now)
    code = run(arms, console=console, status=status)
    if code in {Exit.COMPLETE, Exit.ROWS_FAILED}:
        write_page(arms, baseline, ablating.folder, page, seed=ablating.inputs.seed, console=console, status=status)
    return code
