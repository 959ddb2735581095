"""Every target, by name."""

from __future__ import annotations

from tests.campaigns.fuzz import answers, corpora, replies, sources, wires, yamls
from tests.campaigns.fuzz.contract import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *sources.TARGETS,
        *replies.TARGETS,
        *yamls.TARGETS,
        *answers.TARGETS,
        *corpora.TARGETS,
        *wires.TARGETS,
    )
}
